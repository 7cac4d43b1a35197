import { PgreplError } from '../errors.ts';

/** A `next` that is only an option (`--restart`) means this very line with it. */
export function withWholeLines(error: PgreplError, line: string): PgreplError {
  const whole = (next: readonly string[] | undefined): readonly string[] => (next ?? []).map((words) => (words.startsWith('-') ? `${line} ${words}` : words));
  if (![error.next, ...error.reasons.map((reason) => reason.next ?? [])].flat().some((words) => words.startsWith('-'))) return error;
  return new PgreplError(error.kind, error.code, error.message, {
    node: error.node,
    hint: error.hint,
    next: whole(error.next),
    details: error.details,
    reasons: error.reasons.map((reason) => ({ ...reason, next: whole(reason.next) })),
    cause: error.cause,
  });
}

import { PgreplError } from '../errors.ts';
import type { OptionSpec } from './command.ts';
import { quoteWords, splitWords } from './io.ts';
import { typedCommand } from './typed-next.ts';

/** The line that was typed, or the same for any directory; and the cluster file that it names (`null`: the default). */
export interface TypedLine {
  readonly line: string;
  readonly options: readonly OptionSpec[];
  readonly file: string | null;
}

/**
 * An error with every `next` as it is to be typed. One that is only an option (`--restart`, `--port 7602`) means this very line with it, in the
 * place of the same option if it was there; another command of pgrepl is for the same cluster file.
 */
export function withWholeLines(error: PgreplError, { line, options, file }: TypedLine): PgreplError {
  const whole = (next: readonly string[] | undefined): readonly string[] => (next ?? []).flatMap((words) => (words.startsWith('-') ? [lineWith(line, words, options)] : typedCommand(words, file)));
  return new PgreplError(error.kind, error.code, error.message, {
    node: error.node,
    hint: error.hint,
    next: whole(error.next),
    details: error.details,
    reasons: error.reasons.map((reason) => ({ ...reason, next: whole(reason.next) })),
    cause: error.cause,
  });
}

/** Of a repeatable option only the one with the same name before its `=` is replaced. */
function lineWith(line: string, addition: string, options: readonly OptionSpec[]): string {
  const [flag = '', value = ''] = splitWords(addition);
  const option = options.find(({ flags }) => spellings(flags).includes(flag));
  if (option === undefined) return `${line} ${addition}`;
  const words = splitWords(line);
  const kept: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const found = spellings(option.flags).find((name) => word === name || word.startsWith(name.startsWith('--') ? `${name}=` : name));
    const apart = found === word && option.flags.includes('<');
    const text = apart ? (words[at + 1] ?? '') : word.slice(found?.length ?? 0).replace(/^=/, '');
    if (found === undefined || (option.repeat === true && nameIn(text) !== nameIn(value))) kept.push(word);
    else if (apart) at += 1;
  }
  return `${quoteWords(kept)} ${addition}`;
}

/** `-p` and `--port` of `-p, --port <PORT>`. */
function spellings(flags: string): readonly string[] {
  return flags.split(/[ ,]+/).filter((word) => word.startsWith('-'));
}

function nameIn(value: string): string {
  return value.split('=', 1)[0] ?? value;
}

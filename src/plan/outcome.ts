import { EXIT_CODE, PgreplError, type ErrorKind } from '../errors.ts';
import type { Outcome, RunEvent } from './events.ts';
import type { Remains } from './take-back.ts';

/** How a run ended. */
export interface RunResult {
  readonly outcome: Outcome;
  /** `null` exactly when all is as wanted. */
  readonly error: PgreplError | null;
  /** Where it failed; `null` also when it was interrupted between two steps. */
  readonly failedAt: FailedAt | null;
}

export interface FailedAt {
  /** From 1. */
  readonly number: number;
  readonly of: number;
  readonly node: string;
  readonly kind: string;
  readonly title: string;
}

/** What became of a run that did not reach its end. */
export interface Breakdown {
  readonly error: PgreplError;
  readonly interrupted: boolean;
  /** What the point of no return said, when it was passed. */
  readonly noReturn: string | null;
  /** True when there was anything to take back. */
  readonly touched: boolean;
  readonly remains: readonly Remains[];
  readonly title: string;
  readonly command: string;
  readonly run: string;
  readonly failedAt: FailedAt | null;
}

const OUTCOMES: Readonly<Record<ErrorKind, Outcome>> = {
  bug: 'error',
  usage: 'error',
  refused: 'refused',
  undone: 'undone',
  unfinished: 'unfinished',
  unknown: 'unknown',
  locked: 'locked',
  unreachable: 'unreachable',
  interrupted: 'interrupted',
};

/** The outcome that a result names for a failure of this kind. */
export function outcomeOf(kind: ErrorKind): Outcome {
  return OUTCOMES[kind];
}

/** The last event of a stream, also of one whose run never began. */
export function resultEvent(run: string | null, result: Pick<RunResult, 'outcome' | 'error'>): RunEvent {
  return { event: 'result', exit: result.error === null ? 0 : result.error.exitCode, outcome: result.outcome, run, error: result.error };
}

/** The exit code of a failure, for the journal. */
export function exitOf(error: PgreplError | null): number {
  return error === null ? 0 : EXIT_CODE[error.kind];
}

/** Says what state the world is in after a breakdown: the kind of the error, and lines that tell what was undone and what was not. */
export function judgeBreakdown(given: Breakdown): RunResult {
  const error = given.interrupted ? interruption(given) : failure(given);
  return { outcome: outcomeOf(error.kind), error, failedAt: given.failedAt };
}

function failure(given: Breakdown): PgreplError {
  const { error, noReturn, remains, touched } = given;
  const node = error.node ?? given.failedAt?.node;
  const details = [stateOf(given), ...remains.flatMap(remainsLines)];
  const again = [...new Set([...error.next, ...wayOn(given)])];
  // A bug is reported as one, whatever became of the world: the lines tell that.
  if (error.kind === 'bug') return error.as('bug', { node, details, next: again });
  if (noReturn !== null) {
    if (error.kind === 'unknown') return error.as('unknown', { node, details, next: again });
    return error.as('unfinished', { node, details, next: again, hint: error.hint ?? 'Running the same command again goes on from here.' });
  }
  if (remains.length > 0) return error.as('unfinished', { node, details, next: again });
  if (!touched && KEPT.includes(error.kind)) return error.as(error.kind, { node, details });
  return error.as('undone', { node, details });
}

/** Kinds that stay what they are when nothing was touched. */
const KEPT: readonly ErrorKind[] = ['refused', 'locked', 'unreachable', 'usage'];

function interruption(given: Breakdown): PgreplError {
  const { error, failedAt } = given;
  // What is not a PgreplError came from the abort itself.
  const said = error.kind === 'interrupted' || error.kind === 'bug' ? [] : [error.message, ...error.details];
  return new PgreplError('interrupted', 'interrupted', `${given.title} was interrupted${failedAt === null ? '' : ` at step ${failedAt.number} of ${failedAt.of} (${failedAt.title})`}`, {
    node: failedAt?.node,
    details: [...said, stateOf(given), ...given.remains.flatMap(remainsLines)],
    next: wayOn(given),
    cause: error,
  });
}

function stateOf({ noReturn, remains, touched }: Breakdown): string {
  if (noReturn !== null) return `The point of no return was passed (${noReturn}): changes remain.`;
  if (remains.length > 0) return 'Not everything could be undone: changes remain.';
  return touched ? 'Everything was undone; all is as before.' : 'Nothing was changed.';
}

function remainsLines({ title, error }: Remains): readonly string[] {
  return error === null ? [`not undone: ${title}`] : [`not undone: ${title}: ${error.message}`, ...error.details.map((line) => `  ${line}`)];
}

function wayOn({ noReturn, remains, command, run }: Breakdown): readonly string[] {
  if (noReturn !== null) return [command];
  return remains.length > 0 ? [command, `pgrepl undo ${run}`] : [];
}

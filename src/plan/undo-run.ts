import { PgreplError, refuseOn } from '../errors.ts';
import type { Listener, RunEvent } from './events.ts';
import type { Journal } from './journal.ts';
import { judgeBreakdown, type RunResult } from './outcome.ts';
import type { RunRecord } from './record.ts';
import { ended } from './run.ts';
import type { Registry, StepData } from './step.ts';
import { quietly, takeBack } from './take-back.ts';

export interface UndoRun<S extends StepData, W> {
  readonly record: RunRecord;
  readonly registry: Registry<S, W>;
  readonly world: (signal: AbortSignal) => W;
  /** The run's own journal, gone on with by `continueJournal`; or that of a new run which resumes it. */
  readonly journal: Journal;
  readonly listener: Listener;
  readonly interrupted?: AbortSignal | undefined;
}

/** Throws a refusal when this run is not one to take back: it is finished, another went on with it, or it passed its point of no return. */
export function refuseUndo(record: RunRecord): void {
  const { run, header, end, noReturn, resumedBy } = record;
  const title = `undo of ${run} (${header.title})`;
  if (resumedBy !== null) {
    refuseOn(title, [{ code: 'run-resumed', message: `run ${resumedBy} went on with it`, next: [`pgrepl undo ${resumedBy}`] }]);
  }
  if (end?.outcome === 'done' || end?.outcome === 'unchanged') {
    refuseOn(title, [{ code: 'run-finished', message: 'it is finished, and only an unfinished run can be taken back', hint: 'The command that goes the other way is a change of its own.' }]);
  }
  if (noReturn !== null) {
    refuseOn(title, [{ code: 'past-no-return', message: `it passed its point of no return (${noReturn})`, hint: 'Running the same command again finishes it.', next: [header.command] }]);
  }
}

/**
 * Takes an unfinished run back: its steps, last to first, each with what its journal says was there before. Throws the refusals of
 * `refuseUndo`; everything later is in the result, which is `done` when all is as before the run, `unchanged` when nothing was left.
 */
export async function undoRun<S extends StepData, W>(given: UndoRun<S, W>): Promise<RunResult> {
  const { record, journal } = given;
  refuseUndo(record);
  const { left, header } = record;
  const title = `undo of ${header.title}`;
  const interrupted = given.interrupted ?? new AbortController().signal;
  const emit = (event: RunEvent): void => { quietly(() => { given.listener(event); }); };
  emit({ event: 'run', run: journal.run, title, steps: left.length, resumes: record.run });

  const remains = await takeBack({
    left,
    registry: given.registry,
    world: given.world(interrupted),
    place: (started) => ({ number: left.length - left.indexOf(started), of: left.length }),
    append: (entry) => { journal.append(entry); },
    emit,
    stop: () => interrupted.aborted,
  });
  if (remains.length > 0) {
    const bug = remains.find(({ error }) => error?.kind === 'bug')?.error;
    const error = bug ?? new PgreplError('unfinished', 'undo-incomplete', `${title} is not complete: ${remains.length} of ${left.length} steps remain`);
    return ended(journal, judgeBreakdown({ error, interrupted: interrupted.aborted, noReturn: null, touched: true, remains, title, command: header.command, run: record.run, failedAt: null }));
  }
  // In the journal the run is undone; for whoever asked for that it is done.
  const { error } = ended(journal, { outcome: 'undone', error: null, failedAt: null });
  if (error !== null) return { outcome: 'unfinished', error, failedAt: null };
  return { outcome: left.length === 0 ? 'unchanged' : 'done', error: null, failedAt: null };
}

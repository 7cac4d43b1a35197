import { asPgreplError, PgreplError } from '../errors.ts';
import type { Listener, RunEvent } from './events.ts';
import type { Journal } from './journal.ts';
import { exitOf, judgeBreakdown, type FailedAt, type RunResult } from './outcome.ts';
import { kindOf, stepIdentities } from './plan.ts';
import { leftAfter, type Entry, type RunRecord, type Started } from './record.ts';
import type { Plan, Registry, StepData, Tell } from './step.ts';
import { quietly, takeBack } from './take-back.ts';

export interface RunPlan<S extends StepData, W> {
  readonly plan: Plan<S>;
  readonly registry: Registry<S, W>;
  /** The world, interruptible by this signal. */
  readonly world: (signal: AbortSignal) => W;
  readonly journal: Journal;
  /** The unfinished run of the same command that this one goes on with; its header is named by `resumes`. */
  readonly prior: RunRecord | null;
  readonly listener: Listener;
  /** The first Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** A lost lock: the point of no return is not passed. */
  readonly locksLost: AbortSignal;
}

/** What the loop knows, and the journal with it. */
interface State {
  left: readonly Started[];
  noReturn: string | null;
}

/**
 * Carries out a plan: the one loop. Writes the journal, its end included; emits every event but `result`. Never throws: what went wrong
 * is in the result, together with what became of the changes.
 */
export async function runPlan<S extends StepData, W>(given: RunPlan<S, W>): Promise<RunResult> {
  const { plan, journal, prior, interrupted } = given;
  const state: State = { left: prior?.left ?? [], noReturn: prior?.noReturn ?? null };
  const ids = stepIdentities(plan.steps);
  const world = given.world(interrupted);
  const emit = (event: RunEvent): void => { quietly(() => { given.listener(event); }); };
  const append = (entry: Entry): void => {
    journal.append(entry);
    state.left = leftAfter(state.left, entry);
    if (entry.entry === 'no-return') state.noReturn = entry.says;
  };
  emit({ event: 'run', run: journal.run, title: plan.title, steps: plan.steps.length, resumes: prior?.run ?? null });

  let changed = false;
  let at: FailedAt | null = null;
  let id = '';
  try {
    for (const [index, step] of plan.steps.entries()) {
      at = null;
      stopIfInterrupted(interrupted);
      const kind = kindOf(given.registry, step);
      const where = { number: index + 1, of: plan.steps.length, node: step.node, kind: step.kind, title: kind.title(step) };
      at = where;
      id = ids[index] ?? '';
      const begun = performance.now();
      const look = await kind.look(step, world);
      const known = state.left.find((started) => started.id === id);
      const claim = { id, step, place: placeOf(state.left, ids, index) };
      if (look.already) {
        const before = known?.before ?? look.ours;
        append({ entry: 'skipped', ...claim, ...(before === undefined ? {} : { before }) });
        emit({ event: 'step', state: 'skipped', ...where });
        continue;
      }
      stopIfInterrupted(interrupted);
      append({ entry: 'started', ...claim, before: known === undefined ? look.before : known.before });
      emit({ event: 'step', state: 'started', ...where });
      changed = true;
      await kind.apply(step, world, tellOf(given, { id, where, append, emit }));
      append({ entry: 'finished', id });
      emit({ event: 'step', state: 'finished', ...where, ms: Math.round(performance.now() - begun) });
    }
  } catch (thrown) {
    const error = asPgreplError(thrown);
    if (at !== null) {
      quietly(() => { append({ entry: 'failed', id, code: error.code, message: error.message }); });
      emit({ event: 'step', state: 'failed', ...at });
    }
    const touched = state.left.length > 0;
    const remains =
      state.noReturn !== null
        ? []
        : await takeBack({
            left: state.left,
            registry: given.registry,
            // What stopped the run must not stop its undo.
            world: given.world(new AbortController().signal),
            place: (started) => ({ number: numberOf(started, state.left, ids), of: plan.steps.length }),
            append,
            emit,
            stop: () => false,
          });
    const { noReturn } = state;
    return ended(journal, judgeBreakdown({ error, interrupted: interrupted.aborted, noReturn, touched, remains, title: plan.title, command: plan.command, run: journal.run, failedAt: at }));
  }
  return ended(journal, { outcome: changed ? 'done' : 'unchanged', error: null, failedAt: null });
}

function stopIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new PgreplError('interrupted', 'interrupted', 'interrupted');
}

/** Writes the end of a run, its exit code with it. */
export function ended(journal: Journal, result: RunResult): RunResult {
  const { outcome, error } = result;
  try {
    journal.append({ entry: 'end', outcome, exit: exitOf(error), message: error?.message ?? '' });
    return result;
  } catch (thrown) {
    if (error !== null) return result;
    return { ...result, outcome: 'unfinished', error: asPgreplError(thrown).as('unfinished', { details: ['Every step was done; only the end of the run could not be recorded.'] }) };
  }
}

interface Running {
  readonly id: string;
  readonly where: FailedAt;
  readonly append: (entry: Entry) => void;
  readonly emit: (event: RunEvent) => void;
}

function tellOf<S extends StepData, W>({ interrupted, locksLost }: RunPlan<S, W>, { id, where, append, emit }: Running): Tell {
  const { number, node } = where;
  let said = '';
  return {
    progress: (progress) => {
      const words = JSON.stringify(progress);
      if (words === said) return;
      said = words;
      emit({ event: 'progress', number, node, ...progress });
    },
    // Nothing is awaited between the last look at the signals and the flushed entry.
    noReturn: async (says) => {
      if (interrupted.aborted) throw new PgreplError('interrupted', 'interrupted', 'interrupted before the point of no return');
      if (locksLost.aborted) throw lockLost(locksLost.reason);
      append({ entry: 'no-return', id, says });
      emit({ event: 'no-return', number, node, says });
      await Promise.resolve();
    },
  };
}

function lockLost(reason: unknown): PgreplError {
  return reason instanceof PgreplError ? reason : new PgreplError('undone', 'lock-lost', 'a lock was lost before the point of no return');
}

/** Before the first step left that the plan does later, so that undo walks old and new steps in one sensible order. */
function placeOf(left: readonly Started[], ids: readonly string[], index: number): number {
  const later = left.findIndex(({ id }) => ids.indexOf(id) > index);
  return later === -1 ? left.length : later;
}

/** The number of a step in the plan; of one that only an earlier run had, the number of the step it follows. */
function numberOf(started: Started, left: readonly Started[], ids: readonly string[]): number {
  const upTo = left.slice(0, left.findIndex(({ id }) => id === started.id) + 1);
  return Math.max(1, ...upTo.map(({ id }) => ids.indexOf(id) + 1));
}

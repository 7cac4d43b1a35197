import { asPgreplError, type PgreplError } from '../errors.ts';
import type { RunEvent } from './events.ts';
import { kindOf } from './plan.ts';
import type { Entry, Started } from './record.ts';
import type { Registry, StepData } from './step.ts';

/** A step that could not be taken back. */
export interface Remains {
  readonly title: string;
  readonly error: PgreplError | null;
}

export interface TakeBack<S extends StepData, W> {
  /** Begun and not taken back, first to last. */
  readonly left: readonly Started[];
  readonly registry: Registry<S, W>;
  readonly world: W;
  /** Where a step is in what the reader was shown. */
  readonly place: (started: Started) => { readonly number: number; readonly of: number };
  /** Throws when the journal cannot be written. */
  readonly append: (entry: Entry) => void;
  readonly emit: (event: RunEvent) => void;
  /** Asked before each step: true leaves the rest as it is. */
  readonly stop: () => boolean;
}

/**
 * Undoes steps, last to first, each with what was there before it. One that fails does not keep the others, because the less is left the
 * better, unless its kind needs them to go on (`keepsEarlier`). Returns what remains.
 */
export async function takeBack<S extends StepData, W>(given: TakeBack<S, W>): Promise<readonly Remains[]> {
  const remains: Remains[] = [];
  let kept = false;
  for (const started of given.left.toReversed()) {
    if (kept || given.stop()) {
      remains.push({ title: titleOf(given.registry, started.step), error: null });
      continue;
    }
    const begun = performance.now();
    try {
      const kind = kindOf(given.registry, started.step);
      if (kind.undo === 'impossible') {
        remains.push({ title: kind.title(started.step), error: null });
        continue;
      }
      if (kind.undo !== 'nothing') {
        await kind.undo(started.step, started.before, given.world);
        const { node, kind: name } = started.step;
        given.emit({ event: 'step', state: 'undone', ...given.place(started), node, kind: name, title: kind.title(started.step), ms: Math.round(performance.now() - begun) });
      }
    } catch (thrown) {
      remains.push({ title: titleOf(given.registry, started.step), error: asPgreplError(thrown) });
      kept = keepsEarlier(given.registry, started.step);
      continue;
    }
    quietly(() => { given.append({ entry: 'undone', id: started.id }); });
  }
  return remains;
}

/** False for a step that this version does not know. */
function keepsEarlier<S extends StepData, W>(registry: Registry<S, W>, step: StepData): boolean {
  try {
    return kindOf(registry, step).keepsEarlier === true;
  } catch {
    return false;
  }
}

/** The title of a step, also of one that this version does not know. */
export function titleOf<S extends StepData, W>(registry: Registry<S, W>, step: StepData): string {
  try {
    return kindOf(registry, step).title(step);
  } catch {
    return `${step.kind} on ${step.node}`;
  }
}

/**
 * For what must not stop a run that is on its way back: a full disk under the journal (which is a hint, and undo works twice), or a
 * terminal that is gone (hazard N06).
 */
export function quietly(act: () => void): void {
  try {
    act();
  } catch {
    // Said in the sentence above.
  }
}

import { PgreplError } from '../errors.ts';
import { NOTHING_TO_SHOW } from '../plan/step.ts';
import { slotOf } from './create-slot.ts';
import { showsCommand, type Kind } from './kind.ts';
import { moveEntries } from './publish-directory.ts';
import { hasFlag, isPublished, isUnclaimed, MOVING, readMarker, removeStaging, sameMarker, stagedData, type Staging, type StagingMarker } from './staging.ts';
import type { World } from './world.ts';

/** Claims the place of a new directory: the holder with its marker, and a data directory in it that no server starts. */
export interface PrepareStaging {
  readonly kind: 'prepare-staging';
  readonly node: string;
  readonly staging: Staging;
  readonly marker: Omit<StagingMarker, 'run'>;
}

export const prepareStaging: Kind<PrepareStaging, null> = {
  title: (step) => `claim ${step.staging.pgdata} (made in ${step.staging.holder})`,

  preview: async (step) => await Promise.resolve({ ...NOTHING_TO_SHOW, commands: showsCommand(['mkdir', '-m', '0701', stagedData(step.staging)]).commands }),

  look: async (step, world) => {
    const { host } = world.node(step.node);
    const marker = await readMarker(host, step.staging.holder);
    if (marker === null || !sameMarker(marker, { ...step.marker, run: '' })) return { already: false, before: null };
    if (await isPublished(host, step.staging)) return { already: true, ours: null };
    const ready = (await host.stat(stagedData(step.staging))) !== null && !(await hasFlag(host, step.staging, MOVING));
    return ready ? { already: true, ours: null } : { already: false, before: null };
  },

  apply: async (step, world) => {
    const { host, programs } = world.node(step.node);
    // Cut off while it was published: everything before that is done, and half of it is no longer where it was made.
    if (await hasFlag(host, step.staging, MOVING)) {
      await moveEntries(host, step.staging);
      return;
    }
    const entries = await host.list(step.staging.holder);
    if (entries !== null) {
      // A leftover of an unfinished run with other arguments: what it may still be running goes first.
      if ((await readMarker(host, step.staging.holder)) === null && !isUnclaimed(entries)) {
        throw new PgreplError('refused', 'staging-foreign', `${step.staging.holder} is in the way and was not made by pgrepl`, { node: step.node, hint: 'Look into it, and move it away if nobody needs it.' });
      }
      await (await programs()).stopLeftovers(stagedData(step.staging));
      await removeStaging(host, step.staging);
    }
    await host.makeDirectory(step.staging.holder, 0o700);
    await host.writeText(`${step.staging.holder}/marker.json`, `${JSON.stringify({ ...step.marker, run: world.run }, null, 2)}\n`, { mode: 0o600 });
    // Mode 0701: the copy tools work in it, but no server starts from it (postmaster checkDataDir wants 0700 or 0750).
    await host.makeDirectory(stagedData(step.staging), 0o701);
  },

  undo: async (step, _before, world) => {
    const { host, programs } = world.node(step.node);
    if ((await host.list(step.staging.holder)) === null) return;
    await (await programs()).stopLeftovers(stagedData(step.staging));
    const left = await slotLeft(step.marker, world);
    if (left === null) await removeStaging(host, step.staging);
    else {
      await host.removeTree(stagedData(step.staging));
      throw new PgreplError('unfinished', 'slot-left', `${left}, and ${step.staging.holder} proves that it is ours`, { node: step.node });
    }
  },
};

/** That the slot of this copy may still be there, in words; `null` when it is gone. Without the marker nobody could tell whose it is. */
async function slotLeft({ slot, upstream }: PrepareStaging['marker'], world: World): Promise<string | null> {
  if (slot === null || upstream === null) return null;
  try {
    return (await slotOf(world, upstream, slot)) === null ? null : `slot ${slot} of ${upstream} is still there`;
  } catch (error) {
    if (error instanceof PgreplError && error.kind !== 'bug') return `slot ${slot} of ${upstream} may still be there (${error.message})`;
    throw error;
  }
}

import { dropWhenFree, slotOf } from './create-slot.ts';
import { showsSql, type Kind } from './kind.ts';

/** Takes a slot of ours away: what keeps WAL for nobody fills the disk (hazards E01, E06). */
export interface DropSlot {
  readonly kind: 'drop-slot';
  readonly node: string;
  readonly slot: string;
}

export const dropSlot: Kind<DropSlot, null> = {
  title: (step) => `drop replication slot ${step.slot}`,
  preview: async (step) => await Promise.resolve(showsSql(`SELECT pg_drop_replication_slot('${step.slot}')`)),
  look: async (step, world) => ((await slotOf(world, step.node, step.slot)) === null ? { already: true } : { already: false, before: null }),
  apply: async (step, world) => {
    await dropWhenFree(world, step.node, step.slot);
  },
  undo: async (step, _before, world) => {
    // WAL that it had kept may be gone; a slot from now on is what can be given back.
    if ((await slotOf(world, step.node, step.slot)) === null) await (await world.node(step.node).server()).createSlot(step.slot);
  },
};

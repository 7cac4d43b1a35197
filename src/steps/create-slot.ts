import { PgreplError } from '../errors.ts';
import type { Slot } from '../postgres/server-facts.ts';
import { showsSql, type Kind } from './kind.ts';
import { readMarker } from './staging.ts';
import type { World } from './world.ts';

/** A physical slot that keeps WAL from this moment on. */
export interface CreateSlot {
  readonly kind: 'create-slot';
  readonly node: string;
  readonly slot: string;
  /** Staging whose marker proves a slot of this name ours; `null`: a slot of this name is used as it is. */
  readonly claimedBy: { readonly node: string; readonly holder: string } | null;
}

type Before = { readonly existed: boolean };

export const createSlot: Kind<CreateSlot, Before> = {
  title: (step) => `create replication slot ${step.slot}`,

  preview: async (step) => await Promise.resolve(showsSql(`SELECT pg_create_physical_replication_slot('${step.slot}', true)`)),

  look: async (step, world) => {
    const slot = await slotOf(world, step.node, step.slot);
    if (slot === null) return { already: false, before: { existed: false } };
    const ours = await isClaimed(step, world);
    if (!isUsable(slot)) return { already: false, before: { existed: !ours } };
    return ours ? { already: true, ours: { existed: false } } : { already: true };
  },

  apply: async (step, world) => {
    const server = await world.node(step.node).server();
    const slot = await slotOf(world, step.node, step.slot);
    // A slot without a position, or one that lost its WAL, keeps nothing; only a new one does (hazards D13, E05).
    if (slot !== null && !isUsable(slot)) await server.dropSlot(step.slot);
    if (slot === null || !isUsable(slot)) await server.createSlot(step.slot);
  },

  undo: async (step, before, world) => {
    if (!before.existed) await dropWhenFree(world, step.node, step.slot);
  },
};

/** The slot as it is now; `null` when there is none of that name. */
export async function slotOf(world: World, node: string, name: string): Promise<Slot | null> {
  const facts = await (await world.node(node).server()).facts();
  return facts.slots.find((slot) => slot.name === name) ?? null;
}

/** Drops it once nobody uses it any more: a killed receiver keeps it for a moment. Fine when it is gone already. Throws `slot-active`. */
export async function dropWhenFree(world: World, node: string, name: string): Promise<void> {
  await world.waitFor(
    `replication slot ${name} on ${node} to be free`,
    async (say) => {
      const slot = await slotOf(world, node, name);
      if (slot === null) return true;
      if (slot.active) {
        say(`it is in use by process ${slot.activePid ?? '?'}`);
        return null;
      }
      await (await world.node(node).server()).dropSlot(name);
      return true;
    },
    { deadlineMs: 20_000, everyMs: 50 },
  );
}

function isUsable(slot: Slot): boolean {
  if (slot.type !== 'physical') throw new PgreplError('undone', 'slot-foreign', `slot ${slot.name} is a ${slot.type} slot of somebody else`);
  return slot.restartLsn !== null && slot.walStatus !== 'lost';
}

async function isClaimed(step: CreateSlot, world: World): Promise<boolean> {
  if (step.claimedBy === null) return false;
  const marker = await readMarker(world.node(step.claimedBy.node).host, step.claimedBy.holder);
  return marker?.slot === step.slot;
}

import { PgreplError } from '../errors.ts';
import { walFileName } from '../postgres/timeline.ts';
import { settingBytes } from '../postgres/units.ts';
import { showsSql, type Kind } from './kind.ts';
import { currentDirectory, type Staging } from './staging.ts';
import type { World } from './world.ts';

/** Nobody streams between the end of a copy and the start of its standby: that the slot outlived this time is seen before the start (hazard D14). */
export interface CheckSlot {
  readonly kind: 'check-slot';
  readonly node: string;
  readonly upstream: string;
  readonly slot: string;
  readonly staging: Staging;
}

export const checkSlot: Kind<CheckSlot, null> = {
  title: (step) => `show that slot ${step.slot} of ${step.upstream} still keeps what the copy needs`,
  preview: async (step) => await Promise.resolve(showsSql(`SELECT restart_lsn, wal_status FROM pg_replication_slots WHERE slot_name = '${step.slot}'`)),
  look: async () => await Promise.resolve({ already: false, before: null }),
  apply: async (step, world) => {
    await proveKept(step, await currentDirectory(world.node(step.node).host, step.staging), world);
  },
  undo: 'nothing',
};

type Copy = Pick<CheckSlot, 'node' | 'upstream' | 'slot'>;

/** Throws `slot-lost` unless the slot keeps what the copy in this directory needs. */
export async function proveKept(copy: Copy, directory: string, world: World): Promise<void> {
  if (await keepsForCopy(copy, directory, world)) return;
  throw new PgreplError('undone', 'slot-lost', `slot ${copy.slot} on ${copy.upstream} no longer keeps the WAL that the copy needs: a standby on it could never stream`, {
    node: copy.upstream,
    hint: 'max_slot_wal_keep_size is too small for what is written during a copy and its check (or idle_replication_slot_timeout too short). --no-verify leaves the check out.',
    next: [`pgrepl init-primary ${copy.upstream} --set max_slot_wal_keep_size=SIZE`],
  });
}

/** A standby reads the WAL that came with it, and asks for the rest from the beginning of its last segment. Reads only. */
export async function keepsForCopy(copy: Copy, directory: string, world: World): Promise<boolean> {
  const { slots, settings, timeline } = await (await world.node(copy.upstream).server()).facts();
  const slot = slots.find(({ name }) => name === copy.slot);
  if (slot === undefined || slot.restartLsn === null || slot.walStatus === 'lost') return false;
  const segments = ((await world.node(copy.node).host.list(`${directory}/pg_wal`)) ?? []).filter((name) => /^[0-9A-F]{24}$/.test(name));
  const last = segments.map(withoutTimeline).sort().at(-1);
  const { value, unit } = settings['wal_segment_size'] ?? { value: '16777216', unit: 'B' };
  return last === undefined || withoutTimeline(walFileName(timeline, slot.restartLsn, settingBytes(value, unit))) <= last;
}

function withoutTimeline(walFile: string): string {
  return walFile.slice(8);
}

import { bytesBetween } from '../../postgres/lsn.ts';
import type { Pulse, ServerHealth } from '../../postgres/health.ts';
import type { World } from '../../steps/world.ts';
import { within, type Limits } from '../within.ts';
import type { Rates, ServerExtras } from './facts.ts';
import { pause } from '../../host/pause.ts';

/** Looks that are closer together than this say nothing about a rate; a server that did not move by the end of the second is taken for idle. */
const SHORTEST_SECONDS = 0.4;
const PATIENCE_SECONDS = 1;
const EVERY_MS = 20;

/** From here on the age of transactions is a question of time. */
const OLD_XIDS = 400_000_000;
/** A reader that is this far behind may be slower than what is written. */
const BEHIND_BYTES = 64 * 1024 ** 2;

/** Whether anything on a server grows towards an end, so that it is worth the wait to know how fast. Pure. */
export function grows({ slots, archiver, databases, settings }: ServerHealth): boolean {
  return (
    slots.some(({ active, restartLsn, walStatus, retainedBytes }) => restartLsn !== null && walStatus !== 'lost' && (!active || (retainedBytes ?? 0) > BEHIND_BYTES)) ||
    archiver.lastFailedFile !== null ||
    databases.some(({ xidAge }) => xidAge > OLD_XIDS) ||
    settings.some(({ name }) => name === 'recovery_min_apply_delay')
  );
}

/**
 * The second look at what moves, for every server where something grows towards an end: as late as possible, since all the rest took its time,
 * and no later than it needs to be. A server that does not answer again has no rates.
 */
export async function withRates(world: World, servers: ReadonlyMap<string, ServerExtras>, limits: Limits): Promise<ReadonlyMap<string, ServerExtras>> {
  const measured = [...servers].map(async ([name, extras]) => {
    const first = extras.health !== null && grows(extras.health) ? extras.health.pulse : undefined;
    const second = first === undefined ? undefined : await within(limits, moved(world, name, first, limits.signal));
    return [name, first === undefined || second === undefined ? extras : { ...extras, rates: ratesOf(first, second) }] as const;
  });
  return new Map(await Promise.all(measured));
}

async function moved(world: World, name: string, first: Pulse, signal: AbortSignal): Promise<Pulse> {
  const server = await world.node(name).server();
  for (;;) {
    const next = await server.pulse();
    const seconds = next.at - first.at;
    if (seconds >= PATIENCE_SECONDS || seconds < 0 || signal.aborted || (seconds >= SHORTEST_SECONDS && next.lsn !== first.lsn)) return next;
    await pause(EVERY_MS, signal);
  }
}

/** Rates between two looks at one server. Pure. A clock that was set meanwhile gives none. */
export function ratesOf(first: Pulse, second: Pulse): Rates | null {
  const seconds = second.at - first.at;
  if (seconds <= 0 || first.lsn === null || second.lsn === null) return null;
  const written = bytesBetween(first.lsn, second.lsn);
  const kept = Object.entries(second.slots).flatMap(([name, at]) => {
    const before = first.slots[name];
    return before === undefined ? [] : [[name, (written - bytesBetween(before, at)) / seconds] as const];
  });
  return { seconds, walBytesPerSecond: Math.max(0, written) / seconds, xidsPerSecond: Number(second.nextXid - first.nextXid) / seconds, keptPerSecond: Object.fromEntries(kept) };
}

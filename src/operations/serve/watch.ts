import type { World } from '../../steps/world.ts';
import type { Topology } from '../../topology/topology.ts';
import { seeStatus } from '../status-look.ts';
import { resting, restsAfter, type Rests } from './rest.ts';
import { snapshotOf, type Snapshot } from './snapshot.ts';
import { pause } from '../../host/pause.ts';

export interface WatchOptions {
  /** From the beginning of one look to the beginning of the next. */
  readonly intervalMs: number;
  /** Of each node. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Gets every look. */
  readonly saw: (snapshot: Snapshot) => void;
  /** Asked after each look: true ends the watch, for example because the cluster file was changed. */
  readonly isOver: () => Promise<boolean>;
  readonly last: () => Snapshot | null;
}

/**
 * Looks again and again, one look at a time, however many ask for the answer: what PostgreSQL is asked depends on the interval alone. Sessions stay
 * open between looks. Ends when `isOver` says so and when the signal fires; throws what a look throws (a bug of pgrepl, a wrong cluster file).
 */
export async function watchCluster(world: World, topology: Topology, options: WatchOptions): Promise<void> {
  const { intervalMs, timeoutMs, signal, saw, isOver, last } = options;
  let rests: Rests = new Map();
  while (!signal.aborted) {
    const began = performance.now();
    const seen = await seeStatus(world, topology, 'status', { timeoutMs, signal }, resting(rests, began));
    const now = performance.now();
    rests = restsAfter(rests, seen.facts, now, intervalMs);
    saw(snapshotOf(topology, seen, last()?.lastWritten ?? null, { at: Date.now() / 1_000, tookSeconds: (now - began) / 1_000 }));
    if (await isOver()) return;
    await pause(Math.max(0, intervalMs - (performance.now() - began)), signal);
  }
}

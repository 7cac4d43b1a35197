import type { NodeFacts } from '../facts.ts';

/** The longest that a node which gives no answer is left alone between two attempts. */
const LONGEST_REST_MS = 10_000;

/** How long nodes without an answer are left alone: by name, since how many looks, and until when. */
export type Rests = ReadonlyMap<string, { readonly failures: number; readonly untilMs: number; readonly seen: NodeFacts }>;

/** What was seen of the nodes that are still left alone at this moment. Pure. */
export function resting(rests: Rests, nowMs: number): readonly NodeFacts[] {
  return [...rests.values()].filter(({ untilMs }) => untilMs > nowMs).map(({ seen }) => seen);
}

/**
 * The rests after one more look: each look without an answer doubles the next rest, from one interval on. A server that hangs, or a machine that
 * is gone, so costs neither it a queue of connections nor the others their turn. Pure.
 */
export function restsAfter(before: Rests, facts: readonly NodeFacts[], nowMs: number, intervalMs: number): Rests {
  const silent = facts.filter(({ state }) => state === 'silent' || state === 'unknown');
  return new Map(silent.map((seen) => {
    const known = before.get(seen.place.name);
    if (known?.seen === seen) return [seen.place.name, known];
    const failures = (known?.failures ?? 0) + 1;
    return [seen.place.name, { failures, untilMs: nowMs + Math.min(LONGEST_REST_MS, intervalMs * 2 ** (failures - 1)), seen }];
  }));
}

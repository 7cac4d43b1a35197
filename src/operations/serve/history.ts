import type { Snapshot } from './snapshot.ts';

/** What is kept of one stretch of time: the worst that was seen in it. */
export interface HistoryPoint {
  /** Seconds since the epoch, the beginning of the stretch. */
  readonly at: number;
  /** Bytes to replay by standby; `null`: not known. */
  readonly lag: Readonly<Record<string, number | null>>;
  readonly primary: string | null;
}

/** Length of a stretch, and how long points are kept. */
export const STRETCH_SECONDS = 10;
export const KEPT_SECONDS = 3_600;

/** The history with one more look in it; the look of the same stretch is merged, points older than an hour are dropped. Pure. */
export function remember(points: readonly HistoryPoint[], snapshot: Snapshot): readonly HistoryPoint[] {
  const at = Math.floor(snapshot.at / STRETCH_SECONDS) * STRETCH_SECONDS;
  const lag = Object.fromEntries(snapshot.document.nodes.filter(({ role }) => role !== 'primary').map(({ name }) => [name, snapshot.lags.get(name)?.replayedBytes ?? null]));
  const kept = points.filter((point) => point.at > at - KEPT_SECONDS);
  const last = kept.at(-1);
  if (last?.at !== at) return [...kept, { at, lag, primary: snapshot.writer }];
  return [...kept.slice(0, -1), { at, lag: Object.fromEntries(Object.entries({ ...last.lag, ...lag }).map(([name, value]) => [name, worse(last.lag[name], value)])), primary: snapshot.writer }];
}

function worse(a: number | null | undefined, b: number | null): number | null {
  return a === undefined || a === null ? b : b === null ? a : Math.max(a, b);
}

import type { ExpectedWorld } from '../test/support/expected-world.ts';

/** What the cluster must look like, from what was asked of it; never from looking at it. */
export interface Belief {
  readonly primary: string;
  /** Who streams from whom. */
  readonly streams: Readonly<Record<string, string>>;
  /** Old primaries that a failover has left stopped and locked. */
  readonly fenced: readonly string[];
  /** Nodes that were taken out of the cluster file. */
  readonly absent: readonly string[];
  /** Whether each commit waits for one of the standbys that stream from the primary itself (`sync any 1`). */
  readonly sync: boolean;
}

/** A primary with all the others streaming from it. */
export function flat(primary: string, others: readonly string[], sync = false): Belief {
  return { primary, streams: Object.fromEntries(others.map((name) => [name, primary])), fenced: [], absent: [], sync };
}

/** After a planned change of roles: the old primary streams from the new one, and so do its other standbys. */
export function afterSwitchover(belief: Belief, to: string): Belief {
  if (to === belief.primary) return belief;
  return { ...belief, primary: to, streams: { ...siblingsTo(belief, to), [belief.primary]: to } };
}

/** After a failover: as planned, but the old primary is locked. */
export function afterFailover(belief: Belief, to: string): Belief {
  return { ...belief, primary: to, streams: siblingsTo(belief, to), fenced: [...belief.fenced, belief.primary] };
}

/** `standby` streams from `upstream`; it may have been fenced or taken out before. */
export function afterAttach(belief: Belief, standby: string, upstream: string): Belief {
  const without = (names: readonly string[]): readonly string[] => names.filter((name) => name !== standby);
  return { ...belief, streams: { ...belief.streams, [standby]: upstream }, fenced: without(belief.fenced), absent: without(belief.absent) };
}

/** Taken out of the cluster file; its server is stopped. */
export function afterRemoval(belief: Belief, name: string): Belief {
  const streams = Object.fromEntries(Object.entries(belief.streams).filter(([standby]) => standby !== name));
  return { ...belief, streams, fenced: belief.fenced.filter((one) => one !== name), absent: [...belief.absent, name] };
}

/** Standbys that stream from this node directly, in the order of their names. */
export function followersOf(belief: Belief, upstream: string): readonly string[] {
  return Object.entries(belief.streams).filter(([, from]) => from === upstream).map(([standby]) => standby).sort();
}

/** Nodes whose servers must run. */
export function runningOf(belief: Belief): readonly string[] {
  return [belief.primary, ...Object.keys(belief.streams)].sort();
}

/** The same for the oracle: a fenced node is a warning of `status`, which may be critical where its loss is not settled. */
export function expectedOf(belief: Belief): ExpectedWorld {
  const { primary, streams, fenced } = belief;
  return {
    primary,
    streams,
    stopped: Object.fromEntries(fenced.map((name) => [name, 0o701])),
    file: {
      [primary]: null,
      ...Object.fromEntries(fenced.map((name) => [name, null])),
      ...Object.fromEntries(Object.entries(streams).map(([standby, upstream]) => [standby, upstream === primary ? null : upstream])),
    },
    ...(fenced.length === 0 ? {} : { status: [7, 8] }),
  };
}

/** In words, on one line. */
export function describeBelief({ primary, streams, fenced, absent, sync }: Belief): string {
  return [`primary ${primary}`, ...Object.entries(streams).sort().map(([standby, upstream]) => `${standby} from ${upstream}`), ...fenced.map((name) => `${name} fenced`), ...absent.map((name) => `${name} out`), ...(sync ? ['sync any 1'] : [])].join(', ');
}

/** Whoever streamed from the old primary streams from the new one; who already did stays; the new one streams from nobody. */
function siblingsTo(belief: Belief, to: string): Readonly<Record<string, string>> {
  const others = Object.entries(belief.streams).filter(([standby]) => standby !== to);
  return Object.fromEntries(others.map(([standby, upstream]) => [standby, upstream === belief.primary ? to : upstream]));
}

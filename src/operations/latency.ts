import { PgreplError } from '../errors.ts';
import { COMMIT_LEVELS, type CommitTimes, type CommitWait, type StandbyDelay } from '../postgres/sql-latency.ts';
import type { Server } from '../postgres/server.ts';
import type { World } from '../steps/world.ts';
import type { Topology } from '../topology/topology.ts';
import { medianOf, percentileOf } from './latency-figures.ts';
import { adviceOn } from './latency-advice.ts';
import { observeNodes } from './observe.ts';
import { inRecovery, viewCluster, type StatusView, type ViewedNode } from './status-links.ts';

/** One level of `synchronous_commit`, measured. */
export interface LevelFigures {
  readonly level: CommitWait;
  readonly commits: number;
  /** Seconds; `null` when not one commit ended in time. */
  readonly medianSeconds: number | null;
  readonly p99Seconds: number | null;
  /** A commit waited for a standby that did not answer in time, and was let go. */
  readonly hung: boolean;
}

/** A standby that streams from the primary, as the primary saw it while the commits were made: medians, in seconds. */
export interface StandbyFigures {
  readonly name: string;
  readonly sync: string;
  readonly writeSeconds: number | null;
  readonly flushSeconds: number | null;
  readonly replaySeconds: number | null;
}

/** What `pgrepl latency --json` prints. */
export interface LatencyDocument {
  readonly format: 1;
  readonly cluster: string;
  readonly primary: string;
  /** `synchronous_standby_names` as it is in force; empty: commits wait for no standby. */
  readonly synchronousStandbyNames: string;
  /** From here to the primary and back; not part of the other figures. */
  readonly roundTripSeconds: number;
  readonly levels: readonly LevelFigures[];
  readonly standbys: readonly StandbyFigures[];
  readonly says: readonly string[];
}

export interface LatencyWish {
  /** Only this standby beside the figures; `null`: every one that streams from the primary. */
  readonly standby: string | null;
  /** At each level. */
  readonly commits: number;
  /** For all of it. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** The levels take turns, so that a noisy moment does not fall on one alone. */
const ROUNDS = 5;
const ROUND_TRIPS = 15;
const LEAST_MS = 200;

/**
 * Measures what a commit costs at each level, with real commits on the primary that leave no row behind. Changes no setting. A standby that
 * hangs holds one commit for a moment, and that level is then left alone. Throws `no-primary`, `standby-unattached`, and as a session does.
 */
export async function measureLatency(world: World, topology: Topology, wish: LatencyWish): Promise<LatencyDocument> {
  const start = performance.now();
  const facts = await observeNodes(world, topology.nodes.map(({ name }) => name), { timeoutMs: wish.timeoutMs / 4, depth: 'status', signal: wish.signal });
  const view = viewCluster(topology, facts);
  const primary = primaryOf(view);
  const standbys = standbysOf(view, primary, wish.standby);
  const server = await world.node(primary.name).server();
  const roundTripSeconds = await roundTrip(server);
  const { times, delays } = await inTurns(server, wish, () => wish.timeoutMs - (performance.now() - start));
  const levels = COMMIT_LEVELS.map((level) => figuresOf(level, times.get(level)));
  const seen = standbys.map(({ name, pid, sync }) => delayFigures({ name, sync }, delays.filter((delay) => delay.pid === pid)));
  const synchronousStandbyNames = primary.server?.settings['synchronous_standby_names']?.value ?? '';
  return { format: 1, cluster: topology.cluster, primary: primary.name, synchronousStandbyNames, roundTripSeconds, levels, standbys: seen, says: adviceOn({ primary: primary.name, synchronousStandbyNames, levels, standbys: seen }) };
}

interface Measured {
  readonly times: ReadonlyMap<CommitWait, CommitTimes>;
  readonly delays: readonly StandbyDelay[];
}

async function inTurns(server: Server, { commits, signal }: LatencyWish, leftMs: () => number): Promise<Measured> {
  const times = new Map<CommitWait, CommitTimes>();
  const delays: StandbyDelay[] = [];
  const each = Math.ceil(commits / ROUNDS);
  let turnsLeft = ROUNDS * COMMIT_LEVELS.length;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const level of COMMIT_LEVELS) {
      const before = times.get(level);
      turnsLeft -= 1;
      // A level beyond one that hung waits for the same standby at least.
      if (COMMIT_LEVELS.slice(0, COMMIT_LEVELS.indexOf(level) + 1).some((one) => times.get(one)?.hung === true)) {
        times.set(level, { seconds: before?.seconds ?? [], hung: true });
        continue;
      }
      if (signal.aborted) throw new PgreplError('interrupted', 'interrupted', 'interrupted');
      const now = await server.commitTimes(level, { commits: Math.min(each, commits - (before?.seconds.length ?? 0)), limitMs: Math.max(LEAST_MS, leftMs() / (turnsLeft + 1)) });
      times.set(level, { seconds: [...(before?.seconds ?? []), ...now.seconds], hung: now.hung });
      if (level !== 'off') delays.push(...(await server.standbyDelays()));
    }
  }
  return { times, delays };
}

function primaryOf(view: StatusView): ViewedNode {
  if (view.primary !== null) return view.primary;
  if (view.primaries.length > 1) throw new PgreplError('refused', 'two-primaries', `${view.primaries.map(({ name }) => name).join(' and ')} both take writes`, { hint: 'Whose commits are meant cannot be told.', next: ['pgrepl status'] });
  const answered = view.nodes.some((node) => inRecovery(node) !== null || node.facts.state === 'down');
  throw new PgreplError(answered ? 'refused' : 'unreachable', 'no-primary', 'no node takes writes: there is no commit to measure', { next: ['pgrepl status'] });
}

interface Attached {
  readonly name: string;
  readonly pid: number;
  readonly sync: string;
}

function standbysOf(view: StatusView, primary: ViewedNode, only: string | null): readonly Attached[] {
  const attached = [...view.links].flatMap(([name, { upstream, sender }]): Attached[] => (upstream === primary && sender !== null ? [{ name, pid: sender.pid, sync: sender.syncState }] : []));
  if (only === null) return attached;
  if (only === primary.name) throw new PgreplError('usage', 'standby-is-primary', `${only} is the primary: name a standby, or none`, { next: ['pgrepl latency'] });
  const found = attached.filter(({ name }) => name === only);
  if (found.length === 0) throw new PgreplError('refused', 'standby-unattached', `${only} does not stream from ${primary.name}: there is nothing to measure beside it`, { node: only, next: ['pgrepl status'] });
  return found;
}

async function roundTrip(server: Server): Promise<number> {
  const seconds: number[] = [];
  for (let turn = 0; turn < ROUND_TRIPS; turn += 1) {
    const began = performance.now();
    await server.positions();
    seconds.push((performance.now() - began) / 1_000);
  }
  return medianOf(seconds) ?? 0;
}

function figuresOf(level: CommitWait, times: CommitTimes | undefined): LevelFigures {
  const seconds = times?.seconds ?? [];
  return { level, commits: seconds.length, medianSeconds: medianOf(seconds), p99Seconds: percentileOf(seconds, 99), hung: times?.hung ?? false };
}

function delayFigures(standby: { readonly name: string; readonly sync: string }, delays: readonly StandbyDelay[]): StandbyFigures {
  const median = (pick: (delay: StandbyDelay) => number | null): number | null => medianOf(delays.flatMap((delay) => pick(delay) ?? []));
  return { ...standby, writeSeconds: median(({ writeSeconds }) => writeSeconds), flushSeconds: median(({ flushSeconds }) => flushSeconds), replaySeconds: median(({ replaySeconds }) => replaySeconds) };
}

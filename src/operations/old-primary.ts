import { PgreplError } from '../errors.ts';
import { newestTimeline, type ControlData } from '../postgres/control-data.ts';
import { addBytes, bytesBetween, laterLsn, renderLsn, type Lsn } from '../postgres/lsn.ts';
import { parseSyncNames } from '../postgres/sync-names.ts';
import type { CommitsSeen } from '../postgres/tools.ts';
import type { LastSeen, World } from '../steps/world.ts';
import type { Candidate } from './candidates.ts';
import type { ClusterView, NodeView } from './cluster.ts';
import { outsideConfig } from './config.ts';
import { duration } from './duration.ts';
import { seenTimeline } from './facts.ts';
import { isStoppedStandby } from './roles.ts';
import { judgeSyncProof } from './sync-proof.ts';

/** How the old primary ended, and where: what any loss is measured against. */
export interface OldPrimary {
  /** `null`: nobody could see it. */
  readonly node: NodeView | null;
  /** Where its log ends; `null` when that cannot be read. */
  readonly end: Lsn | null;
  /** It wrote at least up to here, and who tells that; `null`: `end` says it exactly, or nobody tells. */
  readonly atLeast: { readonly lsn: Lsn; readonly witness: string } | null;
  /** Commits in its log that the candidate does not have; `null`: not counted. */
  readonly commits: CommitsSeen | null;
  readonly says: string;
  /** Whether its synchronous set proves that nothing acknowledged is lost, in a line; `null` where nothing is lost at all. */
  readonly proof: string | null;
  /** Standbys that do not run, and where their log ends as far as it can be read. */
  readonly stopped: readonly StoppedStandby[];
  readonly left: LeftBehind;
}

export interface StoppedStandby {
  readonly node: NodeView;
  readonly end: Lsn | null;
}

/** What is in the directory of the old primary and does not come over; empty where nobody can look. */
export interface LeftBehind {
  /** Names of slots there that belong to no node of the cluster file. */
  readonly slots: readonly string[];
  readonly preparedTransactions: number;
  /** It archived its WAL. */
  readonly archived: boolean;
}

const NOTHING_LEFT: LeftBehind = { slots: [], preparedTransactions: 0, archived: false };

/**
 * Looks at what a dead primary left: the end of its log, exactly where its control file and WAL can be read, else as far as its standbys are
 * witnesses of it; what of it the candidate lacks; and whether the synchronous set that it ran with proves that nothing acknowledged is among
 * that. Changes nothing. `eachOther`: standbys of each other, one of which was the primary. What cannot be read is said, and never throws but for interrupts and bugs.
 */
export async function seeOldPrimary(world: World, view: ClusterView, stopped: NodeView | null, chosen: Candidate, acceptsUnknown: boolean, eachOther: readonly NodeView[] = []): Promise<OldPrimary> {
  const unknown = acceptsUnknown ? ', and accepted' : '';
  if (stopped === null) {
    const standbys = await stoppedStandbys(world, view, null);
    const told = furthest({}, view, null, standbys);
    // The old primary is one of them: nothing was written beyond the furthest of all that are seen.
    if (eachOther.length > 0 && told !== null && standbys.every(({ end }) => end !== null)) {
      return { node: null, end: told.lsn, atLeast: null, commits: null, says: `${eachOther.map(({ spec }) => spec.name).join(' and ')} are standbys of each other, and no log goes further than ${renderLsn(told.lsn)}`, proof: null, stopped: standbys, left: NOTHING_LEFT };
    }
    const atLeast = furthest(world, view, null, standbys);
    return { node: null, end: null, atLeast, commits: null, says: `the WAL of the old primary cannot be read: what is lost is unknown${unknown}${wroteAtLeast(atLeast)}`, proof: 'proof that nothing acknowledged is lost: not complete: the configuration of the old primary cannot be read', stopped: standbys, left: NOTHING_LEFT };
  }
  const [log, left] = await Promise.all([readLog(world, stopped, chosen), seeLeftBehind(world, view, stopped)]);
  const isWhole = log.end !== null && log.end <= chosen.position;
  // Only where something may be lost is it worth a program or two more.
  const standbys = isWhole ? [] : await stoppedStandbys(world, view, stopped);
  const atLeast = log.end === null ? furthest(world, view, stopped, standbys) : null;
  return { node: stopped, ...log, atLeast, says: `${log.says}${log.end === null ? wroteAtLeast(atLeast) : ''}`, proof: isWhole ? null : await proofOf(world, view, stopped, chosen), stopped: standbys, left };
}

function wroteAtLeast(atLeast: OldPrimary['atLeast']): string {
  return atLeast === null ? '' : `; it wrote at least up to ${renderLsn(atLeast.lsn)} (${atLeast.witness})`;
}

/** Reads the log of the old primary from where the candidate is, so that a busy one's gigabytes since its last checkpoint are not read for the last few bytes. */
async function readLog(world: World, stopped: NodeView, chosen: Candidate): Promise<Pick<OldPrimary, 'end' | 'commits' | 'says'>> {
  const { control, place } = stopped.facts;
  const name = stopped.spec.name;
  if (control === null) throw new Error('a stopped primary without control data');
  const how = control.state === 'shut down' ? 'was shut down' : `crashed (${control.state})`;
  const timeline = newestTimeline(control);
  try {
    const programs = await world.node(name).programs();
    // What is before the last checkpoint is not read: commits are counted only where all of them are seen.
    const scan = async (from: Lsn): Promise<Pick<OldPrimary, 'end' | 'commits'>> => {
      const { endLsn, commits } = await programs.endOfWal(place.pgdata, { timeline, walSegmentBytes: control.walSegmentBytes }, from, chosen.position > from ? chosen.position : from);
      return { end: endLsn, commits: chosen.position >= from && chosen.timeline === timeline ? commits : null };
    };
    const replayed = recordBoundary(chosen, control);
    const log = replayed === null ? await scan(control.redoLsn) : await scan(replayed).catch(async (error: unknown) => {
      // Less is there than the candidate has: only the whole log can say where it ends.
      if (error instanceof PgreplError && error.code === 'wal-unreadable') return await scan(control.redoLsn);
      throw error;
    });
    return { ...log, says: `${name} ${how}; its log ends at ${log.end === null ? '?' : renderLsn(log.end)}` };
  } catch (error) {
    if (!isFact(error)) throw error;
    // Of one that was shut down the control file says enough: nothing comes after its shutdown checkpoint.
    if (control.state === 'shut down') return { end: addBytes(control.checkpointLsn, 1), commits: null, says: `${name} ${how}; its last record starts at ${renderLsn(control.checkpointLsn)}` };
    return { end: null, commits: null, says: `${name} ${how}, and its WAL cannot be read (${error.message}): what is lost is unknown` };
  }
}

/**
 * Where the candidate has replayed to, when a record of the old primary ends there: the same timeline, after its last checkpoint. What was
 * only received may end within a record, and that record would be passed over. Pure.
 */
function recordBoundary({ node, timeline }: Candidate, control: ControlData): Lsn | null {
  const replayed = node.facts.server?.replayedLsn ?? null;
  return replayed !== null && timeline === newestTimeline(control) && replayed > control.redoLsn ? replayed : null;
}

/** Standbys that are stopped may hold more than any that runs (hazard H04): their own log says how far they are. */
async function stoppedStandbys(world: World, view: ClusterView, old: NodeView | null): Promise<readonly StoppedStandby[]> {
  const nodes = view.nodes.filter((node) => node !== old && node.facts.state === 'down' && isStoppedStandby(node));
  return await Promise.all(nodes.map(async (node) => ({ node, end: await endOfStandby(world, node) })));
}

async function endOfStandby(world: World, { spec, facts: { control, place } }: NodeView): Promise<Lsn | null> {
  if (control === null) return null;
  const certain = laterLsn(control.minRecoveryLsn, control.checkpointLsn);
  try {
    const programs = await world.node(spec.name).programs();
    const { endLsn } = await programs.endOfWal(place.pgdata, { timeline: newestTimeline(control), walSegmentBytes: control.walSegmentBytes }, control.redoLsn);
    return laterLsn(endLsn, certain);
  } catch (error) {
    if (!isFact(error)) throw error;
    return certain;
  }
}

/** The furthest position of the old primary's log that anybody tells, or an earlier look remembers. */
function furthest(world: Pick<World, 'lastSeen'>, view: ClusterView, stopped: NodeView | null, standbys: readonly StoppedStandby[]): OldPrimary['atLeast'] {
  const timeline = (stopped === null ? null : seenTimeline(stopped.facts)) ?? Math.max(...view.nodes.map(({ facts }) => facts.server?.timeline ?? 0));
  const told = [
    ...(stopped?.facts.control == null ? [] : [{ lsn: stopped.facts.control.checkpointLsn, witness: `the control file of ${stopped.spec.name}` }]),
    ...view.nodes.flatMap(({ spec, facts: { server } }) => {
      const lsn = server?.inRecovery === true && server.timeline === timeline ? laterLsn(server.receivedLsn, server.replayedLsn) : null;
      return lsn === null ? [] : [{ lsn, witness: `${spec.name} has that` }];
    }),
    ...standbys.flatMap(({ node, end }) => (end === null || (seenTimeline(node.facts) ?? timeline) !== timeline ? [] : [{ lsn: end, witness: `${node.spec.name} has that` }])),
  ];
  const seen = lastSeen(world, view, stopped);
  if (seen?.timeline === timeline) told.push({ lsn: seen.lsn, witness: `a status saw ${seen.name} there ${duration(seen.seconds)} ago` });
  return told.sort((a, b) => Number(b.lsn - a.lsn))[0] ?? null;
}

/** What an earlier look remembers of this old primary, or of one that nobody sees now; of a node that runs it says nothing. */
function lastSeen(world: Pick<World, 'lastSeen'>, view: ClusterView, stopped: NodeView | null): LastSeen | null {
  const identity = view.nodes.map(({ facts: { server, control } }) => (server ?? control)?.systemIdentifier ?? null).find((one) => one !== null) ?? null;
  const seen = identity === null ? null : (world.lastSeen?.(identity) ?? null);
  const node = view.nodes.find(({ spec }) => spec.name === seen?.name);
  return seen === null || node === undefined || node.facts.server !== null || (stopped !== null && stopped !== node) ? null : seen;
}

/** By the configuration that the old primary ran with, as its own files say it. */
async function proofOf(world: World, view: ClusterView, stopped: NodeView, chosen: Candidate): Promise<string> {
  const { place } = stopped.facts;
  try {
    const programs = await world.node(stopped.spec.name).programs();
    const configFile = stopped.config === null ? null : outsideConfig(stopped.config, place.pgdata);
    const [names, level] = await Promise.all(['synchronous_standby_names', 'synchronous_commit'].map(async (name) => await programs.settingValue(place.pgdata, configFile, name)));
    const members = view.nodes.filter((node) => node !== stopped).map(({ spec, facts: { server } }) => ({
      name: spec.name,
      position: server?.inRecovery === true && server.timeline === seenTimeline(stopped.facts) ? laterLsn(server.receivedLsn, server.replayedLsn) : null,
    }));
    return judgeSyncProof(parseSyncNames(names ?? ''), members, chosen.node.spec.name, level ?? 'on').says;
  } catch (error) {
    if (!isFact(error)) throw error;
    return `proof that nothing acknowledged is lost: not complete: the configuration of ${stopped.spec.name} cannot be read (${error.message})`;
  }
}

/** Slots, prepared transactions and the archive of the old primary (hazards E12, H14, H17), as far as its files tell. For notices only. */
async function seeLeftBehind(world: World, view: ClusterView, stopped: NodeView): Promise<LeftBehind> {
  const { place } = stopped.facts;
  const node = world.node(stopped.spec.name);
  try {
    const programs = await node.programs();
    const configFile = stopped.config === null ? null : outsideConfig(stopped.config, place.pgdata);
    const [slots, prepared, archive] = await Promise.all([node.host.list(`${place.pgdata}/pg_replslot`), node.host.list(`${place.pgdata}/pg_twophase`), programs.settingValue(place.pgdata, configFile, 'archive_mode')]);
    return { slots: (slots ?? []).filter((name) => !view.nodes.some(({ spec }) => spec.name === name)), preparedTransactions: (prepared ?? []).length, archived: archive !== null && archive !== 'off' };
  } catch (error) {
    if (!isFact(error)) throw error;
    return NOTHING_LEFT;
  }
}

function isFact(error: unknown): error is PgreplError {
  return error instanceof PgreplError && error.kind !== 'bug' && error.kind !== 'interrupted';
}

/** Bytes of the old primary's log that this position lacks: exactly, or at least; `null`: nobody tells. Pure. */
export function lackOf(position: Lsn, { end, atLeast }: Pick<OldPrimary, 'end' | 'atLeast'>): { readonly bytes: number; readonly exact: boolean } | null {
  if (end !== null) return { bytes: Math.max(0, bytesBetween(position, end)), exact: true };
  return atLeast === null ? null : { bytes: Math.max(0, bytesBetween(position, atLeast.lsn)), exact: false };
}

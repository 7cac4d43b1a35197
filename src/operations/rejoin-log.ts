import { PgreplError } from '../errors.ts';
import { newestTimeline, type ControlData } from '../postgres/control-data.ts';
import { laterLsn, parseLsn, type Lsn } from '../postgres/lsn.ts';
import { parseHistory, renderTimelineId, segmentOfWalFile, spansOf, walFileOf, type TimelineSpan } from '../postgres/timeline.ts';
import type { WalPiece } from '../postgres/tools.ts';
import type { World } from '../steps/world.ts';
import type { NodeView } from './cluster.ts';
import type { NodeLog, PrefixProof, ServerLog } from './rejoin-verdict.ts';

/** The log of the primary, by SQL; to be asked after that of the node. Reads only. */
export async function primaryLog(world: World, primary: NodeView): Promise<ServerLog> {
  const facts = primary.facts.server;
  if (facts === null) throw new Error('a primary that was not seen');
  const server = await world.node(primary.spec.name).server();
  const history = parseHistory(await server.timelineHistory(facts.timeline));
  // Now, and not when it was first looked at: a running standby that has been looked at since would seem to be ahead of it.
  return { spans: spansOf(facts.timeline, history), endLsn: (await server.positions()).currentLsn ?? facts.currentLsn ?? parseLsn('0/0') };
}

/**
 * The log of the node as it is on its disk: its timelines, and where its last valid record ends, or how far it must be replayed, whichever is
 * later (hazard J24). Of a running standby by SQL. Reads only. Throws `wal-unreadable`, `history-missing`.
 */
export async function nodeLog(world: World, node: NodeView): Promise<NodeLog> {
  const { server, control, place, hasSignal } = node.facts;
  const name = node.spec.name;
  if (server !== null) {
    const history = parseHistory(await (await world.node(name).server()).timelineHistory(server.timeline));
    const endLsn = laterLsn(server.receivedLsn, server.replayedLsn) ?? parseLsn('0/0');
    return { spans: spansOf(server.timeline, history), endLsn, writtenLsn: endLsn, endedAs: 'standby' };
  }
  if (control === null) throw new Error('a stopped node without control data');
  const programs = await world.node(name).programs();
  const files = await programs.walFiles(place.pgdata);
  // A primary that fell right after its promote has the new timeline in its log, and not yet in pg_control.
  const timeline = Math.max(newestTimeline(control), ...files.map((file) => Number.parseInt(file.slice(0, 8), 16)));
  const spans = spansOf(timeline, parseHistory(await historyOnDisk(world, name, place.pgdata, timeline)));
  const begin = spans.at(-1)?.begin ?? parseLsn('0/0');
  const from = timeline === control.timeline ? startOf(control) : begin;
  const { endLsn } = await programs.endOfWal(place.pgdata, { timeline, walSegmentBytes: control.walSegmentBytes }, from);
  const wasStandby = control.state === 'shut down in recovery' || control.state === 'in archive recovery' || (hasSignal && control.state !== 'shut down');
  return { spans, endLsn: laterLsn(endLsn, control.minRecoveryLsn) ?? endLsn, writtenLsn: endLsn, endedAs: wasStandby ? 'standby' : 'primary' };
}

function startOf(control: ControlData): Lsn {
  return control.state === 'shut down' ? control.checkpointLsn : control.redoLsn;
}

async function historyOnDisk(world: World, name: string, pgdata: string, timeline: number): Promise<string> {
  if (timeline === 1) return '';
  const file = `${pgdata}/pg_wal/${renderTimelineId(timeline)}.history`;
  const text = await world.node(name).host.readText(file);
  if (text === null) throw new PgreplError('refused', 'history-missing', `${name} is on timeline ${timeline}, and ${file} is not there`, { node: name, hint: 'Without it nobody can tell where its history leaves that of the primary.' });
  return text;
}

/** Segments before the last one that are compared as well, as far as both have them. */
const COMPARED = 8n;

/**
 * Compares what both have of the log before this place, segment by segment (hazard X11). A node that was started as a standby in between has
 * written over its evidence, so this comes before any start. Reads only.
 */
export async function provePrefix(world: World, node: { readonly view: NodeView; readonly log: ServerLog }, primary: { readonly view: NodeView; readonly log: ServerLog }, upTo: Lsn | null, segmentBytes: number): Promise<PrefixProof> {
  if (upTo === null || upTo === 0n) return { bytes: 'unknown' };
  const programs = await world.node(node.view.spec.name).programs();
  const server = await world.node(primary.view.spec.name).server();
  const pgdata = node.view.facts.place.pgdata;
  const [own, theirs] = (await Promise.all([programs.walFiles(pgdata), server.walFiles()])).map((names) => new Set(names));
  if (own === undefined || theirs === undefined) return { bytes: 'unknown' };
  const size = BigInt(segmentBytes);
  const last = (upTo - 1n) / size;
  const pairs: { readonly start: Lsn; readonly own: WalPiece; readonly theirs: WalPiece }[] = [];
  for (let segment = last; segment >= 0n && segment > last - COMPARED; segment -= 1n) {
    const start = (segment * size) as Lsn;
    const bytes = Number(upTo - start < size ? upTo - start : size);
    const [mine, other] = [walFileOf(node.log.spans, segment, segmentBytes, own), walFileOf(primary.log.spans, segment, segmentBytes, theirs)];
    if (mine === null || other === null) break;
    pairs.push({ start, own: { file: mine, bytes }, theirs: { file: other, bytes } });
  }
  if (pairs.length === 0) return { bytes: 'unknown' };
  const [a, b] = await Promise.all([programs.walDigests(pgdata, pairs.map((pair) => pair.own)), server.walDigests(pairs.map((pair) => pair.theirs))]);
  const different = pairs.filter((_, index) => a[index] !== null && b[index] !== null && a[index] !== b[index]).map((pair) => pair.start);
  const first = different.sort((x, y) => (x < y ? -1 : 1))[0];
  if (first !== undefined) return { bytes: 'differ', differsFrom: first };
  return { bytes: (a[0] ?? null) === null || (b[0] ?? null) === null ? 'unknown' : 'equal' };
}

/** Whether these files hold every segment from one place to another, on whatever timeline of this past. Pure. */
export function hasSegments(files: readonly string[], spans: readonly TimelineSpan[], from: Lsn, to: Lsn, segmentBytes: number): boolean {
  const names = new Set(files);
  const size = BigInt(segmentBytes);
  for (let segment = from / size; segment <= to / size; segment += 1n) if (walFileOf(spans, segment, segmentBytes, names) === null) return false;
  return true;
}

/** Those of these WAL files that hold anything from this place on. Pure. */
export function filesFrom(files: readonly string[], from: Lsn, segmentBytes: number): readonly string[] {
  return files.filter((name) => (segmentOfWalFile(name, segmentBytes) ?? -1n) >= from / BigInt(segmentBytes));
}

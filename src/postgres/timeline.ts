import { PgreplError, usageError } from '../errors.ts';
import { parseLsn, type Lsn } from './lsn.ts';
import { printable } from './names.ts';

/** One line of a timeline history file: `timeline` ended at `switchLsn`, where its child began. */
export interface HistoryEntry {
  readonly timeline: number;
  readonly switchLsn: Lsn;
  readonly reason: string;
}

/**
 * How the log of a node stands to the log of a primary. `same`: the same timeline number, which is not yet the same history
 * (two promotions can take one number); `ancestor`: the primary's log contains all of the node's; `ahead`: the node wrote or
 * received more than the primary took over; `newer`: the node is on a later timeline than the primary; `unrelated`: the
 * primary never was on the node's timeline.
 */
export type HistoryVerdict = 'same' | 'ancestor' | 'ahead' | 'unrelated' | 'newer';

/**
 * Reads a timeline history file as `readTimeLineHistory` of timeline.c does: lines of timeline, switch point and reason, empty
 * lines and `#` comments skipped, timelines increasing. Oldest first. Throws `history-unreadable`.
 */
export function parseHistory(text: string): readonly HistoryEntry[] {
  const entries: HistoryEntry[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([0-9]{1,10})\s+([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})(?:\s+(.*))?$/.exec(line);
    const timeline = Number(match?.[1]);
    if (match?.[2] === undefined || timeline < 1 || timeline > 0xffff_ffff) throw unreadable(`line ${index + 1} is "${printable(line)}"`);
    const before = entries.at(-1);
    if (before !== undefined && before.timeline >= timeline) throw unreadable(`timeline ${timeline} comes after timeline ${before.timeline}`);
    entries.push({ timeline, switchLsn: parseLsn(match[2]), reason: match[3] ?? '' });
  }
  return entries;
}

function unreadable(why: string): PgreplError {
  return new PgreplError('unfinished', 'history-unreadable', `the timeline history cannot be read: ${why}`);
}

/** Eight upper-case hexadecimal digits, as in the names of WAL and history files. */
export function renderTimelineId(timeline: number): string {
  return timeline.toString(16).toUpperCase().padStart(8, '0');
}

/** The timeline of a file in pg_wal or an archive: a segment, also `.partial` or `.backup`, or a history file. Throws a usage error on other names. */
export function timelineOfWalFile(name: string): number {
  const match = /^([0-9A-F]{8})(?:[0-9A-F]{16}(?:\.partial|\.[0-9A-F]{8}\.backup)?|\.history)$/.exec(name);
  if (match?.[1] === undefined) throw usageError('wal-file-invalid', `"${printable(name)}" is not the name of a WAL file`);
  return Number.parseInt(match[1], 16);
}

/** The segment that the byte at `lsn` is in (`XLByteToSeg` and `XLogFileName` of xlog_internal.h). */
export function walFileName(timeline: number, lsn: Lsn, segmentBytes: number): string {
  const segment = lsn / BigInt(segmentBytes);
  const perLog = 0x1_0000_0000n / BigInt(segmentBytes);
  const hex = (part: bigint): string => part.toString(16).toUpperCase().padStart(8, '0');
  return `${renderTimelineId(timeline)}${hex(segment / perLog)}${hex(segment % perLog)}`;
}

/**
 * Compares where a node's log ends with the history of a primary. `leftAt` is where the primary left the node's timeline, when
 * it ever was on it. An unknown end (`null`) on a timeline that the primary has left counts as `ahead`: that the node has no more
 * is not proved.
 */
export function judgeHistory(
  node: { readonly timeline: number; readonly endLsn: Lsn | null },
  primary: { readonly timeline: number; readonly history: readonly HistoryEntry[] },
): { readonly verdict: HistoryVerdict; readonly leftAt: Lsn | null } {
  if (node.timeline === primary.timeline) return { verdict: 'same', leftAt: null };
  if (node.timeline > primary.timeline) return { verdict: 'newer', leftAt: null };
  const entry = primary.history.find(({ timeline }) => timeline === node.timeline);
  if (entry === undefined) return { verdict: 'unrelated', leftAt: null };
  const contained = node.endLsn !== null && node.endLsn <= entry.switchLsn;
  return { verdict: contained ? 'ancestor' : 'ahead', leftAt: entry.switchLsn };
}

/** A stretch of one server's log: `timeline` from `begin` to `end`, `null` where it is the one that is written now. */
export interface TimelineSpan {
  readonly timeline: number;
  readonly begin: Lsn;
  readonly end: Lsn | null;
}

/** All that a server on this timeline has been on, oldest first, itself last. */
export function spansOf(timeline: number, history: readonly HistoryEntry[]): readonly TimelineSpan[] {
  const spans: TimelineSpan[] = [];
  let begin = parseLsn('0/0');
  for (const entry of history) {
    spans.push({ timeline: entry.timeline, begin, end: entry.switchLsn });
    begin = entry.switchLsn;
  }
  return [...spans, { timeline, begin, end: null }];
}

/**
 * The last place that two logs have in common by their history files, as `findCommonAncestorTimeline` of pg_rewind.c finds it; `lsn` is `null`
 * when both are on the same timeline with the same begin, which does not say that they are the same (hazard X10). `null`: nothing in common.
 */
export function lastCommon(a: readonly TimelineSpan[], b: readonly TimelineSpan[]): { readonly timeline: number; readonly lsn: Lsn | null } | null {
  let common: { readonly timeline: number; readonly lsn: Lsn | null } | null = null;
  for (const [index, one] of a.entries()) {
    const other = b[index];
    if (other === undefined || other.timeline !== one.timeline || other.begin !== one.begin) break;
    common = { timeline: one.timeline, lsn: one.end === null ? other.end : other.end === null || one.end < other.end ? one.end : other.end };
  }
  return common;
}

/** Number of the segment that a WAL file holds (`XLogFromFileName` of xlog_internal.h); `null` for other names. */
export function segmentOfWalFile(name: string, segmentBytes: number): bigint | null {
  const match = /^[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})$/.exec(name);
  if (match?.[1] === undefined || match[2] === undefined) return null;
  return BigInt(`0x${match[1]}`) * (0x1_0000_0000n / BigInt(segmentBytes)) + BigInt(`0x${match[2]}`);
}

/**
 * The file that holds this segment for a server with this past: that of the newest timeline which has begun by then and has one. A new
 * timeline begins in a copy of the segment that it leaves (`XLogFileCopy` of xlog.c). `null` when none of them is there. Pure.
 */
export function walFileOf(spans: readonly TimelineSpan[], segment: bigint, segmentBytes: number, files: ReadonlySet<string>): string | null {
  const start = (segment * BigInt(segmentBytes)) as Lsn;
  const names = spans
    .filter(({ begin }) => begin / BigInt(segmentBytes) <= segment)
    .map(({ timeline }) => walFileName(timeline, start, segmentBytes))
    .reverse();
  return names.find((name) => files.has(name)) ?? null;
}

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

import { bytesBetween, type Lsn } from '../postgres/lsn.ts';
import { lastCommon, type TimelineSpan } from '../postgres/timeline.ts';

/** The log of one server: where it has been, and where it ends. */
export interface ServerLog {
  /** Oldest first, the present one last. */
  readonly spans: readonly TimelineSpan[];
  readonly endLsn: Lsn;
}

/** The log of the node that is to rejoin. `primary`: it wrote its log itself, last; then the number of its timeline alone proves nothing (hazard J01). */
export interface NodeLog extends ServerLog {
  /** Where the log that is there ends. Before `endLsn` where a copy or a rewind took pages that are newer than the log that came with them. */
  readonly writtenLsn: Lsn;
  readonly endedAs: 'primary' | 'standby';
}

/**
 * Whether the same places of both logs hold the same bytes (hazard X11). `unknown`: the primary no longer has that WAL. `differsFrom`: beginning
 * of the first segment in which they differ.
 */
export type PrefixProof = { readonly bytes: 'equal' | 'unknown' } | { readonly bytes: 'differ'; readonly differsFrom: Lsn };

/**
 * How the log of a node stands to that of the primary.
 * `contained`: the primary has all of it. `diverged`: it went on past the fork, and the histories say where that is. `other`: the histories
 * do not say it, because both took the same number, or have nothing in common; then pg_rewind cannot know it either.
 */
export type LogVerdict =
  | { readonly verdict: 'contained'; readonly because: string }
  | { readonly verdict: 'diverged'; readonly forkTimeline: number; readonly forkLsn: Lsn; readonly pastForkBytes: number; readonly because: string }
  | { readonly verdict: 'other'; readonly from: Lsn | null; readonly because: string };

/** Up to where the bytes of both logs must agree before anything is believed. Pure. */
export function toCompare(node: Pick<NodeLog, 'spans' | 'writtenLsn'>, primary: ServerLog): Lsn | null {
  const common = lastCommon(node.spans, primary.spans);
  if (common === null) return null;
  const ends = [node.writtenLsn, common.lsn ?? primary.endLsn];
  return ends.reduce((a, b) => (a < b ? a : b));
}

/**
 * The one judgement of a rejoin, by history and bytes and never by the words of pg_rewind, which believes the number of the timeline (hazards
 * J01, J24, X1, X10, X11). Pure.
 */
export function judgeLogs(node: NodeLog, primary: ServerLog, proof: PrefixProof, names: { readonly node: string; readonly primary: string; readonly lsn: (lsn: Lsn) => string }): LogVerdict {
  const { lsn } = names;
  const own = node.spans.at(-1);
  const theirs = primary.spans.at(-1);
  if (own === undefined || theirs === undefined) throw new Error('a log without a timeline');
  const common = lastCommon(node.spans, primary.spans);
  const ends = `${names.node} ends at ${lsn(node.endLsn)} on timeline ${own.timeline}`;
  if (common === null) return { verdict: 'other', from: null, because: `${ends}, and its history has nothing in common with that of ${names.primary} (timeline ${theirs.timeline})` };
  if (proof.bytes === 'differ') {
    return { verdict: 'other', from: proof.differsFrom, because: `${ends}; ${names.primary} has other bytes in its log from ${lsn(proof.differsFrom)} on, before the place where their histories part` };
  }
  if (common.lsn === null) {
    const where = `both are on timeline ${own.timeline}`;
    const beyond = bytesBetween(primary.endLsn, node.endLsn);
    if (beyond > 0) return { verdict: 'other', from: primary.endLsn, because: `${where}, and ${ends}, ${beyond} bytes beyond ${names.primary}` };
    if (proof.bytes === 'equal') return { verdict: 'contained', because: `${where}, and the log of ${names.node} up to its end at ${lsn(node.endLsn)} is, byte by byte, that of ${names.primary}` };
    if (node.endedAs === 'primary') return { verdict: 'other', from: null, because: `${where}, ${names.node} as a primary, too, and ${names.primary} no longer has the WAL that would show that they wrote the same` };
    return { verdict: 'contained', because: `${where}, and ${names.node} was a standby to its end at ${lsn(node.endLsn)}` };
  }
  const left = `${names.primary} left timeline ${common.timeline} at ${lsn(common.lsn)}`;
  if (own.timeline === common.timeline && node.endLsn <= common.lsn) return { verdict: 'contained', because: `${left}, and ${ends}, not beyond it` };
  const past = Math.max(0, bytesBetween(common.lsn, node.endLsn));
  return { verdict: 'diverged', forkTimeline: common.timeline, forkLsn: common.lsn, pastForkBytes: past, because: `${left}, and ${ends}: ${past} bytes past it` };
}

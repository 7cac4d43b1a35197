import type { Reason } from '../errors.ts';
import { bytesBetween, laterLsn, renderLsn, type Lsn } from '../postgres/lsn.ts';
import { renderBytes } from '../postgres/units.ts';
import type { ClusterView, NodeView } from './cluster.ts';

/** A standby that could become the primary, and how far it is. */
export interface Candidate {
  readonly node: NodeView;
  readonly timeline: number;
  /** The later of received and replayed: after a restart the received position is behind (hazard G08). */
  readonly position: Lsn;
}

/** Running standbys of that cluster, the best first: newest history, then furthest (hazard G09); one that is delayed or paused loses a tie. Pure. */
export function candidatesOf(view: ClusterView, systemIdentifier: string | null): readonly Candidate[] {
  return view.nodes
    .flatMap((node): Candidate[] => {
      const { server } = node.facts;
      if (server?.inRecovery !== true || (systemIdentifier !== null && server.systemIdentifier !== systemIdentifier)) return [];
      const position = laterLsn(server.receivedLsn, server.replayedLsn);
      return position === null ? [] : [{ node, timeline: server.timeline, position }];
    })
    .sort((a, b) => b.timeline - a.timeline || Number(b.position - a.position) || Number(isDelayed(a.node) || isHeldUp(a.node)) - Number(isDelayed(b.node) || isHeldUp(b.node)) || (a.node.spec.name < b.node.spec.name ? -1 : 1));
}

/** True for a running standby that replays late, by what its server says now. Pure. */
export function isDelayed(node: NodeView): boolean {
  const delay = node.facts.server?.settings['recovery_min_apply_delay']?.value;
  return delay !== undefined && delay !== '0';
}

/** Its replay is paused, by hand or because it may not go on. */
export function isHeldUp(node: NodeView): boolean {
  return node.facts.server !== null && node.facts.server.replayPause !== 'not paused';
}

/** It has never received anything from a server and cannot: it lives on what is in the archive (hazard H10). */
export function isArchiveOnly(node: NodeView): boolean {
  const settings = node.facts.server?.settings;
  return node.facts.server?.receiver == null && node.facts.server?.receivedLsn == null && (settings?.['primary_conninfo']?.value ?? '') === '' && (settings?.['restore_command']?.value ?? '') !== '';
}

/** Bytes that it has received and not replayed. */
export function toReplay(node: NodeView): number {
  const { receivedLsn = null, replayedLsn = null } = node.facts.server ?? {};
  return receivedLsn === null || replayedLsn === null ? 0 : Math.max(0, bytesBetween(replayedLsn, receivedLsn));
}

/** What the candidates are measured against; all of it `null` in a planned switchover, where they are measured against the best. */
export interface Reference {
  readonly name: string;
  readonly end: Lsn | null;
  /** It wrote at least up to here. */
  readonly atLeast: Lsn | null;
  /** ISO 8601: the last commit that it is known to have made. */
  readonly lastCommit: string | null;
}

/** The table that a person reads before saying yes: who is where, and how far behind the old primary, else behind the best: in bytes, and in seconds of its own clock. Pure. */
export function describeCandidates(candidates: readonly Candidate[], old: Reference | null): readonly string[] {
  const best = candidates[0];
  return candidates.map((one) => {
    const known = old?.end ?? old?.atLeast ?? null;
    const behind = Math.max(0, bytesBetween(one.position, known ?? best?.position ?? one.position));
    const server = one.node.facts.server;
    const age = server?.replayAgeSeconds ?? null;
    const replayedAt = age === null || server == null ? null : new Date((server.now - age) * 1_000).toISOString();
    // Both are commit times by the clock of the old primary.
    const seconds = behind === 0 || replayedAt === null || old?.lastCommit == null ? null : Math.max(0, (Date.parse(old.lastCommit) - Date.parse(replayedAt)) / 1_000);
    const whom = known === null ? (best?.node.spec.name ?? '') : (old?.name ?? '');
    const far = behind === 0 ? '' : `, ${old !== null && old.end === null ? 'at least ' : ''}${exactBytes(behind)}${seconds === null ? '' : ` and ${seconds < 0.1 ? 'less than 0.1' : seconds.toFixed(1)} s`} behind ${whom}`;
    const last = age === null || replayedAt === null ? '' : `, last commit replayed ${Math.round(age)} s ago (${renderTime(replayedAt)})`;
    const left = toReplay(one.node);
    const marks = [...(isDelayed(one.node) ? ['delayed'] : []), ...(isHeldUp(one.node) ? ['replay paused'] : []), ...(isArchiveOnly(one.node) ? ['from the archive only'] : []), ...(left > 1024 * 1024 ? [`${renderBytes(left)} still to replay`] : [])];
    return `${one.node.spec.name}: timeline ${one.timeline}, has ${renderLsn(one.position)}${far}${last}${marks.map((mark) => `, ${mark}`).join('')}`;
  });
}

/** `104 B`, `4 kB (4096 B)` */
export function exactBytes(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${renderBytes(bytes)} (${bytes} B)`;
}

/** `2026-11-25 07:01:02 UTC` of an ISO 8601 time. */
export function renderTime(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')} UTC`;
}

/** Why another one should be taken: it has more, and could never follow this one (hazard H03). Pure. */
export function betterThan(chosen: Candidate, candidates: readonly Candidate[]): readonly Reason[] {
  const best = candidates[0];
  if (best === undefined || best === chosen || (best.timeline === chosen.timeline && best.position <= chosen.position)) return [];
  const more = bytesBetween(chosen.position, best.position);
  const message =
    best.timeline === chosen.timeline
      ? `${best.node.spec.name} is ahead of ${chosen.node.spec.name} by ${more} bytes${more < 1024 ? '' : ` (${renderBytes(more)})`}`
      : `${best.node.spec.name} is on timeline ${best.timeline}, ${chosen.node.spec.name} on the older ${chosen.timeline}`;
  return [{ code: 'better-candidate', node: chosen.node.spec.name, message, hint: 'What it has more would be lost, and it could not follow.', next: [`pgrepl promote ${best.node.spec.name}`] }];
}

/** Nodes of the file that take no part because nobody can see them: named, so that nobody believes that they follow (hazards H04, I20). Pure. */
export function describeUnseen(view: ClusterView, primary: NodeView | null, candidate: NodeView): readonly string[] {
  return view.nodes
    .filter((node) => node !== primary && node !== candidate && node.facts.server === null)
    .map((node) => `${node.spec.name} is left out (${node.facts.trouble ?? node.facts.state}); when it is back: pgrepl promote ${candidate.spec.name}`);
}

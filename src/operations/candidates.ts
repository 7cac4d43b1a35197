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

/** Running standbys of that cluster, the best first: newest history, then furthest; a delayed one loses a tie. Pure. */
export function candidatesOf(view: ClusterView, systemIdentifier: string | null): readonly Candidate[] {
  return view.nodes
    .flatMap((node): Candidate[] => {
      const { server } = node.facts;
      if (server?.inRecovery !== true || (systemIdentifier !== null && server.systemIdentifier !== systemIdentifier)) return [];
      const position = laterLsn(server.receivedLsn, server.replayedLsn);
      return position === null ? [] : [{ node, timeline: server.timeline, position }];
    })
    .sort((a, b) => b.timeline - a.timeline || Number(b.position - a.position) || Number(isDelayed(a.node)) - Number(isDelayed(b.node)) || (a.node.spec.name < b.node.spec.name ? -1 : 1));
}

export function isDelayed(node: NodeView): boolean {
  const delay = node.facts.server?.settings['recovery_min_apply_delay']?.value;
  return delay !== undefined && delay !== '0';
}

/** The table that a person reads before saying yes: who is where, how far behind the best or the old primary. Pure. */
export function describeCandidates(candidates: readonly Candidate[], end: Lsn | null): readonly string[] {
  const best = candidates[0];
  return candidates.map((one) => {
    const reference = end ?? best?.position ?? one.position;
    const behind = Math.max(0, bytesBetween(one.position, reference));
    const age = one.node.facts.server?.replayAgeSeconds;
    const last = age === null || age === undefined ? '' : `, last commit replayed ${Math.round(age)} s ago`;
    return `${one.node.spec.name}: timeline ${one.timeline}, has ${renderLsn(one.position)}${behind === 0 ? '' : `, ${renderBytes(behind)} (${behind} B) behind ${end === null ? (best?.node.spec.name ?? '') : 'the old primary'}`}${last}${isDelayed(one.node) ? ', delayed' : ''}`;
  });
}

/** Why another one should be taken: it has more, and could never follow this one (hazard H03). Pure. */
export function betterThan(chosen: Candidate, candidates: readonly Candidate[]): readonly Reason[] {
  const best = candidates[0];
  if (best === undefined || best === chosen || (best.timeline === chosen.timeline && best.position <= chosen.position)) return [];
  const message =
    best.timeline === chosen.timeline
      ? `${best.node.spec.name} is ahead of ${chosen.node.spec.name} by ${bytesBetween(chosen.position, best.position)} bytes (${renderBytes(bytesBetween(chosen.position, best.position))})`
      : `${best.node.spec.name} is on timeline ${best.timeline}, ${chosen.node.spec.name} on the older ${chosen.timeline}`;
  return [{ code: 'better-candidate', node: chosen.node.spec.name, message, hint: 'What it has more would be lost, and it could not follow.', next: [`pgrepl promote ${best.node.spec.name}`] }];
}

/** Nodes of the file that take no part because nobody can see them: named, so that nobody believes that they follow (hazards H04, I20). Pure. */
export function describeUnseen(view: ClusterView, primary: NodeView | null, candidate: NodeView): readonly string[] {
  return view.nodes
    .filter((node) => node !== primary && node !== candidate && node.facts.server === null)
    .map((node) => `${node.spec.name} is left out (${node.facts.trouble ?? node.facts.state}); when it is back: pgrepl promote ${candidate.spec.name}`);
}

import { isToReplayLate, type Topology } from '../../topology/topology.ts';
import { renderBytes } from '../../postgres/units.ts';
import type { StatusDocument, StatusNode } from '../status.ts';

/** A node as clients may be led to it. */
export interface RouteNode {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly role: 'primary' | 'standby' | 'unknown';
  /** May be the primary, now or after a change of roles. */
  readonly writes: boolean;
  /** May be read from, while it is a standby. */
  readonly reads: boolean;
  /** A standby that streams now, and lags less than the limit: where a configuration cannot look for itself, only these are listed. */
  readonly fresh: boolean;
  /** Why it is not used for one of the two; `null`: it is used for all that its role allows. */
  readonly why: string | null;
}

/**
 * Who takes part, in the order of the cluster file, so that a configuration which follows roles by itself reads the same after a switchover.
 * Never one of another cluster, nor one that was stated to be shut off: whoever starts it again has a second primary. Pure.
 */
export function chooseNodes(document: StatusDocument, topology: Topology, maxLagBytes: number): readonly RouteNode[] {
  return document.nodes.map((node) => {
    const spec = topology.nodes.find(({ name }) => name === node.name);
    const out = node.state === 'foreign' ? 'it is of another cluster' : spec?.fenced !== undefined ? 'it was shut off, and has not come back as a standby' : null;
    const delayed = spec !== undefined && isToReplayLate(spec) ? `it holds commits back for ${spec.delay ?? ''}` : null;
    const stale = node.role === 'standby' ? staleness(node, maxLagBytes) : null;
    return {
      name: node.name,
      host: spec?.host ?? node.host ?? '',
      port: spec?.port ?? node.port ?? 5432,
      role: node.role,
      writes: out === null,
      reads: out === null && delayed === null,
      fresh: out === null && delayed === null && node.role === 'standby' && stale === null,
      why: out ?? delayed ?? stale,
    };
  });
}

/** What keeps reads from a standby at this moment; `null`: nothing. */
function staleness({ state, lag }: StatusNode, maxLagBytes: number): string | null {
  if (state !== 'streaming' && state !== 'catching-up') return `it is ${state}`;
  const behind = lag?.replayedBytes ?? null;
  if (behind === null) return 'nobody knows how far it is behind';
  return behind > maxLagBytes ? `it is more than ${renderBytes(maxLagBytes)} behind` : null;
}

import { bytesBetween, laterLsn, type Lsn } from '../../postgres/lsn.ts';
import type { Topology } from '../../topology/topology.ts';
import type { NodeFacts } from '../facts.ts';
import type { Lag, StatusDocument, StatusNode } from '../status.ts';

/** One look at the cluster, as everything that `serve` answers is made of. */
export interface Snapshot {
  readonly document: StatusDocument;
  /** Where a balancer may send writes; `null`: nowhere, and `noWriter` says why. */
  readonly writer: string | null;
  readonly noWriter: string;
  /** By node; of a standby also while no primary can be seen. */
  readonly lags: ReadonlyMap<string, Lag>;
  /** The newest position that a primary was seen at, for the next look. */
  readonly lastWritten: Written | null;
  /** Seconds since the epoch. */
  readonly at: number;
  readonly tookSeconds: number;
}

/** How far a primary had written, on which timeline. */
export interface Written {
  readonly lsn: Lsn;
  readonly timeline: number;
}

/** Puts one look together with what is remembered of earlier ones. Pure. */
export function snapshotOf(topology: Topology, seen: { readonly facts: readonly NodeFacts[]; readonly document: StatusDocument }, before: Written | null, when: { readonly at: number; readonly tookSeconds: number }): Snapshot {
  const { facts, document } = seen;
  const { writer, noWriter } = writerOf(document, new Set(topology.nodes.filter(({ fenced }) => fenced !== undefined).map(({ name }) => name)));
  const factsOf = (name: string): NodeFacts | undefined => facts.find(({ place }) => place.name === name);
  const lastWritten = writtenBy(writer === null ? undefined : factsOf(writer)) ?? before;
  const lags = new Map(document.nodes.flatMap((node): [string, Lag][] => {
    const lag = node.lag?.replayedBytes !== null && node.lag !== null ? node.lag : document.primary === null ? lagSince(lastWritten, factsOf(node.name)) : null;
    return lag === null ? [] : [[node.name, lag]];
  }));
  return { document, writer, noWriter, lags, lastWritten, ...when };
}

/**
 * The node that may be written to. There is no leader lock that could decide between two that take writes: then it is none of them, unless an open
 * fence in the cluster file says of the others that they were shut off.
 */
export function writerOf(document: Pick<StatusDocument, 'nodes'>, fenced: ReadonlySet<string>): Pick<Snapshot, 'writer' | 'noWriter'> {
  const writable = document.nodes.filter(takesWrites);
  const open = writable.filter(({ name }) => !fenced.has(name));
  const [only] = open;
  if (only !== undefined && open.length === 1) return { writer: only.name, noWriter: '' };
  if (open.length > 1) return { writer: null, noWriter: `${open.map(({ name }) => name).join(' and ')} both take writes, and nothing says which is right` };
  if (writable.length > 0) return { writer: null, noWriter: `${writable.map(({ name }) => name).join(' and ')} was stated to be shut off (open fence)` };
  return { writer: null, noWriter: 'no primary answers' };
}

function takesWrites({ role, state }: StatusNode): boolean {
  return role === 'primary' && state === 'running';
}

function writtenBy(facts: NodeFacts | undefined): Written | null {
  const { server, glimpse } = facts ?? { server: null, glimpse: null };
  const lsn = server?.currentLsn ?? glimpse?.lsn ?? null;
  const timeline = (server ?? glimpse)?.timeline;
  return lsn === null || timeline === undefined ? null : { lsn, timeline };
}

/** How far a standby is behind the last that a primary was seen to write, on the same timeline: positions of two cannot be subtracted. */
function lagSince(written: Written | null, facts: NodeFacts | undefined): Lag | null {
  const server = facts?.server ?? null;
  if (written === null || server?.inRecovery !== true || server.timeline !== written.timeline) return null;
  const behind = (lsn: Lsn | null): number | null => (lsn === null ? null : Math.max(0, bytesBetween(lsn, written.lsn)));
  const replayedBytes = behind(server.replayedLsn);
  return { receivedBytes: behind(laterLsn(server.receivedLsn, server.replayedLsn)), replayedBytes, seconds: replayedBytes === null || replayedBytes === 0 ? null : server.replayAgeSeconds };
}

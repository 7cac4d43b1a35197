import { renderBytes } from '../../postgres/units.ts';
import type { Lag, StatusNode } from '../status.ts';
import type { Snapshot } from './snapshot.ts';

/** What a balancer asks about a node; names of Patroni's paths that mean the same come to one kind. */
export type HealthKind = 'primary' | 'replica' | 'read-only' | 'sync' | 'async' | 'read-only-sync' | 'health' | 'readiness';

/** The most that a standby may be behind. */
export type LagLimit = { readonly bytes: number } | { readonly seconds: number };

export interface HealthQuestion {
  readonly kind: HealthKind;
  readonly lag: LagLimit | null;
  /** What is compared with the limit: what was replayed (`apply`) or received (`write`). */
  readonly mode: 'apply' | 'write';
  /** With `streaming`, `in archive recovery`: only a standby in this state. */
  readonly replicationState: string | null;
}

export interface HealthAnswer {
  readonly ok: boolean;
  /** The node that it is about; of a question about the cluster the first one that meets it. */
  readonly node: string | null;
  /** Lower case, no full stop. */
  readonly why: string;
}

/** Standbys in these states let sessions in. `detached` is one of them: when the primary is gone, readers are still served. */
const READABLE: ReadonlySet<string> = new Set(['streaming', 'archive-recovery', 'catching-up', 'detached', 'paused']);

/** Patroni's names of the states that its `replication_state` parameter takes. */
export const REPLICATION_STATES: ReadonlyMap<string, string> = new Map([['streaming', 'streaming'], ['in archive recovery', 'archive-recovery']]);

/** Patroni's `maximum_lag_on_failover`: how far a standby may be behind that calls itself ready. */
export const READY_WITHIN: LagLimit = { bytes: 1_048_576 };

/** The answer about one node, by the rules of Patroni's REST API where it has one. Pure. Unknown lag never is within a limit. */
export function judgeNode(question: HealthQuestion, name: string, snapshot: Snapshot): HealthAnswer {
  const node = snapshot.document.nodes.find((one) => one.name === name);
  const problem = node === undefined ? `${name} was not looked at yet` : problemOf(question, node, snapshot);
  return { ok: problem === null, node: name, why: problem ?? `${name} is ${node?.role ?? 'unknown'}, ${node?.state ?? 'unknown'}` };
}

/** The answer about the cluster: is there a node that meets the question? Pure. */
export function judgeCluster(question: HealthQuestion, snapshot: Snapshot): HealthAnswer {
  const answers = snapshot.document.nodes.map(({ name }) => judgeNode(question, name, snapshot));
  const good = answers.find(({ ok }) => ok);
  return good ?? { ok: false, node: null, why: answers.map(({ why }) => why).join('; ') };
}

function problemOf(question: HealthQuestion, node: StatusNode, snapshot: Snapshot): string | null {
  switch (question.kind) {
    case 'primary':
      return notWriter(node, snapshot);
    case 'replica':
      return notReplica(question, node, snapshot);
    case 'read-only':
      return node.name === snapshot.writer ? null : notReplica(question, node, snapshot);
    case 'sync':
      return isSync(node) ? notReplica(question, node, snapshot) : `${node.name} is no synchronous standby`;
    case 'async':
      return isSync(node) ? `${node.name} is a synchronous standby` : notReplica(question, node, snapshot);
    case 'read-only-sync':
      if (node.name === snapshot.writer) return null;
      return isSync(node) ? notReplica(question, node, snapshot) : `${node.name} is neither the primary nor a synchronous standby`;
    case 'health':
      return node.state === 'running' || READABLE.has(node.state) ? null : `${node.name} is ${node.state}`;
    case 'readiness':
      if (node.name === snapshot.writer) return null;
      return node.state === 'streaming' ? notReplica(question, node, snapshot) : `${node.name} is ${node.state}, not streaming`;
    default:
      return question.kind satisfies never;
  }
}

function notWriter(node: StatusNode, { writer, noWriter }: Snapshot): string | null {
  if (node.name === writer) return null;
  if (node.role === 'primary' && node.state === 'running') return noWriter === '' ? `${node.name} was stated to be shut off (open fence)` : noWriter;
  return `${node.name} is ${node.role === 'unknown' ? '' : `a ${node.role}, `}${node.state}`;
}

function notReplica({ lag: limit, mode, replicationState }: HealthQuestion, node: StatusNode, { lags }: Snapshot): string | null {
  if (node.role !== 'standby') return `${node.name} is no standby`;
  if (!READABLE.has(node.state)) return `${node.name} is ${node.state}`;
  const wanted = replicationState === null ? undefined : (REPLICATION_STATES.get(replicationState) ?? replicationState);
  if (wanted !== undefined && node.state !== wanted) return `${node.name} is ${node.state}, not ${wanted}`;
  return limit === null ? null : tooFar(node.name, lags.get(node.name), limit, mode);
}

function tooFar(name: string, lag: Lag | undefined, limit: LagLimit, mode: HealthQuestion['mode']): string | null {
  const bytes = (mode === 'write' ? lag?.receivedBytes : lag?.replayedBytes) ?? null;
  if (bytes === null) return `how far ${name} is behind is not known`;
  if ('bytes' in limit) return bytes <= limit.bytes ? null : `${name} is ${renderBytes(bytes)} behind (limit ${renderBytes(limit.bytes)})`;
  // Without bytes to replay no clock counts.
  const seconds = bytes === 0 ? 0 : (lag?.seconds ?? null);
  if (seconds === null) return `by how much time ${name} is behind is not known`;
  return seconds <= limit.seconds ? null : `${name} is ${Number(seconds.toFixed(1))} s behind (limit ${limit.seconds} s)`;
}

function isSync({ sync }: StatusNode): boolean {
  return sync === 'sync' || sync === 'quorum';
}

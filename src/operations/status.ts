import type { RequiredParameters } from '../postgres/control-data.ts';
import { renderLsn } from '../postgres/lsn.ts';
import type { HistoryEntry } from '../postgres/timeline.ts';
import type { Topology } from '../topology/topology.ts';
import { seenTimeline, type NodeFacts } from './facts.ts';
import { archiveFindings } from './status-archive.ts';
import { connectionsOf, type Connections } from './connections.ts';
import { clusterFindings } from './status-cluster.ts';
import type { Memory, Pace } from './status-memory.ts';
import { findSlot, isAlone, lagOf, positionOf, roleOf, slotOf, stateOf, viewCluster, type StatusView, type NodeRole, type NodeState } from './status-links.ts';
import { nodeFindings } from './status-nodes.ts';
import { slotFindings } from './status-slots.ts';
import { standbyFindings } from './status-standbys.ts';
import { syncFindings } from './status-sync.ts';

export type Level = 'info' | 'warning' | 'critical';
export type Verdict = 'ok' | 'warning' | 'critical';

/** One thing that the operator should know. `info` does not change the verdict. */
export interface Finding {
  /** Stable, for scripts. */
  readonly id: string;
  readonly level: Level;
  readonly node: string | null;
  /** Lower case where it can be, no full stop. */
  readonly says: string;
  /** A sentence. */
  readonly hint: string | null;
  /** Commands to type. */
  readonly next: readonly string[];
}

/** Behind the primary that the chain of upstreams ends at, else behind the own upstream; of one standby alone, behind what it has received. */
export interface Lag {
  readonly receivedBytes: number | null;
  readonly replayedBytes: number | null;
  /** Only while there are bytes to replay: on an idle primary every clock says nonsense. */
  readonly seconds: number | null;
  /** Of a synchronous standby under load: how long it takes to have on its disk what was written. */
  readonly flushSeconds?: number;
  /** Of a standby that replays late on purpose: how late; what it has not replayed within that is no lag. */
  readonly delaySeconds?: number;
}

export interface StatusSlot {
  readonly name: string;
  readonly active: boolean;
  readonly walStatus: string | null;
  readonly retainedBytes: number | null;
  readonly safeBytes: number | null;
  /** Until it may be lost, as what it keeps has grown since an earlier look; `null`: it does not grow, has no limit, or there was no such look. */
  readonly secondsLeft?: number | null;
}

export interface StatusNode {
  readonly name: string;
  readonly role: NodeRole;
  readonly state: NodeState;
  /** `null`: not known, of a standby that only its upstream tells of. */
  readonly host: string | null;
  readonly port: number | null;
  readonly version: string | null;
  readonly timeline: number | null;
  readonly lsn: string | null;
  readonly upstream: string | null;
  readonly sync: string | null;
  readonly lag: Lag | null;
  readonly slot: StatusSlot | null;
}

/** What `pgrepl status --json` prints. */
export interface StatusDocument {
  readonly format: 1;
  /** `null` without a cluster file. */
  readonly cluster: string | null;
  readonly verdict: Verdict;
  readonly systemIdentifier: string | null;
  /** `null` when there is none, and when more than one node says that it is. */
  readonly primary: string | null;
  /** How fast the primary writes, since an earlier look; `null`: there was none that is of use. */
  readonly pace: { readonly seconds: number; readonly walBytesPerSecond: number } | null;
  /** Commits on the primary that wait for a synchronous standby at this moment; `null` without a primary. */
  readonly commitsWaiting: { readonly count: number; readonly longestSeconds: number | null } | null;
  /** Nodes that count as shut off by a statement alone. */
  readonly openFences: readonly string[];
  /** `null` without a cluster file. */
  readonly connections: Connections | null;
  /** In the order of the cluster file. */
  readonly nodes: readonly StatusNode[];
  /** The worst first. */
  readonly findings: readonly Finding[];
}

/** What a second question told; each is asked only where the facts raise it. */
export interface StatusExtras {
  /** Timeline history of the primary: tells whether a stopped node has diverged. */
  readonly history?: readonly HistoryEntry[] | undefined;
  /** By the name of a stopped standby, what its configuration gives the parameters that its WAL has demands on (hazard A01). */
  readonly ownRequired?: ReadonlyMap<string, Partial<RequiredParameters>> | undefined;
  /** Bytes of WAL that the primary writes in a second: turns bytes left into time left. */
  readonly walBytesPerSecond?: number | undefined;
  /** The same since an earlier look, with what is kept for each slot. */
  readonly pace?: Pace | null | undefined;
  /** What the last looks knew: of a primary that is gone, how far it was. */
  readonly memory?: Memory | null | undefined;
  /** Milliseconds since 1970, for how long ago that was. */
  readonly nowMs?: number | undefined;
}

/** Judges what was seen. Pure: the same facts give the same document. */
export function judgeStatus(topology: Topology, facts: readonly NodeFacts[], extras: StatusExtras = {}): StatusDocument {
  const view = viewCluster(topology, facts);
  const findings = [...clusterFindings(view, extras), ...nodeFindings(view, extras), ...standbyFindings(view), ...syncFindings(view), ...slotFindings(view, extras), ...archiveFindings(view)].sort((a, b) => rank(b.level) - rank(a.level));
  return {
    format: 1,
    cluster: topology.cluster,
    verdict: verdictOf(findings),
    systemIdentifier: view.systemIdentifier,
    primary: view.primary?.name ?? null,
    pace: extras.pace == null ? null : { seconds: extras.pace.seconds, walBytesPerSecond: extras.pace.walBytesPerSecond },
    commitsWaiting: view.primary?.server == null ? null : { count: view.primary.server.syncWaiters, longestSeconds: view.primary.server.longestSyncWaitSeconds },
    openFences: view.nodes.flatMap(({ name, spec }) => (spec.fenced === undefined ? [] : [name])),
    connections: isAlone(view) ? null : connectionsOf(topology.nodes, view.primary?.name ?? null),
    nodes: statusNodes(view, extras),
    findings,
  };
}

/** The exit code of `status`: 0, 7 or 8 by the verdict, 10 when not one node answered or was proved to be stopped. */
export function exitOfStatus(document: StatusDocument): number {
  const answered = document.nodes.some((node) => node.state !== 'unreachable' || document.findings.some(({ id, node: of }) => (id === 'node-closed' || id === 'node-full') && of === node.name));
  if (!answered) return 10;
  return { ok: 0, warning: 7, critical: 8 }[document.verdict];
}

/** The verdict that the findings come to. */
export function verdictOf(findings: readonly Finding[]): Verdict {
  if (findings.some(({ level }) => level === 'critical')) return 'critical';
  return findings.some(({ level }) => level === 'warning') ? 'warning' : 'ok';
}

function statusNodes(view: StatusView, extras: StatusExtras): readonly StatusNode[] {
  return view.nodes.map((node) => {
    const found = view.links.get(node.name);
    const link = found?.upstream === node ? undefined : found;
    const lsn = positionOf(node);
    return {
      name: node.name,
      role: roleOf(node, view),
      state: stateOf(node, view),
      host: node.spec.host,
      port: node.spec.port,
      version: (node.server ?? node.facts.glimpse)?.version ?? null,
      timeline: seenTimeline(node.facts),
      lsn: lsn === null ? null : renderLsn(lsn),
      upstream: link?.upstream?.name ?? null,
      sync: link?.sender?.syncState ?? null,
      lag: lagOf(node, view),
      slot: withTimeLeft(slotOf(node, view), findSlot(node, view)?.on.name === view.primary?.name ? (extras.pace ?? null) : null),
    };
  });
}

/** Time until the limit, where what is kept has grown since the earlier look. */
function withTimeLeft(slot: StatusSlot | null, pace: Pace | null): StatusSlot | null {
  if (slot === null) return null;
  const grows = pace === null ? 0 : (pace.keptPerSecond[slot.name] ?? (slot.active ? 0 : pace.walBytesPerSecond));
  return { ...slot, secondsLeft: slot.safeBytes === null || slot.walStatus === 'lost' || grows <= 0 ? null : Math.max(0, slot.safeBytes) / grows };
}

function rank(level: Level): number {
  return { info: 0, warning: 1, critical: 2 }[level];
}

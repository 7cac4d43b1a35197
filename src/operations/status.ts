import type { RequiredParameters } from '../postgres/control-data.ts';
import { renderLsn } from '../postgres/lsn.ts';
import type { HistoryEntry } from '../postgres/timeline.ts';
import type { Topology } from '../topology/topology.ts';
import { seenTimeline, type NodeFacts } from './facts.ts';
import { archiveFindings } from './status-archive.ts';
import { clusterFindings } from './status-cluster.ts';
import { lagOf, positionOf, roleOf, slotOf, stateOf, viewCluster, type StatusView, type NodeRole, type NodeState } from './status-links.ts';
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
}

/** Judges what was seen. Pure: the same facts give the same document. */
export function judgeStatus(topology: Topology, facts: readonly NodeFacts[], extras: StatusExtras = {}): StatusDocument {
  const view = viewCluster(topology, facts);
  const findings = [...clusterFindings(view), ...nodeFindings(view, extras), ...standbyFindings(view), ...syncFindings(view), ...slotFindings(view, extras), ...archiveFindings(view)].sort((a, b) => rank(b.level) - rank(a.level));
  return {
    format: 1,
    cluster: topology.cluster,
    verdict: verdictOf(findings),
    systemIdentifier: view.systemIdentifier,
    primary: view.primary?.name ?? null,
    nodes: statusNodes(view),
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

function statusNodes(view: StatusView): readonly StatusNode[] {
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
      slot: slotOf(node, view),
    };
  });
}

function rank(level: Level): number {
  return { info: 0, warning: 1, critical: 2 }[level];
}

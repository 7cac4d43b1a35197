import { LOCKED_MODE } from '../steps/staging.ts';
import { parseConninfo } from '../postgres/conninfo.ts';
import { bytesBetween, laterLsn, type Lsn } from '../postgres/lsn.ts';
import type { Sender, ServerFacts, Slot } from '../postgres/server-facts.ts';
import type { NodeSpec, Topology } from '../topology/topology.ts';
import type { NodeFacts } from './facts.ts';
import { settingSeconds } from './doctor/seconds.ts';
import type { Lag, StatusSlot } from './status.ts';

export type NodeRole = 'primary' | 'standby' | 'unknown';
export type NodeState = 'running' | 'streaming' | 'archive-recovery' | 'catching-up' | 'detached' | 'paused' | 'starting' | 'stopping' | 'stopped' | 'unreachable' | 'foreign';

/** One node: what is wanted of it and what was seen. */
export interface ViewedNode {
  readonly name: string;
  readonly spec: NodeSpec;
  readonly facts: NodeFacts;
  /** `null` unless it is up. */
  readonly server: ServerFacts | null;
  readonly systemIdentifier: string | null;
}

/** How a running standby hangs on another node. */
export interface Link {
  /** The node of the file that it streams from; `null`: none that we know. */
  readonly upstream: ViewedNode | null;
  /** Its row in the upstream's pg_stat_replication: the only proof that it is attached. */
  readonly sender: Sender | null;
  /** Its own receiver says that it streams from a server that could not be asked, or that is not in the file. */
  readonly claimed: boolean;
}

export interface StatusView {
  readonly topology: Topology;
  readonly nodes: readonly ViewedNode[];
  /** The identity of the cluster: what the primary says, else what most nodes say. */
  readonly systemIdentifier: string | null;
  /** Every node of this identity that accepts writes. */
  readonly primaries: readonly ViewedNode[];
  /** The only one of them. */
  readonly primary: ViewedNode | null;
  /** Of every running standby. */
  readonly links: ReadonlyMap<string, Link>;
}

/** Puts the facts together: identity, primaries, and who streams from whom. */
export function viewCluster(topology: Topology, facts: readonly NodeFacts[]): StatusView {
  const nodes = topology.nodes.flatMap((spec): ViewedNode[] => {
    const seen = facts.find(({ place }) => place.name === spec.name);
    if (seen === undefined) return [];
    return [{ name: spec.name, spec, facts: seen, server: seen.server, systemIdentifier: (seen.server ?? seen.glimpse ?? seen.control)?.systemIdentifier ?? null }];
  });
  const systemIdentifier = identityOf(nodes);
  const primaries = nodes.filter((node) => inRecovery(node) === false && node.systemIdentifier === systemIdentifier);
  const links = new Map(nodes.filter((node) => inRecovery(node) === true).map((node) => [node.name, linkOf(node, nodes)]));
  return { topology, nodes, systemIdentifier, primaries, primary: primaries.length === 1 ? (primaries[0] ?? null) : null, links };
}

/** One server that was looked at by itself: what its cluster looks like is not known, and nothing is found missing in it. */
export function isAlone({ topology }: StatusView): boolean {
  return !topology.exists;
}

/** What a running server says of itself, also one that is full; `null`: nothing. */
export function inRecovery({ server, facts }: ViewedNode): boolean | null {
  return (server ?? facts.glimpse)?.inRecovery ?? null;
}

/** What most of the nodes say; among equals a running primary decides, then the order of the file. */
function identityOf(nodes: readonly ViewedNode[]): string | null {
  const votes = new Map<string, number>();
  for (const node of nodes) {
    const { systemIdentifier } = node;
    if (systemIdentifier !== null) votes.set(systemIdentifier, (votes.get(systemIdentifier) ?? 0) + (inRecovery(node) === false ? 1.5 : 1));
  }
  const best = Math.max(...votes.values());
  return [...votes].find(([, count]) => count === best)?.[0] ?? null;
}

function linkOf(node: ViewedNode, nodes: readonly ViewedNode[]): Link {
  const claimed = claimedUpstream(node, nodes);
  const rows = nodes.flatMap((upstream) => sendersFor(node, upstream).map((sender) => ({ upstream, sender })));
  // A walsender can outlive its standby's move to another server: the one that the receiver names wins, and oneself comes last.
  const score = (row: (typeof rows)[number]): number => (row.upstream === claimed ? 4 : 0) + (row.upstream === node ? 0 : 2) + (row.sender.state === 'streaming' ? 1 : 0);
  const best = [...rows].sort((a, b) => score(b) - score(a))[0];
  if (best !== undefined) return { upstream: best.upstream, sender: best.sender, claimed: false };
  // Without the right to see more there is only the process; `no-permission` says so.
  const receiving = node.server?.seesAll === false ? node.server.receiver !== null : node.server?.receiver?.status === 'streaming';
  // An upstream that answered and does not list it has the last word, and from one that is proved to be stopped nobody streams:
  // pg_stat_wal_receiver may be stale for a moment, and of a receiver that hangs for good.
  if (!receiving || (claimed !== null && (claimed.server !== null || claimed.facts.state === 'down'))) return { upstream: null, sender: null, claimed: false };
  return { upstream: claimed, sender: null, claimed: true };
}

/** Rows of `upstream` that are this node: by its slot, which only one connection can hold, or by its name. */
export function sendersFor(node: ViewedNode, upstream: ViewedNode): readonly Sender[] {
  if (upstream.server === null || upstream.systemIdentifier !== node.systemIdentifier) return [];
  const pids = upstream.server.slots.filter(({ name, type }) => type === 'physical' && name === slotName(node)).map(({ activePid }) => activePid);
  return upstream.server.senders.filter((sender) => sender.applicationName === node.name || pids.includes(sender.pid));
}

/** The node whose address this one's receiver, or else its primary_conninfo, names. */
export function claimedUpstream(node: ViewedNode, nodes: readonly ViewedNode[]): ViewedNode | null {
  const at = upstreamAddress(node);
  if (at === null) return null;
  const matches = nodes.filter(({ spec }) => spec.port === at.port && (spec.host === at.host || (at.host.startsWith('/') && spec.via === node.spec.via)));
  return matches.find((match) => match !== node) ?? matches[0] ?? null;
}

/** Host and port that a standby receives from, or would. */
export function upstreamAddress(node: ViewedNode): { readonly host: string; readonly port: number } | null {
  const receiver = node.server?.receiver ?? null;
  if (receiver !== null && receiver.senderHost !== null && receiver.senderPort !== null) return { host: receiver.senderHost, port: receiver.senderPort };
  const { hostaddr, host = hostaddr, port = '5432' } = conninfoOf(node);
  return host === undefined ? null : { host: hostaddr ?? host, port: Number(port) };
}

/** Keywords of primary_conninfo; none of a text that only libpq can read. */
function conninfoOf(node: ViewedNode): Readonly<Record<string, string>> {
  try {
    return parseConninfo(node.server?.settings['primary_conninfo']?.value ?? '');
  } catch {
    return {};
  }
}

/** True when a password is written into primary_conninfo (it arrives here masked). */
export function hasPassword(node: ViewedNode): boolean {
  const text = node.server?.settings['primary_conninfo']?.value ?? '';
  return conninfoOf(node)['password'] !== undefined || /^postgres(?:ql)?:\/\/[^@/]*:[^@/]*@/i.test(text) || /[?&]password=/i.test(text);
}

/** The slot that a standby uses, or has as its own: named like the node. */
export function slotName(node: ViewedNode): string {
  const configured = node.server?.settings['primary_slot_name']?.value ?? '';
  return node.server?.receiver?.slotName ?? (configured === '' ? node.name : configured);
}

/** The node that the file wants this one to stream from; `null` while there is no one primary. */
export function wantedUpstream(node: ViewedNode, view: StatusView): ViewedNode | null {
  const named = node.spec.upstream === undefined ? null : (view.nodes.find(({ name }) => name === node.spec.upstream) ?? null);
  const wanted = named ?? view.primary;
  return wanted === node ? null : wanted;
}

/** The primary at the end of the chain of upstreams; `null` when the chain ends elsewhere or goes round. */
export function rootOf(node: ViewedNode, view: StatusView): ViewedNode | null {
  const visited = new Set<string>();
  let at: ViewedNode | null = node;
  while (at !== null && !visited.has(at.name)) {
    if (view.primaries.includes(at)) return at;
    visited.add(at.name);
    at = view.links.get(at.name)?.upstream ?? null;
  }
  return null;
}

export function isForeign(node: ViewedNode, view: StatusView): boolean {
  return node.systemIdentifier !== null && node.systemIdentifier !== view.systemIdentifier;
}

/** The role that was observed. A server that does not answer has one only where its files leave no doubt. */
export function roleOf(node: ViewedNode, view: StatusView): NodeRole {
  const recovery = inRecovery(node);
  if (recovery !== null) return recovery ? 'standby' : 'primary';
  const { control, hasSignal } = node.facts;
  if (hasSignal || control?.state === 'shut down in recovery' || control?.state === 'in archive recovery') return 'standby';
  // Where another node is the primary, or it was locked by a failover, a stopped one that once was is none any more.
  return control !== null && view.primaries.length === 0 && node.facts.directoryMode !== LOCKED_MODE ? 'primary' : 'unknown';
}

export function stateOf(node: ViewedNode, view: StatusView): NodeState {
  if (isForeign(node, view)) return 'foreign';
  switch (node.facts.state) {
    case 'up':
      return node.server?.inRecovery === true ? standbyState(node, view) : 'running';
    case 'down':
      return 'stopped';
    case 'starting':
    case 'stopping':
      return node.facts.state;
    case 'closed':
      if (inRecovery(node) === false) return 'running';
      // A full standby is where its upstream lists it; itself it tells nothing of that.
      return view.links.get(node.name)?.sender?.state === 'streaming' ? 'streaming' : 'unreachable';
    case 'silent':
    case 'unknown':
      return 'unreachable';
  }
}

function standbyState(node: ViewedNode, view: StatusView): NodeState {
  const link = view.links.get(node.name);
  const attached = link !== undefined && link.upstream !== node && (link.sender !== null || link.claimed);
  if (!attached) return (node.server?.settings['restore_command']?.value ?? '') === '' ? 'detached' : 'archive-recovery';
  if (isPaused(node)) return 'paused';
  return link.sender === null || link.sender.state === 'streaming' ? 'streaming' : 'catching-up';
}

export function isPaused(node: ViewedNode): boolean {
  return (node.server?.replayPause ?? 'not paused') !== 'not paused';
}

/** How far a node is: what a primary has written, what a standby has. After a restart the received position is behind the replayed one. */
export function positionOf(node: ViewedNode): Lsn | null {
  const { server } = node;
  if (server === null) return node.facts.glimpse?.lsn ?? null;
  return server.inRecovery ? laterLsn(server.receivedLsn, server.replayedLsn) : server.currentLsn;
}

/** How far a running standby is behind; `null` where positions cannot be compared. */
export function lagOf(node: ViewedNode, view: StatusView): Lag | null {
  const { server } = node;
  const link = view.links.get(node.name);
  if (server === null || link === undefined || isForeign(node, view)) return null;
  const root = rootOf(node, view);
  const behind = root ?? view.primary ?? link.upstream;
  // Positions of two timelines cannot be subtracted, unless the stream itself shows that one goes on in the other.
  const theirs = behind === null ? null : (behind.server ?? behind.facts.glimpse);
  if (root === null && theirs !== null && theirs.timeline !== server.timeline) return null;
  const end = behind === null || behind === node ? null : positionOf(behind);
  // The two servers were asked one after the other: what the upstream knew of it may be newer, and it may be ahead by now.
  const behindBy = (own: Lsn | null, told: Lsn | null): number | null => {
    const at = laterLsn(own, told);
    return end === null || at === null ? null : Math.max(0, bytesBetween(at, end));
  };
  const replayedBytes = behindBy(server.replayedLsn, link.sender?.replayLsn ?? null);
  return {
    receivedBytes: behindBy(positionOf(node), link.sender?.flushLsn ?? null),
    replayedBytes,
    seconds: replayedBytes === null || replayedBytes === 0 ? null : secondsOf(server, link.sender),
    ...flushOf(link.sender),
    ...delayOf(server),
  };
}

function delayOf({ settings }: ServerFacts): Pick<Lag, 'delaySeconds'> {
  const seconds = settingSeconds(settings['recovery_min_apply_delay']);
  return seconds === 0 ? {} : { delaySeconds: seconds };
}

function flushOf(sender: Sender | null): Pick<Lag, 'flushSeconds'> {
  return sender === null || sender.syncState === 'async' || sender.flushLagSeconds === null ? {} : { flushSeconds: sender.flushLagSeconds };
}

function secondsOf(server: ServerFacts, sender: Sender | null): number | null {
  const measured = sender?.replayLagSeconds ?? null;
  const moves = sender?.state === 'streaming' && server.replayPause === 'not paused';
  // The age of the last replayed commit is the lag only where replay stands still: on a quiet primary the last commit is simply old.
  const seconds = moves ? measured : (server.replayAgeSeconds ?? measured);
  return seconds === null ? null : Math.max(0, seconds);
}

/** The slot of a node, on its upstream or where it should have one. */
export function slotOf(node: ViewedNode, view: StatusView): StatusSlot | null {
  if (view.primaries.includes(node)) return null;
  const found = findSlot(node, view)?.slot;
  if (found === undefined) return null;
  // The slot may have moved past the position that the same query saw a moment before.
  const retainedBytes = found.retainedBytes === null ? null : Math.max(0, found.retainedBytes);
  return { name: found.name, active: found.active, walStatus: found.walStatus, retainedBytes, safeBytes: found.safeBytes };
}

/** The slot of a node and the server that has it. */
export function findSlot(node: ViewedNode, view: StatusView): { readonly slot: Slot; readonly on: ViewedNode } | null {
  const name = slotName(node);
  for (const on of [view.links.get(node.name)?.upstream, wantedUpstream(node, view), view.primary]) {
    const slot = on?.server?.slots.find((candidate) => candidate.name === name && candidate.type === 'physical');
    if (on !== null && on !== undefined && slot !== undefined) return { slot, on };
  }
  return null;
}

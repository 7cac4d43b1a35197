import { asPgreplError, type PgreplError } from '../errors.ts';
import { bytesBetween, renderLsn } from '../postgres/lsn.ts';
import { parseNodeName, parseRoleName, type NodeName } from '../postgres/names.ts';
import type { Glimpse, Sender, ServerFacts } from '../postgres/server-facts.ts';
import type { NodeSpec, Topology } from '../topology/topology.ts';
import type { NodeFacts } from './facts.ts';
import { judgeState, type Answer } from './observe.ts';
import { judgeStatus, type Lag, type StatusDocument, type StatusNode } from './status.ts';
import { upstreamAddress, viewCluster } from './status-links.ts';
import { unknownSenders } from './status-standbys.ts';

/** Where the one server is that is looked at without a cluster file. */
export interface ServerPlace {
  readonly host: string;
  readonly port: number;
}

export interface ServerLookOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface AskServer {
  facts(): Promise<ServerFacts>;
  /** Asked where all connections are used. */
  glimpse(): Promise<Glimpse>;
}

/**
 * The status of one server by what itself tells over SQL: its role, who streams from it, and what is wrong. Of its machine and of the rest
 * of its cluster nothing is known. Throws what refused the login; a server that gives no answer is an answer.
 */
export async function lookAtServer(place: ServerPlace, ask: AskServer, options: ServerLookOptions): Promise<StatusDocument> {
  return judgeServer(place, await answerOf(ask, options), options.timeoutMs);
}

/** Judges the answer of one server. Pure. */
export function judgeServer(place: ServerPlace, answer: Answer, timeoutMs: number): StatusDocument {
  const server = answer !== null && 'server' in answer ? answer.server : null;
  const name = nameOf(server);
  const spec: NodeSpec = { name, host: place.host, port: place.port, pgdata: '', via: 'local' };
  const topology: Topology = { file: '', exists: false, cluster: '', replicationUser: parseRoleName('replicator'), sync: 'off', nodes: [spec] };
  const facts = factsOf(spec, answer, timeoutMs);
  const document = judgeStatus(topology, [facts]);
  const view = viewCluster(topology, [facts]);
  const [node] = view.nodes;
  const standbys = node === undefined || server === null ? [] : standbysOf(name, server, unknownSenders(node, view));
  const at = node === undefined ? null : upstreamAddress(node);
  return {
    ...document,
    cluster: null,
    nodes: [...document.nodes.map((one) => (server?.inRecovery === true ? { ...one, upstream: one.state === 'detached' || at === null ? null : `${at.host}:${at.port}`, lag: lagAlone(server) } : one)), ...standbys],
    // Commands about nodes need a cluster file.
    findings: document.findings.map((finding) => ({ ...finding, next: [] })),
  };
}

async function answerOf(ask: AskServer, { timeoutMs, signal }: ServerLookOptions): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    const end = (): void => {
      resolve(null);
    };
    timer = setTimeout(end, timeoutMs);
    signal.addEventListener('abort', end, { once: true });
  });
  const failed = async (error: PgreplError): Promise<Answer> => ({ error, glimpse: error.code === 'too-many-clients' ? await ask.glimpse().catch(() => null) : null });
  const asked = ask.facts().then((server): Answer => ({ server }), async (thrown: unknown) => await failed(asPgreplError(thrown)));
  const answer = await Promise.race([asked, late]);
  clearTimeout(timer);
  // Neither is a state of the server: the one is about the caller's words, the other about pgrepl.
  if (answer !== null && 'error' in answer && ['refused', 'usage', 'bug', 'interrupted'].includes(answer.error.kind)) throw answer.error;
  return answer;
}

/** pgrepl's own standbys carry their name; any other server is called `server`. */
function nameOf(server: ServerFacts | null): NodeName {
  try {
    return parseNodeName(server?.settings['cluster_name']?.value ?? '');
  } catch {
    return parseNodeName('server');
  }
}

function factsOf(spec: NodeSpec, answer: Answer, timeoutMs: number): NodeFacts {
  const { name, host, port, pgdata, via } = spec;
  const server = answer !== null && 'server' in answer ? answer.server : null;
  const error = answer !== null && 'error' in answer ? answer.error : null;
  return {
    place: { name, cluster: '', host, port, pgdata, via, osUser: '', adminUser: '', passfile: '', replicationUser: parseRoleName('replicator') },
    directory: null, directoryMode: null, owner: null, control: null, processes: null, hasSignal: false, staging: null, emptyHolder: null,
    state: judgeState(answer, { directory: null, processes: null, pidFile: null, trouble: null }),
    server,
    glimpse: answer !== null && 'error' in answer ? (answer.glimpse ?? null) : null,
    clock: null,
    // SQLSTATE 57P03 is one for three states; from afar only the server's own words tell them apart.
    trouble: error === null ? (server === null ? `no answer within ${Number((timeoutMs / 1_000).toFixed(1))} s` : null) : error.details[0] === '57P03' ? (error.details[1] ?? error.message) : error.message,
  };
}

/** How far replay is behind what the standby has received; how far that is behind its upstream, only the upstream knows. */
function lagAlone(server: ServerFacts): Lag {
  const { receivedLsn, replayedLsn, replayAgeSeconds } = server;
  const replayedBytes = receivedLsn === null || replayedLsn === null ? null : Math.max(0, bytesBetween(replayedLsn, receivedLsn));
  return { receivedBytes: null, replayedBytes, seconds: replayedBytes === null || replayedBytes === 0 || replayAgeSeconds === null ? null : Math.max(0, replayAgeSeconds) };
}

/** Standbys as their upstream lists them; two of one name are told apart by their process. */
function standbysOf(upstream: NodeName, server: ServerFacts, senders: readonly Sender[]): readonly StatusNode[] {
  const end = server.inRecovery ? server.receivedLsn : server.currentLsn;
  const behind = (at: Sender['flushLsn']): number | null => (end === null || at === null ? null : Math.max(0, bytesBetween(at, end)));
  return senders.map((sender): StatusNode => {
    const taken = sender.applicationName === upstream || senders.some((other) => other !== sender && other.applicationName === sender.applicationName);
    const slot = server.slots.find(({ activePid }) => activePid === sender.pid);
    const replayedBytes = behind(sender.replayLsn);
    return {
      name: taken || sender.applicationName === '' ? `${sender.applicationName}#${sender.pid}` : sender.applicationName,
      role: 'standby',
      // Unknown to a role without rights: a row is there, and `no-permission` says that it is all that was seen.
      state: sender.state === 'streaming' || sender.state === 'unknown' ? 'streaming' : 'catching-up',
      host: sender.clientAddress,
      port: null,
      version: null,
      timeline: null,
      lsn: sender.flushLsn === null ? null : renderLsn(sender.flushLsn),
      upstream,
      sync: sender.syncState,
      lag: { receivedBytes: behind(sender.flushLsn), replayedBytes, seconds: replayedBytes === 0 ? null : sender.replayLagSeconds },
      slot: slot === undefined ? null : { name: slot.name, active: slot.active, walStatus: slot.walStatus, retainedBytes: slot.retainedBytes === null ? null : Math.max(0, slot.retainedBytes), safeBytes: slot.safeBytes },
    };
  });
}

import { asPgreplError, PgreplError } from '../errors.ts';
import type { Host, LiveProcess } from '../host/host.ts';
import { parsePidFile, type PidFile } from '../postgres/pid-file.ts';
import { isServerProcess } from '../postgres/server-process.ts';
import type { Glimpse, ServerFacts } from '../postgres/server-facts.ts';
import { besideHolder, insideHolder, isUnclaimed, readMarker } from '../steps/staging.ts';
import type { NodeWorld, World } from '../steps/world.ts';
import type { Advice, DirectoryState, NodeFacts, ServerState } from './facts.ts';
import { pause } from '../host/pause.ts';

export interface ObserveOptions {
  /** For everything that is asked of one node; what did not come by then stays unknown. */
  readonly timeoutMs: number;
  /** `status`: files and processes are looked at only where the server does not answer. `change`: always. */
  readonly depth: 'status' | 'change';
  readonly signal: AbortSignal;
}

/** What the machine tells about a node, without its server. Filled piece by piece; what is not there yet is `null`. */
export interface Evidence {
  readonly directory: DirectoryState | null;
  readonly processes: readonly LiveProcess[] | null;
  readonly pidFile: PidFile | null;
  /** Why a piece is missing: the machine could not be asked. */
  readonly trouble: string | null;
  readonly advice?: Advice | undefined;
}

/** How the server answered: its facts, or the failure and what could be seen all the same; `null` while there is no answer. */
export type Answer = { readonly server: ServerFacts; readonly clock?: NodeFacts['clock'] } | { readonly error: PgreplError; readonly glimpse?: Glimpse | null } | null;

type Seen = { -readonly [K in keyof (Evidence & Pick<NodeFacts, 'directoryMode' | 'owner' | 'control' | 'hasSignal' | 'staging' | 'emptyHolder'>)]: (Evidence & NodeFacts)[K] };

/** A server that has not answered by this part of the deadline is also looked at from outside, so that both are done by its end. */
const PATIENCE = 1 / 2;

/**
 * Looks at one node; changes nothing. With depth `status`, of a node that is up only the server is asked: control data, mode, owner, signal
 * file and staging are then not seen. A sick node is an answer, never an exception: `state` says how it is and `trouble` why. Throws only
 * `interrupted`, when the signal fires.
 */
export async function observeNode(world: NodeWorld, options: ObserveOptions): Promise<NodeFacts> {
  const seen: Seen = { directory: null, directoryMode: null, owner: null, control: null, processes: null, hasSignal: false, staging: null, emptyHolder: null, pidFile: null, trouble: null };
  const end = deadline(options);
  const got: { answer: Answer } = { answer: null };
  let outside: Promise<void> | undefined;
  const lookOutside = async (): Promise<void> => {
    outside ??= gather(world, seen);
    await outside;
  };
  try {
    const asked = ask(world).then((answer) => {
      got.answer = answer;
    });
    const done = Promise.race([asked, end.expired]);
    const both = async (): Promise<unknown> => await Promise.race([Promise.all([lookOutside(), done]), end.expired]);
    if (options.depth === 'change') await both();
    else await Promise.race([done, pause(options.timeoutMs * PATIENCE, end.over)]);
    // A server that answers after all, over a slow link, says everything that a status needs: nobody waits for the rest.
    if (options.depth === 'status' && !isUp(got.answer)) await Promise.race([both(), asked.then(async () => (isUp(got.answer) ? undefined : await end.expired))]);
  } finally {
    end.clear();
  }
  if (options.signal.aborted) throw interrupted();
  // The session that was asked is still waiting for its answer; the next look must not stand in its queue.
  if (got.answer === null) void world.forget().catch(ignore);
  return factsOf(world, got.answer, seen, options);
}

/** Looks at these nodes side by side, each with its own deadline; in the order of `names`. */
export async function observeNodes(world: World, names: readonly string[], options: ObserveOptions): Promise<readonly NodeFacts[]> {
  return await Promise.all(names.map(async (name) => await observeNode(world.node(name), options)));
}

/**
 * The state of a node whose server did not let us in, by what it said (or did not) and what its machine shows. `down` is said only when the
 * directory is there and no process of a server lives in it: a refused or silent port proves nothing.
 */
export function judgeState(answer: Answer, evidence: Evidence): ServerState {
  if (answer !== null && 'server' in answer) return 'up';
  const code = answer?.error.code ?? 'server-silent';
  const status = evidence.pidFile?.status ?? null;
  switch (code) {
    case 'another-server':
      return 'unknown';
    case 'server-starting':
      return 'starting';
    case 'server-stopping':
      return 'stopping';
    case 'login-refused':
    case 'too-many-clients':
    case 'database-missing':
    case 'sql-failed':
      return 'closed';
    case 'server-not-accepting':
      // SQLSTATE 57P03 alone is the same in all of these; hot_standby=off stays closed for good.
      return status === 'stopping' || status === 'starting' ? status : 'closed';
  }
  if (evidence.processes === null || evidence.directory === null) return 'unknown';
  if (evidence.processes.length === 0) return evidence.directory === 'data' ? 'down' : 'unknown';
  // A postmaster that starts or stops still answers every connection with 57P03: one that says nothing at all hangs.
  if (code === 'server-silent' || code === 'sql-timeout') return 'silent';
  return status === 'starting' || status === 'stopping' ? status : 'silent';
}

function isUp(answer: Answer): boolean {
  return answer !== null && 'server' in answer;
}

/** The facts of the server that was reached, after a proof that it is the one meant. Never rejects. */
async function ask(world: NodeWorld): Promise<Answer> {
  try {
    const session = await world.server();
    const start = performance.now();
    const server = await session.facts();
    const clock = clockOf(server, performance.now() - start);
    // A role that may not see the directory is believed for a look: the address came out of that directory, and every change proves it first.
    return !server.seesAll || (await sameDirectory(world.host, server.dataDirectory, world.place.pgdata)) ? { server, clock } : { error: anotherServer(world, server.dataDirectory) };
  } catch (thrown) {
    const error = asPgreplError(thrown);
    return error.code === 'too-many-clients' ? await askFull(world, error) : { error };
  }
}

/** It read its clock somewhere between the question and the answer. */
function clockOf({ now }: ServerFacts, tookMs: number): NonNullable<NodeFacts['clock']> {
  const half = tookMs / 2_000;
  return { aheadSeconds: now - (Date.now() / 1_000 - half), withinSeconds: half };
}

/** A full server is asked for its role, timeline and position in a replication connection (hazard G14). Never rejects. */
async function askFull(world: NodeWorld, error: PgreplError): Promise<Answer> {
  try {
    const glimpse = await world.glimpse();
    return (await sameDirectory(world.host, glimpse.dataDirectory, world.place.pgdata)) ? { error, glimpse } : { error: anotherServer(world, glimpse.dataDirectory) };
  } catch {
    // Nothing more is known than that it is full.
    return { error };
  }
}

function anotherServer({ place }: NodeWorld, seen: string): PgreplError {
  return new PgreplError('refused', 'another-server', `another server answers at this port: its data directory is ${seen}, not ${place.pgdata}`, { node: place.name });
}

async function sameDirectory(host: Host, seen: string, meant: string): Promise<boolean> {
  // The names nearly always agree, and on a far machine the question is a round trip.
  if (seen === meant) return true;
  const [a, b] = await Promise.all([host.realPath(seen), host.realPath(meant)]);
  return a === b;
}

/** Reads everything about the node that needs no server into `seen`, side by side. Never rejects. */
async function gather(world: NodeWorld, seen: Seen): Promise<void> {
  const { host, place } = world;
  const piece = async (work: Promise<void>): Promise<void> => {
    await work.catch((thrown: unknown) => {
      const { message, hint, next } = asPgreplError(thrown);
      if (seen.trouble === null) [seen.trouble, seen.advice] = [message, { hint, next }];
    });
  };
  await Promise.all([
    piece(readDirectory(world, seen)),
    // A working directory has no symlinks in its name.
    piece(host.realPath(place.pgdata).then(async (real) => await host.processesIn(real)).then((processes) => void (seen.processes = processes.filter(isServerProcess)))),
    piece(host.readText(`${place.pgdata}/postmaster.pid`).then((text) => void (seen.pidFile = text === null ? null : parsePidFile(text)))),
    piece(readStaging(host, place.pgdata, seen)),
  ]);
}

async function readDirectory(world: NodeWorld, seen: Seen): Promise<void> {
  const { host, place } = world;
  const first = await host.stat(place.pgdata);
  const stat = first?.kind === 'symlink' ? await host.stat(await host.realPath(place.pgdata)) : first;
  if (stat === null) {
    seen.directory = 'missing';
    return;
  }
  seen.directoryMode = stat.mode;
  seen.owner = stat.owner;
  const entries = stat.kind === 'directory' ? await host.list(place.pgdata) : null;
  seen.directory = directoryState(entries);
  if (entries === null || seen.directory !== 'data') return;
  seen.hasSignal = entries.includes('standby.signal') || entries.includes('recovery.signal');
  seen.control = await (await world.programs()).controlData(place.pgdata);
}

/** What the names in a directory make it; `null`: it has no names, because it is no directory. */
export function directoryState(entries: readonly string[] | null): DirectoryState {
  if (entries === null) return 'foreign';
  if (entries.includes('PG_VERSION')) return 'data';
  // Our own staging may lie inside a mount point. lost+found counts: the server refuses a data directory that has it.
  return entries.every((name) => name === '.pgrepl-staging') ? 'empty' : 'foreign';
}

async function readStaging(host: Host, pgdata: string, seen: Seen): Promise<void> {
  for (const holder of [besideHolder(pgdata), insideHolder(pgdata)]) {
    const marker = await readMarker(host, holder);
    if (marker !== null) seen.staging ??= { holder, marker };
    else if (isUnclaimed((await host.list(holder)) ?? [''])) seen.emptyHolder ??= holder;
  }
}

function factsOf(world: NodeWorld, answer: Answer, seen: Seen, options: ObserveOptions): NodeFacts {
  const { pidFile: _, trouble: outside, advice, ...rest } = seen;
  if (answer !== null && 'server' in answer) {
    return { place: world.place, ...rest, directory: rest.directory ?? 'data', state: 'up', server: answer.server, glimpse: null, clock: answer.clock ?? null, trouble: null };
  }
  const said = answer?.error.message ?? `no answer within ${Number((options.timeoutMs / 1_000).toFixed(1))} s`;
  const state = judgeState(answer, seen);
  const missing = seen.directory === 'missing' ? `there is no data directory ${world.place.pgdata}` : seen.directory === 'empty' ? `the data directory ${world.place.pgdata} is empty` : null;
  const trouble = state === 'unknown' ? (answer?.error.code === 'another-server' ? said : (outside ?? missing ?? said)) : said;
  return { place: world.place, ...rest, state, server: null, glimpse: answer?.glimpse ?? null, clock: null, trouble, ...(advice !== undefined && trouble === outside ? { advice } : {}) };
}

interface Deadline {
  /** Resolves at the deadline; rejects with `interrupted` when the signal fires. */
  readonly expired: Promise<void>;
  /** Fires at the end of the observation, however it ends. */
  readonly over: AbortSignal;
  clear(): void;
}

function deadline(options: ObserveOptions): Deadline {
  const { signal, timeoutMs } = options;
  const over = new AbortController();
  let stop = ignore;
  const expired = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, timeoutMs);
    const interrupt = (): void => {
      reject(interrupted());
    };
    if (signal.aborted) interrupt();
    signal.addEventListener('abort', interrupt, { once: true });
    stop = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', interrupt);
    };
  });
  expired.catch(ignore);
  return {
    expired,
    over: over.signal,
    clear: () => {
      stop();
      over.abort();
    },
  };
}

function interrupted(): PgreplError {
  return new PgreplError('interrupted', 'interrupted', 'interrupted');
}

function ignore(): void {
  // Nobody waits for it any more.
}

import type { Duplex } from 'node:stream';
import { PgreplError, usageError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { readOnly as onlyReads } from '../host/read-only.ts';
import { traced } from '../host/traced.ts';
import type { Ways } from '../host/ways.ts';
import { waitFor } from '../plan/wait.ts';
import type { FoundPrograms } from '../postgres/layout.ts';
import type { Server } from '../postgres/server.ts';
import type { Service } from '../postgres/service.ts';
import type { PoolerAddress } from '../postgres/pooler.ts';
import { replicationIdentify } from '../postgres/replication-session.ts';
import { openSession, type Session } from '../postgres/session.ts';
import { openServer } from '../postgres/sql-server.ts';
import type { SslWords } from '../postgres/tls-files.ts';
import type { Secret } from '../secret.ts';
import { deferredHost } from './live-host.ts';
import { glimpseLive, openLiveSession, type LiveLogin } from './live-server.ts';
import type { NodePlace, NodeWorld, World } from './world.ts';

export interface WorldOptions {
  /** To the machines; closed with the world. */
  readonly ways: Ways;
  readonly places: readonly NodePlace[];
  /** `--bin-dir` by node name; the others are looked for. */
  readonly binDirs: Readonly<Record<string, string | undefined>>;
  readonly run: string;
  readonly signal: AbortSignal;
  readonly givenPassword: Secret | null;
  /** Dry runs and queries: the hosts refuse every command that changes something. */
  readonly readOnly: boolean;
  /** The superuser's password on this node, for servers that do not let their owner in without one. */
  readonly adminPassword: (place: NodePlace) => Promise<Secret | null>;
  /** For the admin console of a PgBouncer. */
  readonly poolerPassword?: ((at: PoolerAddress) => Promise<Secret | null>) | undefined;
  /** Hears every command line of a node as it is run; without it nobody listens. */
  readonly trace?: ((node: string, words: readonly string[]) => void) | undefined;
  /** Hears what is waited for before there is a plan. */
  readonly say?: ((line: string) => void) | undefined;
  readonly lastSeen?: World['lastSeen'];
}

/** How long a login may take that shows a way. */
const PROOF_MS = 10_000;

/** What is kept of a node between two calls, whoever makes them: undo goes on with what the run has opened. */
interface Kept {
  readonly place: NodePlace;
  readonly host: Host;
  /** With the rights of whoever pgrepl comes as. */
  readonly login: Host;
  found: Promise<FoundPrograms> | null;
  service: Promise<Service> | null;
  session: Promise<Session> | null;
  /** The server of that session, for each signal that it is used with. */
  readonly servers: Map<AbortSignal, { readonly session: Session; readonly server: Server }>;
}

/** A real world that can be closed, and looked at without being able to change it: over the same sessions, which a plan would open again. */
export type LiveWorld = World & { readOnly(): World; close(): Promise<void> };

/** The real world: every node on its host. `close` ends the sessions and the hosts; close it before the program ends. */
export function createWorld(options: WorldOptions): LiveWorld {
  const hosts = new Map<string, Host>();
  // Nodes on one machine share one way to it, whoever they act as there.
  const machineAt = (via: string): Host => {
    const machine = hosts.get(via) ?? deferredHost(via, '', async () => await options.ways.to(via));
    hosts.set(via, machine);
    return machine;
  };
  const kept = new Map<string, Kept>();
  const keptOf = (name: string): Kept => {
    const known = kept.get(name);
    if (known) return known;
    const place = options.places.find((one) => one.name === name);
    if (place === undefined) throw usageError('node-unknown', `there is no node ${name}`, { hint: `The cluster file names ${options.places.map((one) => one.name).join(', ')}.` });
    const { trace } = options;
    const machine = machineAt(place.via);
    const host = machine.as(place.osUser);
    // Into a container everybody comes as whom he likes.
    const login = /^docker:|\/docker\//.test(place.via) ? machine.as('root') : machine;
    const listened = (one: Host): Host => (trace === undefined ? one : traced(one, (words) => { trace(place.name, words); }));
    const fresh: Kept = { place, host: listened(host), login: listened(login), found: null, service: null, session: null, servers: new Map() };
    kept.set(name, fresh);
    return fresh;
  };

  // Nodes of one owner on one machine have the same programs.
  const searches = new Map<string, Promise<FoundPrograms>>();
  const worldWith = (signal: AbortSignal, readOnly: boolean): World => ({
    signal,
    run: options.run,
    say: options.say,
    lastSeen: options.lastSeen,
    get givenPassword() {
      return options.givenPassword;
    },
    machine: async (via) => {
      const machine = await options.ways.to(via);
      return readOnly ? onlyReads(machine) : machine;
    },
    pooler: async (at) => {
      const { openLivePooler } = await import('./live-pooler.ts');
      return await openLivePooler(at, { readOnly, signal, password: async () => (await options.poolerPassword?.(at)) ?? null });
    },
    node: (name) => nodeWorld(keptOf(name), { ...options, readOnly }, signal, searches),
    withSignal: (other) => worldWith(other, readOnly),
    waitFor: async (what, probe, limits) => await waitFor(what, probe, { ...limits, signal }),
  });

  // Not spread, which would read once and for all what is known only later.
  return Object.assign(worldWith(options.signal, options.readOnly), {
    readOnly: () => worldWith(options.signal, true),
    close: async () => {
      options.ways.abandon();
      await Promise.all([...kept.values()].map(forget));
      await options.ways.close();
    },
  });
}

function nodeWorld(kept: Kept, options: WorldOptions, signal: AbortSignal, searches: Map<string, Promise<FoundPrograms>>): NodeWorld {
  const { place } = kept;
  const [host, login] = options.readOnly ? [onlyReads(kept.host), onlyReads(kept.login)] : [kept.host, kept.login];
  // As libpq of this node would come.
  const enter = async <T>(at: { readonly host: string; readonly port: number }, ssl: SslWords, then: (stream: Duplex) => Promise<T>): Promise<T> => {
    const [{ enterBySslMode }, { sslWayFor }] = await Promise.all([import('../postgres/ssl-login.ts'), import('../postgres/ssl-way.ts')]);
    return await enterBySslMode(await sslWayFor(host, at, ssl, PROOF_MS), async () => await host.connect({ host: at.host, port: at.port }, PROOF_MS), then);
  };
  const world: NodeWorld = {
    place,
    host,
    programs: async () => {
      kept.found ??= search(place, kept.host, options.binDirs[place.name], searches);
      try {
        const found = await kept.found;
        // Loaded with the first program: a status of healthy servers starts none.
        const { openPrograms } = await import('../postgres/programs.ts');
        return openPrograms(host, login, found);
      } catch (thrown) {
        // They may be installed by the time of the next question.
        kept.found = null;
        searches.clear();
        throw thrown;
      }
    },
    needsSudo: async () => {
      const { needsSudo } = await import('../postgres/service-rights.ts');
      return await needsSudo(kept.login);
    },
    mayAskService: async (verb, service) => {
      const { mayAsk } = await import('../postgres/service-rights.ts');
      return await mayAsk(onlyReads(kept.login), service ?? (await world.service()), verb);
    },
    service: async (how) => {
      if (how?.again === true) kept.service = null;
      const looking = (kept.service ??= import('../postgres/find-service.ts').then(async ({ findService }) => await findService(kept.host, kept.login, place.pgdata, place.service ?? null)));
      try {
        return await looking;
      } catch (thrown) {
        if (kept.service === looking) kept.service = null;
        throw thrown;
      }
    },
    server: async () => await serverOf(kept, options, signal),
    glimpse: async () => await glimpseLive(loginOf(kept, options, signal)),
    forget: async () => {
      await forget(kept);
    },
    proveSession: async (at, database, user, password, ssl = {}) => {
      await enter(at, ssl, async (stream) => { await (await openSession(stream, { user, database, password, deadlineMs: PROOF_MS, signal, node: place.name })).close(); });
    },
    proveLogin: async (at, user, password, ssl = {}) => await enter(at, ssl, async (stream) => await replicationIdentify(stream, user, password, place.name)),
  };
  return world;
}

async function search(place: NodePlace, host: Host, binDir: string | undefined, searches: Map<string, Promise<FoundPrograms>>): Promise<FoundPrograms> {
  const version = await host.readText(`${place.pgdata}/PG_VERSION`);
  const wantMajor = version === null ? null : Number.parseInt(version, 10);
  const key = JSON.stringify([place.via, place.osUser, binDir ?? null, wantMajor]);
  const found = searches.get(key) ?? import('../postgres/layout.ts').then(async ({ findPrograms }) => await findPrograms(host, { binDir, wantMajor }));
  searches.set(key, found);
  return await found;
}

function loginOf({ place, host }: Kept, options: WorldOptions, signal: AbortSignal): LiveLogin {
  return { place, host, signal, adminPassword: async () => await options.adminPassword(place) };
}

async function serverOf(kept: Kept, options: WorldOptions, signal: AbortSignal): Promise<Server> {
  const { place, host } = kept;
  const open = async (database: string): Promise<Session> => await openLiveSession(loginOf(kept, options, signal), database);
  const session = await sessionOf(kept, open);
  const known = kept.servers.get(signal);
  if (known?.session === session) return known.server;
  const server = openServer(session, {
    signal,
    node: place.name,
    openDatabase: open,
    guard: async (dataDirectory) => {
      if (dataDirectory === place.pgdata) return;
      const [seen, meant] = await Promise.all([host.realPath(dataDirectory), host.realPath(place.pgdata)]);
      if (seen === meant) return;
      throw new PgreplError('refused', 'another-server', `another server answers at this port: its data directory is ${dataDirectory}, not ${place.pgdata}`, { node: place.name });
    },
    modifiedAt: async (path) => await modifiedAt(host, path),
  });
  kept.servers.set(signal, { session, server });
  return server;
}

async function sessionOf(kept: Kept, open: (database: string) => Promise<Session>): Promise<Session> {
  const current = kept.session;
  if (current !== null) {
    const session = await current;
    if (!session.broken) return session;
    if (kept.session === current) kept.session = null;
  }
  // Two callers at once share one login.
  const opening = (kept.session ??= open('postgres'));
  try {
    return await opening;
  } catch (thrown) {
    if (kept.session === opening) kept.session = null;
    throw thrown;
  }
}

async function forget(kept: Kept): Promise<void> {
  const session = kept.session;
  kept.session = null;
  kept.servers.clear();
  if (session !== null) await session.then(async (open) => { await open.close(); }, () => undefined);
}

/** With fractions of a second, which SQL does not tell; `null` when it cannot be seen. */
async function modifiedAt(host: Host, path: string): Promise<number | null> {
  const first = await host.stat(path);
  const stat = first?.kind === 'symlink' ? await host.stat(await host.realPath(path)) : first;
  return stat?.modifiedAt ?? null;
}

import { PgreplError, usageError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { openHost } from '../host/open-host.ts';
import { readOnly as onlyReads } from '../host/read-only.ts';
import { waitFor } from '../plan/wait.ts';
import { findPrograms } from '../postgres/layout.ts';
import { openPrograms } from '../postgres/programs.ts';
import type { Server } from '../postgres/server.ts';
import { replicationIdentify, type Session } from '../postgres/session.ts';
import { openServer } from '../postgres/sql-server.ts';
import type { Programs } from '../postgres/tools.ts';
import type { Secret } from '../secret.ts';
import { deferredHost } from './live-host.ts';
import { openLiveSession } from './live-server.ts';
import type { NodePlace, NodeWorld, World } from './world.ts';

export interface WorldOptions {
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
}

/** What is kept of a node between two calls, whoever makes them: undo goes on with what the run has opened. */
interface Kept {
  readonly place: NodePlace;
  readonly host: Host;
  programs: Promise<Programs> | null;
  session: Promise<Session> | null;
  /** The server of that session, for each signal that it is used with. */
  readonly servers: Map<AbortSignal, { readonly session: Session; readonly server: Server }>;
}

/** The real world: every node on its host. `close` ends the sessions and the hosts; close it before the program ends. */
export function createWorld(options: WorldOptions): World & { close(): Promise<void> } {
  const hosts = new Map<string, Host>();
  // Nodes on one machine share one way to it, whoever they act as there.
  const hostAt = (via: string, user: string): Host => {
    const machine = hosts.get(via) ?? deferredHost(via, '', async () => await openHost(via, null));
    hosts.set(via, machine);
    return options.readOnly ? onlyReads(machine.as(user)) : machine.as(user);
  };
  const kept = new Map<string, Kept>();
  const keptOf = (name: string): Kept => {
    const known = kept.get(name);
    if (known) return known;
    const place = options.places.find((one) => one.name === name);
    if (place === undefined) throw usageError('node-unknown', `there is no node ${name}`, { hint: `The cluster file names ${options.places.map((one) => one.name).join(', ')}.` });
    const fresh: Kept = { place, host: hostAt(place.via, place.osUser), programs: null, session: null, servers: new Map() };
    kept.set(name, fresh);
    return fresh;
  };

  const worldWith = (signal: AbortSignal): World => ({
    signal,
    run: options.run,
    givenPassword: options.givenPassword,
    node: (name) => nodeWorld(keptOf(name), options, signal),
    withSignal: worldWith,
    waitFor: async (what, probe, limits) => await waitFor(what, probe, { ...limits, signal }),
  });

  return {
    ...worldWith(options.signal),
    close: async () => {
      await Promise.all([...kept.values()].map(forget));
      await Promise.all([...hosts.values()].map(async (host) => await host.close()));
    },
  };
}

function nodeWorld(kept: Kept, options: WorldOptions, signal: AbortSignal): NodeWorld {
  const { place, host } = kept;
  return {
    place,
    host,
    programs: async () => {
      kept.programs ??= programsOf(place, host, options.binDirs[place.name]);
      try {
        return await kept.programs;
      } catch (thrown) {
        // They may be installed by the time of the next question.
        kept.programs = null;
        throw thrown;
      }
    },
    server: async () => await serverOf(kept, options, signal),
    forget: async () => {
      await forget(kept);
    },
    provePassword: async (user, password) => {
      const here = await openHost('local', null);
      try {
        return await replicationIdentify(await here.connect({ host: place.host, port: place.port }, 10_000), user, password, place.name);
      } finally {
        await here.close();
      }
    },
  };
}

async function programsOf(place: NodePlace, host: Host, binDir: string | undefined): Promise<Programs> {
  const version = await host.readText(`${place.pgdata}/PG_VERSION`);
  const wantMajor = version === null ? null : Number.parseInt(version, 10);
  return openPrograms(host, await findPrograms(host, { binDir, wantMajor }));
}

async function serverOf(kept: Kept, options: WorldOptions, signal: AbortSignal): Promise<Server> {
  const { place, host } = kept;
  const open = async (database: string): Promise<Session> =>
    await openLiveSession({ place, host, signal, adminPassword: async () => await options.adminPassword(place) }, database);
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

/** With fractions of a second, which SQL does not tell; `null` where `stat` is not GNU's, and SQL has to do. */
async function modifiedAt(host: Host, path: string): Promise<number | null> {
  const exit = await host.run({ argv: ['stat', '-L', '-c', '%.9Y', '--', path], effect: 'reads' });
  const seconds = Number(exit.stdout.trim());
  return exit.code === 0 && exit.stdout.trim() !== '' && Number.isFinite(seconds) ? seconds : null;
}

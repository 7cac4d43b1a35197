import { mkdtemp, chmod, chown, rm, appendFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import type { Host } from '../../../src/host/host.ts';
import { openHost } from '../../../src/host/open-host.ts';
import { parseNodeName, parseRoleName } from '../../../src/postgres/names.ts';
import { putEntry } from '../../../src/postgres/passfile.ts';
import type { BaseBackupOptions, Programs } from '../../../src/postgres/tools.ts';
import { PG_CTL } from '../../../src/postgres/service.ts';
import { Secret } from '../../../src/secret.ts';
import { openWays } from '../../../src/host/ways.ts';
import { createWorld, type WorldOptions } from '../../../src/steps/live-world.ts';
import type { NodePlace, World } from '../../../src/steps/world.ts';

/** A PostgreSQL refuses root; tests of root use the system user `postgres`. */
export const OWNER = process.getuid?.() === 0 ? 'postgres' : userInfo().username;
export const REPLICATION_PASSWORD = new Secret('pa:ss\\word 1');
export const NEVER = new AbortController().signal;

/** Directories, ports and servers of one test file, all gone after `close`. */
export interface Throwaway {
  readonly host: Host;
  readonly root: string;
  readonly world: World;
  /** A further world on the same places. */
  worldWith(options: Partial<WorldOptions>): World;
  programs(node: string): Promise<Programs>;
  place(node: string): NodePlace;
  /** initdb, a fast configuration, and what is given. */
  init(node: string, settings?: string): Promise<void>;
  configure(node: string, text: string): Promise<void>;
  start(node: string): Promise<void>;
  stop(node: string): Promise<void>;
  /** What a copy of `upstream` for `node` needs; makes role, slot and passfile. */
  prepareCopy(upstream: string, node: string): Promise<BaseBackupOptions>;
  /** A copy with its own port that follows `upstream`, not started. */
  standby(upstream: string, node: string): Promise<void>;
  close(): Promise<void>;
}

export async function throwaway(nodes: readonly string[], binDir: string): Promise<Throwaway> {
  const host = await openHost('local', OWNER);
  // Short: the name of a Unix socket has at most 107 bytes.
  const root = await mkdtemp('/tmp/pgr-');
  const ids = (await host.run({ argv: ['sh', '-c', 'id -u; id -g'], effect: 'reads' })).stdout.split('\n').map(Number);
  await chown(root, ids[0] ?? 0, ids[1] ?? 0);
  await chmod(root, 0o700);
  const ports = await freePorts(nodes.length);
  const places = nodes.map(
    (name, index): NodePlace => ({
      name: parseNodeName(name),
      cluster: 'throwaway',
      host: '127.0.0.1',
      port: ports[index] ?? 0,
      pgdata: `${root}/${name}`,
      via: 'local',
      osUser: OWNER,
      adminUser: OWNER,
      passfile: `${root}/${name}.pass`,
      replicationUser: parseRoleName('repl'),
    }),
  );
  const worldOf = (options: Partial<WorldOptions>): ReturnType<typeof createWorld> => {
    const world = createWorld({ ways: openWays(),
      places,
      binDirs: Object.fromEntries(nodes.map((name) => [name, binDir])),
      run: 'test',
      signal: NEVER,
      givenPassword: null,
      readOnly: false,
      adminPassword: async () => await Promise.resolve(null),
      ...options,
    });
    opened.push(world);
    return world;
  };
  const opened: ReturnType<typeof createWorld>[] = [];
  const world = worldOf({});
  const place = (name: string): NodePlace => world.node(name).place;
  const programs = async (name: string): Promise<Programs> => await world.node(name).programs();
  const logFile = (name: string): string => `${root}/${name}.log`;

  const it: Throwaway = {
    host,
    root,
    world,
    worldWith: worldOf,
    programs,
    place,
    init: async (name, settings = '') => {
      await (await programs(name)).initDatabase({ directory: place(name).pgdata, superuser: OWNER }, NEVER);
      await it.configure(name, `port = ${place(name).port}\nunix_socket_directories = '${root}'\nlisten_addresses = '127.0.0.1'\nfsync = off\nwal_retrieve_retry_interval = 100ms\n${settings}`);
    },
    configure: async (name, text) => {
      await appendFile(`${place(name).pgdata}/postgresql.conf`, `${text}\n`);
    },
    start: async (name) => {
      await (await programs(name)).start({ directory: place(name).pgdata, configFile: null, service: PG_CTL, logFile: logFile(name), deadlineMs: 30_000, signal: NEVER });
    },
    stop: async (name) => {
      const tools = await programs(name);
      await tools.signalFastStop(place(name).pgdata, PG_CTL);
      await tools.waitStopped(place(name).pgdata, 30_000, NEVER);
    },
    prepareCopy: async (upstream, name) => {
      const { scramVerifier } = await import('../../../src/postgres/scram.ts');
      const from = place(upstream);
      const server = await world.node(upstream).server();
      await server.createRole('repl', scramVerifier(REPLICATION_PASSWORD));
      if (!(await server.facts()).slots.some((slot) => slot.name === name)) await server.createSlot(name);
      const passfile = place(name).passfile;
      await host.writeText(passfile, putEntry('', { host: from.host, port: String(from.port), database: '*', user: 'repl', password: REPLICATION_PASSWORD }), { mode: 0o600 });
      await host.makeDirectory(place(name).pgdata, 0o700);
      return { directory: place(name).pgdata, host: from.host, port: from.port, user: 'repl', passfile, slot: name, applicationName: name, checkpoint: 'fast', compress: 'none', maxRate: null, tablespaces: [], waldir: null };
    },
    standby: async (upstream, name) => {
      const options = await it.prepareCopy(upstream, name);
      await (await programs(name)).baseBackup(options, () => undefined, NEVER);
      const from = place(upstream);
      await it.configure(name, `port = ${place(name).port}\nprimary_slot_name = '${name}'\nprimary_conninfo = 'host=${from.host} port=${from.port} user=repl passfile=${options.passfile} application_name=${name}'`);
    },
    close: async () => {
      for (const one of opened) await one.close();
      for (const name of nodes) {
        const tools = await programs(name);
        await tools.signalFastStop(place(name).pgdata, PG_CTL);
        for (const left of await tools.processes(place(name).pgdata)) kill(left.pid, 'SIGKILL');
      }
      await host.close();
      await rm(root, { recursive: true, force: true });
    },
  };
  return it;
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/** True also for a dead process that nobody has waited for yet; a postmaster that finds such a pid in its lock file does not start. */
export function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The error that a call ends with. */
export async function failure(work: Promise<unknown>): Promise<{ readonly kind: string; readonly code: string; readonly message: string; readonly details: readonly string[]; readonly hint?: string | undefined }> {
  try {
    await work;
  } catch (thrown) {
    return thrown as Awaited<ReturnType<typeof failure>>;
  }
  throw new Error('it did not fail');
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { readonly port: number }).port);
  await Promise.all(servers.map(async (server) => await new Promise((resolve) => server.close(resolve))));
  return ports;
}

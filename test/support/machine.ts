import { spawn } from 'node:child_process';
import { chown, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { oldest, programEnv, type Installation } from './at-hand.ts';
import { locksHeldBy, processesUnder, stagingUnder } from './leftovers.ts';
import { askOracle, postmasterOf } from './oracle.ts';
import { takePort } from './ports.ts';
import type { SeenProcess } from './process-tree.ts';
import { openRoad, type Road } from './road.ts';
import { startPgrepl, type Ran, type RunningPgrepl, type RunOptions } from './run-pgrepl.ts';
import { asServer, serverAccount } from './server-account.ts';
import { startWriter, type Writer, type WriterOptions } from './writer.ts';

/** Where a node of a story lives: the directory may not exist yet. */
export interface Place {
  readonly name: string;
  readonly pgdata: string;
  readonly port: number;
}

export interface MachineOptions {
  readonly installation?: Installation;
  /** False where the story itself ends with something unfinished. */
  readonly checkLeftovers?: boolean;
  /** Further keys of every node in the cluster file, as YAML in one line each: `['set: { shared_buffers: 16MB }']`. */
  readonly defaults?: readonly string[];
  /** Where the data directory of a node is, below the root; default: a directory of its name. */
  readonly directory?: (name: string) => string;
}

/** One operator's machine with room for servers; everything in it goes away with it. */
export interface Machine {
  readonly root: string;
  readonly installation: Installation;
  /** Made at the beginning, with the place of the passfile and of the programs and no node. */
  readonly clusterFile: string;
  readonly env: Readonly<Record<string, string>>;
  /** How pgrepl reaches the servers' machine; `null` where it is on it. */
  readonly road: Road | null;
  /** The place of this node; a free port is found at the first time. */
  place(name: string): Promise<Place>;
  /** `-D`, `-p` and the name: what init-primary and add-standby need. */
  at(name: string): Promise<readonly string[]>;
  /** Runs pgrepl to its end. */
  pgrepl(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** As `pgrepl`, and fails with everything it said unless it ends with exit 0. */
  ok(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Starts pgrepl and returns at once. */
  start(args: readonly string[], options?: RunOptions): RunningPgrepl;
  /** The first column of the first row, never asked through pgrepl; `''` for no row or null. */
  sql(node: string, text: string, database?: string): Promise<string>;
  rows(node: string, text: string, database?: string): Promise<readonly (readonly (string | null)[])[]>;
  /** Asks until the answer is this one; the last answer is in the error. */
  eventually(node: string, text: string, answer: string, deadlineMs?: number): Promise<void>;
  /** Runs a program of the installation as the server's user; rejects with its output unless it ends with 0. */
  program(name: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
  /** A server that pgrepl did not make. */
  foreignServer(name: string, more?: { readonly settings?: readonly string[]; readonly hba?: readonly string[]; readonly start?: boolean; readonly initdb?: readonly string[] }): Promise<Place>;
  startServer(name: string): Promise<void>;
  stopServer(name: string, mode?: 'fast' | 'immediate' | 'smart'): Promise<void>;
  /** Ends the postmaster like a power cut, and waits until every process of the server is gone. */
  killServer(name: string): Promise<void>;
  /** Pid of the running postmaster; `null` when none runs. */
  postmaster(name: string): Promise<number | null>;
  writer(nodes: readonly string[], options?: WriterOptions): Promise<Writer>;
  /** Numbers that the writer had acknowledged and this node does not have. */
  missing(node: string, acknowledged: readonly number[], table?: string): Promise<readonly number[]>;
  /** Waits until nothing that a killed pgrepl started is still at work. */
  settled(deadlineMs?: number): Promise<void>;
  /** What should not be there: processes besides the servers, staging directories, held locks. */
  leftovers(): Promise<readonly string[]>;
}

/** Gives a story its machine, looks for leftovers when it went well, and tears everything down either way. */
export async function withMachine(story: (m: Machine) => Promise<void>, options: MachineOptions = {}): Promise<void> {
  const { machine, tearDown } = await openMachine(options);
  try {
    await story(machine);
    if (options.checkLeftovers !== false) {
      await machine.settled().catch(() => undefined);
      const left = await machine.leftovers();
      if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
    }
  } finally {
    await tearDown();
  }
}

async function openMachine({ installation = oldest(), defaults = [], directory = (name) => name }: MachineOptions): Promise<{ readonly machine: Machine; tearDown(): Promise<void> }> {
  const account = serverAccount();
  // The real path: processes are found by it.
  const root = await realpath(await mkdtemp(join(tmpdir(), 'pgr-')));
  await chown(root, account.uid, account.gid);
  for (const folder of ['home', 'state', 'cache']) await mkdir(join(root, folder), { mode: 0o700 });
  await mkdir(join(root, 'pass'), { mode: 0o700 });
  await chown(join(root, 'pass'), account.uid, account.gid);
  const clusterFile = join(root, 'pgrepl.yaml');
  const way = await openRoad(account.name, root);
  const said = [`passfile: ${join(root, 'pass', 'main.pass')}`, `bin-dir: ${installation.binDir}`, ...(account.drop ? [`os-user: ${account.name}`] : []), ...(way === null ? [] : [`via: ${way.via}`, 'host: 127.0.0.1']), ...defaults];
  await writeFile(clusterFile, `# made by a test\ndefaults:\n${said.map((line) => `  ${line}\n`).join('')}`);
  const env: Readonly<Record<string, string>> = {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: join(root, 'home'),
    XDG_STATE_HOME: join(root, 'state'),
    XDG_CACHE_HOME: join(root, 'cache'),
    PGREPL_FILE: clusterFile,
    NO_COLOR: '1',
    LC_ALL: 'C.UTF-8',
    ...(way === null ? {} : { PGREPL_SSH: way.ssh }),
  };
  const places = new Map<string, Promise<Place>>();
  const releases: (() => void)[] = [];
  const started = new Set<number>();
  const running = new Set<RunningPgrepl>();

  const place = async (name: string): Promise<Place> => {
    const known = places.get(name) ?? takePort().then(({ port, release }) => {
      releases.push(release);
      return { name, pgdata: join(root, directory(name)), port };
    });
    places.set(name, known);
    return await known;
  };
  const dataOf = async (name: string): Promise<string> => (await place(name)).pgdata;
  const start = (args: readonly string[], run: RunOptions = {}): RunningPgrepl => {
    const pgrepl = startPgrepl(args, env, { cwd: root, ...run });
    started.add(pgrepl.pid);
    running.add(pgrepl);
    void pgrepl.ended.catch(() => undefined).finally(() => running.delete(pgrepl));
    return pgrepl;
  };
  const program: Machine['program'] = async (name, args, more = {}) => await runProgram(join(installation.binDir, name), args, { ...programEnv(installation), ...more });
  const rows: Machine['rows'] = async (node, text, database) => await askOracle(await dataOf(node), text, database);
  const sql: Machine['sql'] = async (node, text, database) => (await rows(node, text, database))[0]?.[0] ?? '';
  const leftovers = async (): Promise<readonly string[]> => {
    const known = await Promise.all([...places.values()].map(async (one) => ({ ...(await one), server: await postmasterOf((await one).pgdata) })));
    const isServer = (pid: number, parent: number, cwd: string): boolean => known.some(({ pgdata, server }) => cwd === pgdata && server !== null && (pid === server.pid || parent === server.pid));
    // Who came by the road and has ended is still on its way out for a moment.
    const travellers = (): readonly SeenProcess[] => (way?.travellers() ?? []).filter(({ pid, parent, cwd }) => !isServer(pid, parent, cwd));
    await until(() => travellers().length === 0, 2_000, '').catch(() => undefined);
    return [
      ...travellers().map(({ pid, command }) => `process ${pid} of the road: ${command}`),
      ...processesUnder(root).filter(({ pid, parent, cwd }) => !isServer(pid, parent, cwd)).map(({ pid, cwd, command }) => `process ${pid} in ${cwd}: ${command}`),
      ...stagingUnder(root).map((path) => `staging directory ${path}`),
      ...locksHeldBy(started).map((path) => `held lock ${path}`),
    ];
  };

  const machine: Machine = {
    root,
    installation,
    clusterFile,
    env,
    road: way,
    place,
    at: async (name) => {
      const { pgdata, port } = await place(name);
      return [name, '-D', pgdata, '-p', String(port)];
    },
    start,
    pgrepl: async (args, run) => await start(args, run).ended,
    ok: async (args, run) => {
      const ran = await start(args, run).ended;
      if (ran.exit !== 0) throw new Error(`pgrepl ${args.join(' ')} ended with ${String(ran.exit ?? ran.signal)}\n${ran.stdout}\n${ran.stderr}\n${await lastLogs([...places.values()])}`);
      return ran;
    },
    rows,
    sql,
    eventually: async (node, text, answer, deadlineMs = 20_000) => {
      const until = performance.now() + deadlineMs;
      for (;;) {
        const got = await sql(node, text).catch((error: unknown) => String(error));
        if (got === answer) return;
        if (performance.now() > until) throw new Error(`${node} still answers ${JSON.stringify(got)} to ${text}, not ${JSON.stringify(answer)}`);
        await pause(25);
      }
    },
    program,
    foreignServer: async (name, { settings = [], hba = [], start: starts = true, initdb = [] } = {}) => {
      const where = await place(name);
      await program('initdb', ['-D', where.pgdata, '--username=postgres', '--auth-local=peer', '--auth-host=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync', ...initdb]);
      await append(join(where.pgdata, 'postgresql.conf'), [`port = ${where.port}`, `listen_addresses = '127.0.0.1'`, ...settings]);
      if (account.name !== 'postgres') {
        await append(join(where.pgdata, 'pg_ident.conf'), [`test ${account.name} postgres`]);
        await prepend(join(where.pgdata, 'pg_hba.conf'), ['local all postgres peer map=test']);
      }
      if (hba.length > 0) await append(join(where.pgdata, 'pg_hba.conf'), hba);
      if (starts) await machine.startServer(name);
      return where;
    },
    startServer: async (name) => {
      const pgdata = await dataOf(name);
      await program('pg_ctl', ['start', '-w', '-t', '60', '-D', pgdata, '-l', `${pgdata}.log`]);
    },
    stopServer: async (name, mode = 'fast') => {
      await program('pg_ctl', ['stop', '-w', '-t', '60', '-D', await dataOf(name), '-m', mode]);
    },
    killServer: async (name) => {
      const pgdata = await dataOf(name);
      const server = await postmasterOf(pgdata);
      if (server === null) throw new Error(`${name} does not run`);
      process.kill(server.pid, 'SIGKILL');
      // Also until it is no zombie any more, which a lazy init leaves for seconds: a new postmaster takes that for a running server.
      await until(() => !exists(server.pid) && processesUnder(root).every(({ cwd }) => cwd !== pgdata), 30_000, `processes of ${name} are still there`);
    },
    postmaster: async (name) => {
      const pgdata = await dataOf(name);
      const server = await postmasterOf(pgdata);
      return server !== null && processesUnder(root).some(({ pid, cwd }) => pid === server.pid && cwd === pgdata) ? server.pid : null;
    },
    writer: async (nodes, writerOptions) => await startWriter(await Promise.all(nodes.map(dataOf)), writerOptions),
    missing: async (node, acknowledged, table = 'written') => {
      const there = new Set((await rows(node, `SELECT n FROM ${table}`)).map(([n]) => Number(n)));
      return acknowledged.filter((n) => !there.has(n));
    },
    settled: async (deadlineMs = 20_000) => {
      const end = performance.now() + deadlineMs;
      for (;;) {
        const left = (await leftovers()).filter((line) => !line.startsWith('staging'));
        if (left.length === 0) return;
        if (performance.now() > end) throw new Error(`still at work:\n${left.join('\n')}`);
        await pause(50);
      }
    },
    leftovers,
  };

  return {
    machine,
    tearDown: async () => {
      for (const one of running) one.kill('SIGKILL');
      for (const one of places.values()) {
        const server = await postmasterOf((await one).pgdata);
        // At once and without a checkpoint, but with its shared memory and its socket taken away.
        if (server !== null && processesUnder(root).some(({ pid }) => pid === server.pid)) {
          signal(server.pid, 'SIGQUIT');
          signal(server.pid, 'SIGCONT');
        }
      }
      await until(() => processesUnder(root).length === 0, 3_000, '').catch(() => undefined);
      for (let round = 0; round < 20 && processesUnder(root).length > 0; round += 1) {
        for (const { pid } of processesUnder(root)) signal(pid, 'SIGKILL');
        await pause(50);
      }
      await way?.close();
      await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
      for (const release of releases) release();
    },
  };
}

async function runProgram(path: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  return await new Promise((resolve, reject) => {
    // Servers keep the pipes of whoever starts them, so the end of the program counts and not the end of its output.
    const child = spawn(path, args, { ...asServer(), env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.once('error', reject);
    child.once('exit', (code) => {
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        if (code === 0) resolve(output);
        else reject(new Error(`${path} ${args.join(' ')} ended with ${String(code)}\n${output}`));
      }, 20);
    });
  });
}

async function lastLogs(places: readonly Promise<Place>[]): Promise<string> {
  const logs = await Promise.all(places.map(async (one) => {
    const { name, pgdata } = await one;
    const text = await readFile(`${pgdata}.log`, 'utf8').catch(() => '');
    return text === '' ? '' : `--- log of ${name}\n${text.split('\n').slice(-15).join('\n')}`;
  }));
  return logs.filter((text) => text !== '').join('\n');
}

async function append(path: string, lines: readonly string[]): Promise<void> {
  await writeFile(path, `${await readFile(path, 'utf8')}${lines.join('\n')}\n`);
}

async function prepend(path: string, lines: readonly string[]): Promise<void> {
  await writeFile(path, `${lines.join('\n')}\n${await readFile(path, 'utf8')}`);
}

async function until(look: () => boolean, deadlineMs: number, complaint: string): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!look()) {
    if (performance.now() > end) throw new Error(complaint);
    await pause(20);
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

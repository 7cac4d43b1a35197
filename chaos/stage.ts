import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { withMachine, type Machine } from '../test/support/machine.ts';
import { oldest } from '../test/support/at-hand.ts';
import { processesUnder } from '../test/support/leftovers.ts';
import { postmasterOf } from '../test/support/oracle.ts';
import { startProber, type Prober } from '../test/support/prober.ts';
import { serverAccount } from '../test/support/server-account.ts';
import { flat, type Belief } from './belief.ts';
import { openWires, type Wires } from './wires.ts';
import { startWriters, TABLE, type Writers } from './writers.ts';

export const NODES = ['node1', 'node2', 'node3'] as const;

/** Three nodes at work, with everything that can be done to them. */
export interface Stage {
  readonly m: Machine;
  readonly writers: Writers;
  readonly prober: Prober;
  /** The network between the nodes; `null` where it cannot be broken. */
  readonly wires: Wires | null;
  /** True where each node has a small disk of its own, and the operator's journal has one. */
  readonly disks: boolean;
  belief: Belief;
  /** Of the last command of each kind that came to its end by itself: events announced, and milliseconds. */
  readonly lengths: Map<string, { readonly steps: number; readonly ms: number }>;
  /** The words of init-primary and add-standby for this node. */
  placeWords(name: string): Promise<readonly string[]>;
}

const DISK = '1g';
const SETTINGS = 'set: { shared_buffers: 16MB, min_wal_size: 32MB, max_wal_size: 96MB, wal_keep_size: 96MB, log_min_messages: log }';

/** Makes a primary and two standbys by pgrepl, with writers and a prober at work, and takes all of it away in the end. `sync`: each commit waits for one of them. */
export async function withStage(writesLog: string, sync: boolean, say: (text: string) => void, play: (stage: Stage) => Promise<void>): Promise<void> {
  const installation = oldest();
  await withMachine(async (m) => {
    const disks = await mountDisks(m);
    const wires = await openWires(await Promise.all(NODES.map(async (name) => await m.place(name))));
    const placeWords = async (name: string): Promise<readonly string[]> => [...(await m.at(name)), ...(wires === null ? [] : ['-h', wires.hostOf(name)])];
    try {
      say(`${installation.binDir}; three nodes in ${m.root}, ${m.road === null ? 'on this machine' : `over ${m.road.via}`}${wires === null ? ', no packet filter between them' : ''}${disks ? '' : ', no small disks'}`);
      await m.ok(['init-primary', ...(await placeWords('node1')), '--yes']);
      await m.sql('node1', `CREATE TABLE ${TABLE} (n bigint PRIMARY KEY); CREATE TABLE ballast AS SELECT g AS n, repeat(md5(g::text), 8) AS t FROM generate_series(1, 20000) g; CREATE INDEX ON ballast (t)`);
      await m.sql('node1', 'CREATE EXTENSION IF NOT EXISTS amcheck').catch(() => undefined);
      for (const name of ['node2', 'node3']) await m.ok(['add-standby', ...(await placeWords(name)), '--yes']);
      if (sync) await m.ok(['sync', 'any', '1', '--yes']);
      const places = await Promise.all(NODES.map(async (name) => await m.place(name)));
      const writers = startWriters(places.map(({ pgdata }) => pgdata), writesLog);
      const prober = startProber(places);
      try {
        await writers.more(50, 30_000);
        await play({ m, writers, prober, wires, disks, belief: flat('node1', ['node2', 'node3'], sync), lengths: new Map(), placeWords });
      } finally {
        await Promise.all([writers.stop(), prober.stop()]);
      }
    } finally {
      wires?.close();
      await endServers(m.root);
      if (disks) for (const name of [...NODES, 'state']) spawnSync('umount', ['-l', join(m.root, name)]);
    }
  }, { installation, checkLeftovers: false, defaults: [SETTINGS], directory: (name) => join(name, 'data') });
}

/** The disk of a node, or the journal's. */
export function diskOf(m: Machine, name: string): string {
  return join(m.root, name);
}

/** Takes a data directory that nobody needs any more out of the way. */
export async function clearDirectory(m: Machine, name: string): Promise<void> {
  const { pgdata } = await m.place(name);
  await rm(pgdata, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** Removes what a rejoin has kept of a node: the small disk holds only so many. */
export async function clearKept(m: Machine, name: string): Promise<void> {
  await rm(`${(await m.place(name)).pgdata}.pgrepl-kept`, { recursive: true, force: true });
}

/** Whether a failover has locked the data directory of this node. */
export async function isLocked(m: Machine, name: string): Promise<boolean> {
  const { pgdata } = await m.place(name);
  return (await stat(pgdata).then(({ mode }) => mode & 0o777, () => 0)) === 0o701;
}

/** Whether a server was at work in this directory and was ended from outside: its file is there, and it is not. */
export async function hasCrashed(m: Machine, name: string): Promise<boolean> {
  const { pgdata } = await m.place(name);
  return existsSync(join(pgdata, 'postmaster.pid')) && (await m.postmaster(name)) === null;
}

/** The last lines of a file; empty when it is not there. */
export async function tailOf(path: string, lines: number): Promise<string> {
  return (await readFile(path, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-lines).join('\n');
}

async function mountDisks(m: Machine): Promise<boolean> {
  const { uid, gid } = serverAccount();
  const mounted: string[] = [];
  const disks = [...NODES.map((name) => ({ name, options: `size=${DISK},uid=${uid},gid=${gid},mode=755` })), { name: 'state', options: 'size=4m,mode=700' }];
  for (const { name, options } of disks) {
    const path = join(m.root, name);
    await mkdir(path, { recursive: true });
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]).status === 0) mounted.push(path);
  }
  if (mounted.length === disks.length) return true;
  for (const path of mounted) spawnSync('umount', ['-l', path]);
  for (const name of NODES) spawnSync('chown', [`${uid}:${gid}`, join(m.root, name)]);
  return false;
}

async function endServers(root: string): Promise<void> {
  for (const name of NODES) {
    const server = await postmasterOf(join(root, name, 'data')).catch(() => null);
    if (server !== null && processesUnder(root).some(({ pid }) => pid === server.pid)) signal(server.pid, 'SIGQUIT');
  }
  for (let round = 0; round < 200 && processesUnder(root).length > 0; round += 1) {
    for (const { pid } of processesUnder(root)) signal(pid, round < 100 ? 'SIGCONT' : 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test, type TestAPI } from 'vitest';
import { installations, withMachine, type Machine, type MachineOptions } from './cluster.ts';
import { isToldOn } from './installations.ts';
import { processesUnder } from './leftovers.ts';
import { postmasterOf } from './oracle.ts';
import { wrongSlots } from './wrong-slots.ts';
import type { Writer } from './writer.ts';

export const TRIO = ['node1', 'node2', 'node3'] as const;

export interface TrioStory {
  /** Standbys that stream from another standby: `{ node3: 'node2' }` is a cascade. */
  readonly upstreams?: Readonly<Record<string, string>>;
  /** False where the story ends with slots that are not tidy on purpose. */
  readonly slots?: boolean;
}

/** Runs a story on a primary and two standbys that stand as they did before every other story, and looks for leftovers after it. */
export type WithTrio = (story: (m: Machine) => Promise<void>, options?: TrioStory) => Promise<void>;

/** `each` on every major at hand, `once` on the oldest alone, `rarely` not at all; with PGREPL_STORIES=all everything everywhere. */
export interface Tell {
  readonly each: TestAPI;
  readonly once: TestAPI;
  readonly rarely: TestAPI;
}

/** Stories on every major at hand, each major with a trio of its own. */
export function trioStories(options: Omit<MachineOptions, 'installation'>, stories: (trio: WithTrio, tell: Tell) => void): void {
  const first = installations()[0]?.major;
  const all = process.env['PGREPL_STORIES'] === 'all';
  const skipped = test.skip as TestAPI;
  const told = (major: number, where: 'every' | 'once'): TestAPI =>
    ((name: string, ...rest: readonly []) => (isToldOn(name, major, where) ? test : test.skip)(name, ...rest)) as unknown as TestAPI;
  describe.each(installations().map((one) => ({ ...one })))('PostgreSQL $major', (installation) => {
    stories(sharedTrio({ ...options, installation }), { each: told(installation.major, 'every'), once: all || installation.major === first ? told(installation.major, 'once') : skipped, rarely: all ? test : skipped });
  });
}

/**
 * A primary (node1) and two standbys, made once by pgrepl and put back from a copy before every story: making them takes far longer than
 * most stories do.
 */
export function sharedTrio(options: MachineOptions): WithTrio {
  let machine: Machine | null = null;
  let over: () => void = () => undefined;
  let life: Promise<void> = Promise.resolve();
  beforeAll(async () => {
    await new Promise<void>((ready, failed) => {
      life = withMachine(async (m) => {
        await m.ok(['init-primary', ...(await m.at('node1')), '--yes']);
        for (const name of ['node2', 'node3']) await m.ok(['add-standby', ...(await m.at(name)), '--no-verify', '--yes']);
        // The primary last: so its shutdown record is on the standbys, and all three start where the others do.
        for (const name of ['node1', 'node2', 'node3']) await m.stopServer(name);
        await rm(join(m.root, 'state'), { recursive: true });
        copy(m.root, join(m.root, KEPT));
        machine = m;
        const ended = new Promise<void>((resolve) => { over = resolve; });
        ready();
        await ended;
      }, { ...options, checkLeftovers: false });
      life.catch(failed);
    });
  }, 240_000);
  afterAll(async () => {
    over();
    await life;
  }, 60_000);

  return async (story, { upstreams = {}, slots = true } = {}) => {
    if (machine === null) throw new Error('the trio was not made');
    const m = machine;
    await putBack(m);
    await Promise.all(TRIO.map(async (name) => { await m.startServer(name); }));
    await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
    for (const [name, upstream] of Object.entries(upstreams)) await m.ok(['follow', name, '--upstream', upstream, '--yes']);
    const writers: Writer[] = [];
    try {
      await story({
        ...m,
        writer: async (...words) => {
          const writer = await m.writer(...words);
          writers.push(writer);
          return writer;
        },
      });
      await m.settled();
      const left = [...(await m.leftovers()), ...(slots ? await wrongSlots(m) : [])];
      if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
    } catch (error) {
      if (error instanceof Error) error.message += lastLogs(m.root);
      throw error;
    } finally {
      // Of a story that failed: it would go on writing to the next one's servers.
      await Promise.all([...writers.map(async (writer) => await writer.stop()), endAll(m.root)]);
    }
  };
}

/** The last that each server said, by either of its logs. */
function lastLogs(root: string): string {
  const paths = TRIO.flatMap((name) => [join(root, `${name}.log`), join(root, name, 'log', `${name}.log`)]).filter((path) => existsSync(path));
  return paths.map((path) => `\n--- ${path}\n${readFileSync(path, 'utf8').trim().split('\n').slice(-15).join('\n')}`).join('');
}

const KEPT = '.kept';

function copy(from: string, to: string): void {
  const { status, stderr } = spawnSync('sh', ['-c', 'mkdir -p "$2" && cd "$1" && for name in *; do cp -a --reflink=auto "$name" "$2/" || exit 1; done', 'sh', from, to], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the copy of the trio failed: ${stderr}`);
}

async function putBack(m: Machine): Promise<void> {
  await endAll(m.root);
  for (const name of await readdir(m.root)) if (name !== KEPT) await rm(join(m.root, name), { recursive: true, force: true });
  copy(join(m.root, KEPT), m.root);
}

/** Ends every server and whatever else still works under this directory, frozen ones included. */
async function endAll(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    const server = await postmasterOf(join(root, name)).catch(() => null);
    const living = processesUnder(root);
    if (server === null || !living.some(({ pid }) => pid === server.pid)) continue;
    // At once and without a checkpoint, but with its shared memory and its socket taken away.
    signal(server.pid, 'SIGQUIT');
    for (const { pid, parent } of living) if (pid === server.pid || parent === server.pid) signal(pid, 'SIGCONT');
  }
  for (let round = 0; round < 400 && processesUnder(root).length > 0; round += 1) {
    if (round > 150) for (const { pid } of processesUnder(root)) signal(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

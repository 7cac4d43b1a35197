import { afterAll, beforeAll, test } from 'vitest';
import { withMachine, type Machine } from '../support/cluster.ts';
import { endServers } from '../support/kept-copies.ts';
import { buildCounted, type CountedProgram } from '../support/effects/build.ts';
import { killAtEffects, type Struck } from '../support/effects/kill-at-effect.ts';
import { rm } from 'node:fs/promises';

const SMALL = ['set: { shared_buffers: 16MB, min_wal_size: 32MB, wal_keep_size: 64MB }'];
const FLAT = { node2: 'node1', node3: 'node1' };
const FILE = { node1: null, node2: null, node3: null };
const TIMEOUT_MS = process.env['PGREPL_EFFECTS'] === 'all' ? 3_600_000 : 400_000;

let program: CountedProgram;
beforeAll(async () => { program = await buildCounted(); });
afterAll(() => { program.remove(); });

type Prepare = (m: Machine) => Promise<Struck>;

/** Hazards of section 2.2: whatever a command changes, it may die just before or after it, and the same command goes on (V2–V7, V9). */
function story(name: string, prepare: Prepare): void {
  test(`${name}, killed at an effect, with its children and without, is finished by the same command (V2, V3, V4, V6, V7, V9)`, async () => {
    await withMachine(async (m) => {
      const struck = await prepare(m);
      await endServers(m);
      await killAtEffects(m, program, struck);
    }, { defaults: SMALL, checkLeftovers: false });
  }, TIMEOUT_MS);
}

story('init-primary of a new server', async (m) => ({
  command: 'init-primary (new)',
  args: ['init-primary', ...(await m.at('node1'))],
  running: [],
  streaming: {},
  expected: { primary: 'node1', streams: {}, file: { node1: null } },
}));

story('init-primary of a running foreign server', async (m) => {
  await m.foreignServer('node1', { start: false, settings: ['shared_buffers = 16MB', 'wal_level = minimal', 'max_wal_senders = 0'] });
  return {
    command: 'init-primary (adopt)',
    args: ['init-primary', ...(await m.at('node1')), '--restart'],
    running: ['node1'],
    streaming: {},
    expected: { primary: 'node1', streams: {}, file: { node1: null } },
  };
});

story('init-primary --start of a primary that was killed', async (m) => {
  await trio(m);
  return {
    command: 'init-primary --start',
    args: ['init-primary', 'node1', '--start'],
    running: ['node1', 'node2', 'node3'],
    streaming: FLAT,
    accident: async () => { await m.killServer('node1'); },
    expected: { primary: 'node1', streams: FLAT, file: FILE },
  };
});

story('add-standby', async (m) => {
  await m.ok(['init-primary', ...(await m.at('node1')), '--yes']);
  await shutDown(m, ['node1']);
  return {
    command: 'add-standby',
    args: ['add-standby', ...(await m.at('node2'))],
    running: ['node1'],
    streaming: {},
    expected: { primary: 'node1', streams: { node2: 'node1' }, file: { node1: null, node2: null } },
  };
});

story('remove-standby', async (m) => {
  await trio(m);
  return {
    command: 'remove-standby',
    args: ['remove-standby', 'node3'],
    running: ['node1', 'node2', 'node3'],
    streaming: FLAT,
    expected: { primary: 'node1', streams: { node2: 'node1' }, stopped: { node3: 0o700 }, file: { node1: null, node2: null } },
  };
});

story('follow', async (m) => {
  await trio(m);
  return {
    command: 'follow',
    args: ['follow', 'node3', '--upstream', 'node2'],
    running: ['node1', 'node2', 'node3'],
    streaming: FLAT,
    expected: { primary: 'node1', streams: { node2: 'node1', node3: 'node2' }, file: { ...FILE, node3: 'node2' } },
  };
});

story('sync any 1', async (m) => {
  await trio(m);
  return {
    command: 'sync',
    args: ['sync', 'any', '1'],
    running: ['node1', 'node2', 'node3'],
    streaming: FLAT,
    expected: { primary: 'node1', streams: FLAT, file: FILE },
  };
});

story('switchover with a synchronous set', async (m) => {
  await trio(m, 'any 1');
  return {
    command: 'switchover (sync)',
    args: ['switchover', 'node2'],
    running: ['node1', 'node2', 'node3'],
    streaming: FLAT,
    expected: { primary: 'node2', streams: { node1: 'node2', node3: 'node2' }, file: FILE },
  };
});

story('switchover', async (m) => {
  await trio(m);
  return {
    command: 'switchover',
    args: ['switchover', 'node2'],
    running: ['node1', 'node2', 'node3'],
    streaming: FLAT,
    expected: { primary: 'node2', streams: { node1: 'node2', node3: 'node2' }, file: FILE },
  };
});

story('promote after the death of the primary', async (m) => {
  await trio(m);
  return {
    command: 'promote (failover)',
    args: ['promote', 'node2', '--accept-loss', '16MB'],
    running: ['node1', 'node2', 'node3'],
    streaming: FLAT,
    accident: async () => {
      await m.eventually('node1', 'SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_insert_lsn()', '2');
      await m.killServer('node1');
    },
    expected: { primary: 'node2', streams: { node3: 'node2' }, stopped: { node1: 0o701 }, file: FILE, status: [7, 8] },
  };
});

story('rejoin by rewind', async (m) => {
  await diverged(m);
  return {
    command: 'rejoin (rewind)',
    args: ['rejoin', 'node1', '--discard'],
    running: ['node2', 'node3'],
    streaming: { node3: 'node2' },
    expected: { primary: 'node2', streams: { node1: 'node2', node3: 'node2' }, file: FILE },
  };
});

story('rejoin by a copy anew', async (m) => {
  await diverged(m);
  return {
    command: 'rejoin (copy)',
    args: ['rejoin', 'node1', '--copy', '--discard'],
    running: ['node2', 'node3'],
    streaming: { node3: 'node2' },
    expected: { primary: 'node2', streams: { node1: 'node2', node3: 'node2' }, file: FILE },
  };
});

/** node1 is the primary, node2 and node3 stream from it; all are stopped in the end, and all have the same log. */
async function trio(m: Machine, sync?: string): Promise<void> {
  await m.ok(['init-primary', ...(await m.at('node1')), '--yes']);
  for (const name of ['node2', 'node3']) await m.ok(['add-standby', ...(await m.at(name)), '--no-verify', '--yes']);
  if (sync !== undefined) await m.ok(['sync', ...sync.split(' '), '--yes']);
  await shutDown(m, ['node1', 'node2', 'node3']);
}

/** node1 has fallen out with a row that nobody else has; node2 is the primary, and node3 streams from it. */
async function diverged(m: Machine): Promise<void> {
  await trio(m);
  for (const name of ['node1', 'node2', 'node3']) await m.startServer(name);
  await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
  await m.sql('node1', 'CREATE TABLE rows (n int)');
  await m.eventually('node1', 'SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_insert_lsn()', '2');
  for (const name of ['node2', 'node3']) await m.stopServer(name);
  await m.sql('node1', 'INSERT INTO rows VALUES (1)');
  await m.killServer('node1');
  for (const name of ['node2', 'node3']) await m.startServer(name);
  await m.ok(['promote', 'node2', '--accept-loss', 'unknown', '--yes']);
  await shutDown(m, ['node2', 'node3']);
}

async function shutDown(m: Machine, names: readonly string[]): Promise<void> {
  for (const name of names) await m.stopServer(name);
  // Only what the command itself writes is in the journal then.
  await rm(`${m.root}/state/pgrepl`, { recursive: true, force: true });
}

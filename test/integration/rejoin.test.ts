import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { cutNoMore, cutOff, expectNothingLost, expectRefused, expectRoles, neverTwoWriters, type Roles } from '../support/roles.ts';
import { statusOf } from '../support/statuses.ts';
import { trioStories } from '../support/trio.ts';

const BACK: Roles = { primary: 'node2', timeline: 2, streams: { node1: 'node2', node3: 'node2' } };

/** What rejoins have kept beside the data directory of this node. */
async function keptOf(m: Machine, node: string): Promise<readonly string[]> {
  const holder = `${(await m.place(node)).pgdata}.pgrepl-kept`;
  return existsSync(holder) ? readdirSync(holder).map((name) => join(holder, name)) : [];
}

/** node1 has committed three rows that nobody received, and is gone; node2 has taken over. */
async function fallenWithThreeRows(m: Machine, how: 'crashed' | 'stopped' = 'crashed'): Promise<void> {
  await m.sql('node1', 'CREATE TABLE orders (n int); INSERT INTO orders VALUES (0)');
  for (const name of ['node2', 'node3']) await m.eventually(name, 'SELECT count(*) FROM orders', '1');
  for (const name of ['node2', 'node3']) await cutOff(m, name);
  for (const n of [1, 2, 3]) await m.sql('node1', `INSERT INTO orders VALUES (${n})`);
  if (how === 'crashed') await m.killServer('node1');
  else await m.stopServer('node1');
  for (const name of ['node2', 'node3']) await cutNoMore(m, name);
  await m.ok(['promote', 'node2', '--accept-loss', '1GB', '--yes']);
}

/** The rows are gone from the database, and can still be read in what was kept. */
async function expectKept(m: Machine, node: string): Promise<void> {
  const kept = await keptOf(m, node);
  expect(kept).toHaveLength(1);
  const [folder = ''] = kept;
  const note = readFileSync(join(folder, 'README.txt'), 'utf8');
  expect(note).toContain(`Kept by pgrepl when ${node} rejoined its cluster.`);
  expect(note).toContain('3 transactions, the last committed at ');
  expect(readdirSync(folder).sort()).toEqual(['README.txt', 'pg_wal']);
  const [, timeline = '', from = ''] = /pg_waldump -p pg_wal -t ([0-9]+) -s (\S+)/.exec(note) ?? [];
  // It ends with an error wherever a log ends.
  const dump = await m.program('pg_waldump', ['-p', join(folder, 'pg_wal'), '-t', timeline, '-s', from, '-r', 'Transaction']).catch(String);
  expect(dump.match(/desc: COMMIT/g)).toHaveLength(3);
}

trioStories({}, (trio, { each, once }) => {
  each('case 33: the crashed primary has three rows that nobody else has: refused with the count; with --discard it is rewound, streams under its own port, and the rows are kept (J01, J12, J15, J16, J17, J20, J21, I02, I20, D05)', async () => {
    await trio(async (m) => {
      await fallenWithThreeRows(m);
      const { port, pgdata } = await m.place('node1');
      const hba = readFileSync(join(pgdata, 'pg_hba.conf'), 'utf8');
      const refused = await expectRefused(m, ['rejoin', 'node1']);
      expect(refused['would-discard']).toMatch(/node1 has what node2 does not have: 3 transactions, the last committed at .* \([0-9]+ bytes of WAL past 0\/[0-9A-F]+\); rows were written to postgres\.public\.orders$/);
      const dry = await m.ok(['rejoin', 'node1', '--discard', '--dry-run']);
      expect(dry.stdout).toMatch(/rewind: node2 left timeline 1 at 0\/[0-9A-F]+, and node1 ends at 0\/[0-9A-F]+ on timeline 1: [0-9]+ bytes past it/);
      expect(await keptOf(m, 'node1')).toEqual([]);
      await neverTwoWriters(m, async () => await m.ok(['rejoin', 'node1', '--discard', '--yes']));
      await expectRoles(m, BACK);
      expect(await m.sql('node1', 'SHOW port')).toBe(String(port));
      expect(readFileSync(join(pgdata, 'pg_hba.conf'), 'utf8')).toBe(hba);
      expect(readFileSync(join((await m.place('node2')).pgdata, 'pg_hba.conf'), 'utf8')).not.toContain('rewind');
      expect(await m.sql('node2', `SELECT has_function_privilege('replicator', 'pg_read_binary_file(text)', 'EXECUTE')`)).toBe('f');
      expect(await m.sql('node1', 'SELECT array_agg(n) FROM orders')).toBe('{0}');
      await expectKept(m, 'node1');
      expect(await statusOf(m)).toMatchObject({ exit: 0, primary: 'node2', nodes: { node1: { state: 'streaming', upstream: 'node2' } } });
      expect((await m.ok(['rejoin', 'node1', '--discard', '--yes', '--json'])).json.at(-1)).toMatchObject({ outcome: 'unchanged' });
      // A standby as good as any other.
      await m.ok(['switchover', 'node1', '--yes']);
      await expectRoles(m, { primary: 'node1', timeline: 3, streams: { node2: 'node1', node3: 'node1' } });
    });
  });

  each('case 34: neither checksums nor hints: refused, a copy anew is offered, and does it; the old directory is moved aside whole (J10, D01, V3)', async () => {
    await trio(async (m) => {
      await fallenWithThreeRows(m, 'stopped');
      const { pgdata } = await m.place('node1');
      await m.program('pg_checksums', ['--disable', '-D', pgdata]);
      expect(await expectRefused(m, ['rejoin', 'node1', '--discard'])).toMatchObject({ 'no-hints': 'pg_rewind cannot bring node1 back: it has neither checksums nor wal_log_hints' });
      const both = await m.pgrepl(['rejoin', 'node1', '--yes']);
      expect([both.exit, both.stderr]).toEqual([3, expect.stringContaining('pgrepl rejoin node1 --copy --discard')]);
      expect(await expectRefused(m, ['rejoin', 'node1', '--copy'])).toHaveProperty('would-discard');
      await m.ok(['rejoin', 'node1', '--copy', '--discard', '--yes']);
      await expectRoles(m, BACK);
      const [folder = ''] = await keptOf(m, 'node1');
      expect(readdirSync(folder).sort()).toEqual(['README.txt', 'data']);
      expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o701);
      expect(existsSync(join(folder, 'data', 'standby.signal'))).toBe(false);
      expect(await m.sql('node1', 'SELECT array_agg(n) FROM orders')).toBe('{0}');
    });
  });

  each('nothing needed: a primary that was shut down with everything received comes back without a rewind (J02, V13)', async () => {
    await trio(async (m) => {
      const writer = await m.writer(['node1']);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const { acknowledged } = await writer.stop();
      await m.stopServer('node1');
      await m.ok(['promote', 'node2', '--yes']);
      const dry = await m.ok(['rejoin', 'node1', '--dry-run']);
      expect(dry.stdout).toMatch(/nothing needed: node2 left timeline 1 at (\S+), and node1 ends at \1 on timeline 1, not beyond it; it is started as a standby of node2/);
      expect(dry.stdout).not.toContain('pg_rewind');
      await m.ok(['rejoin', 'node1', '--yes']);
      await expectRoles(m, BACK);
      expect(await m.missing('node1', acknowledged)).toEqual([]);
      expect(await keptOf(m, 'node1')).toEqual([]);
    });
  });

  each('nothing needed: an ordinary standby that was stopped is started, and one that looks elsewhere is re-pointed', async () => {
    await trio(async (m) => {
      await m.stopServer('node3');
      await m.ok(['switchover', 'node2', '--yes']);
      await m.ok(['rejoin', 'node3', '--yes']);
      await expectRoles(m, BACK);
      await cutOff(m, 'node3', 'node2');
      await m.ok(['rejoin', 'node3', '--yes']);
      await expectRoles(m, BACK);
      expect((await m.ok(['rejoin', 'node3', '--yes', '--json'])).json.at(-1)).toMatchObject({ outcome: 'unchanged' });
    });
  });

  each('two standbys promoted apart have the same timeline number: never "nothing needed", never a rewind, only a copy anew (X10, X11, J01, J07)', async () => {
    await trio(async (m) => {
      await m.stopServer('node1');
      for (const name of ['node2', 'node3']) await m.sql(name, 'SELECT pg_promote()');
      for (const [name, row] of [['node2', 111], ['node3', 222]] as const) await m.sql(name, `CREATE TABLE fork AS SELECT ${row} n`);
      expect(await expectRefused(m, ['rejoin', 'node3'])).toHaveProperty('two-primaries');
      await m.stopServer('node3');
      const reasons = await expectRefused(m, ['rejoin', 'node3', '--discard']);
      expect(reasons['other-history']).toMatch(/node3 ends at 0\/[0-9A-F]+ on timeline 2; node2 has other bytes in its log from 0\/[0-9A-F]+ on/);
      expect((await expectRefused(m, ['rejoin', 'node3']))['would-discard']).toMatch(/node3 has what node2 does not have: up to [0-9]+ transactions?, /);
      await m.ok(['rejoin', 'node3', '--copy', '--discard', '--yes']);
      expect(await m.sql('node3', 'SELECT n FROM fork')).toBe('111');
      await m.ok(['rejoin', 'node1', '--yes']);
      await expectRoles(m, BACK);
    });
  });

  once('a running standby that is ahead of the new primary is stopped, rewound, and streams again (J02, J24)', async () => {
    await trio(async (m) => {
      await m.sql('node1', 'CREATE TABLE orders (n int)');
      await m.eventually('node2', 'SELECT count(*) FROM orders', '0');
      await cutOff(m, 'node2');
      await m.sql('node1', 'INSERT INTO orders VALUES (1)');
      await m.eventually('node3', 'SELECT count(*) FROM orders', '1');
      await m.stopServer('node1');
      await m.ok(['promote', 'node2', '--accept-loss', '1GB', '--yes']);
      expect((await expectRefused(m, ['rejoin', 'node3']))['would-discard']).toContain('node3 has what node2 does not have: 1 transaction, ');
      await m.ok(['rejoin', 'node3', '--discard', '--yes']);
      await m.ok(['rejoin', 'node1', '--discard', '--yes']);
      await expectRoles(m, BACK);
      expect(await m.sql('node3', 'SELECT count(*) FROM orders')).toBe('0');
    });
  });

  once('under a writer: nothing that the new primary acknowledged is lost by a rejoin, and nobody else was ever writable (V1, V2, V13)', async () => {
    await trio(async (m) => {
      await fallenWithThreeRows(m);
      const writer = await m.writer(['node2']);
      await neverTwoWriters(m, async () => await m.ok(['rejoin', 'node1', '--discard', '--yes']));
      await expectNothingLost(m, writer, BACK);
      await expectRoles(m, BACK);
    });
  });
});

import { existsSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { chown, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withMachine, type Machine } from '../support/cluster.ts';
import { fallenWithThreeRows, keptOf } from '../support/rejoins.ts';
import { cutNoMore, cutOff, expectNothingLost, expectRefused, expectRoles, neverTwoWriters, type Roles } from '../support/roles.ts';
import { serverAccount } from '../support/server-account.ts';
import { statusOf } from '../support/statuses.ts';
import { trioStories } from '../support/trio.ts';
import { wrongSlots } from '../support/wrong-slots.ts';

const BACK: Roles = { primary: 'node2', timeline: 2, streams: { node1: 'node2', node3: 'node2' } };

/** Directories of the servers' owner. */
async function ofTheServer(...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(path, { mode: 0o700 });
    await chown(path, serverAccount().uid, serverAccount().gid);
  }
}

async function until(look: () => Promise<boolean>): Promise<void> {
  for (let round = 0; !(await look()); round += 1) {
    if (round > 3000) throw new Error('it never came');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
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

  once('a clone that came up as a primary, on the timeline of the real one: never a plain start, never a rewind (D05, X1, X11, J01)', async () => {
    await trio(async (m) => {
      const { pgdata } = await m.place('node3');
      await m.stopServer('node3');
      await rm(join(pgdata, 'standby.signal'));
      await m.startServer('node3');
      await m.sql('node3', 'CREATE TABLE stray AS SELECT 1 n');
      await m.sql('node1', 'CREATE TABLE wanted AS SELECT 1 n');
      expect(await expectRefused(m, ['rejoin', 'node3'])).toHaveProperty('two-primaries');
      await m.stopServer('node3');
      expect((await expectRefused(m, ['rejoin', 'node3', '--discard']))['other-history']).toContain('node1 has other bytes in its log');
      await m.ok(['rejoin', 'node3', '--copy', '--discard', '--yes']);
      await expectRoles(m, { primary: 'node1', timeline: 1, streams: { node2: 'node1', node3: 'node1' } });
    });
  });

  once('a second failover while node1 is half rewound: refused, its directory stays locked, and a copy anew brings it back (J15, rej.7, rej.13)', async () => {
    await trio(async (m) => {
      await fallenWithThreeRows(m);
      const { pgdata } = await m.place('node1');
      const running = m.start(['rejoin', 'node1', '--discard', '--yes', '--json']);
      await until(async () => (await keptOf(m, 'node1')).some((folder) => existsSync(join(folder, 'begun'))));
      running.child.kill('SIGKILL');
      await running.ended;
      await m.settled();
      expect(statSync(pgdata).mode & 0o777).toBe(0o701);
      await expect(m.startServer('node1')).rejects.toThrow();
      const status = await statusOf(m);
      expect(status.exit).not.toBe(0);
      await m.stopServer('node2');
      await m.ok(['promote', 'node3', '--accept-loss', '1GB', '--yes']);
      expect((await expectRefused(m, ['rejoin', 'node1', '--discard']))['primary-changed']).toContain('node1 was being rewound to node2 on timeline 2, and node3 is the primary on timeline 3 now');
      await m.ok(['rejoin', 'node1', '--copy', '--discard', '--yes']);
      await m.ok(['rejoin', 'node2', '--discard', '--yes']);
      await expectRoles(m, { primary: 'node3', timeline: 3, streams: { node1: 'node3', node2: 'node3' } });
    });
  });
});

test('with a tablespace, files that its owner may not write, and configuration of its own: by rewind, and by a copy anew that moves the old tablespace aside (D20, J16, J18, J20)', async () => {
  await withMachine(async (m) => {
    const { pgdata } = await m.place('node1');
    const space = (name: string): string => join(m.root, 'spaces', name);
    await ofTheServer(join(m.root, 'spaces'), join(m.root, 'spaces', 'node1'), join(m.root, 'spaces', 'node2'));
    await m.ok(['init-primary', ...(await m.at('node1')), '--yes']);
    await m.sql('node1', `CREATE TABLESPACE fast LOCATION '${space('node1')}'`);
    await m.ok(['add-standby', ...(await m.at('node2')), '--tablespace', `${space('node1')}=${space('node2')}`, '--no-verify', '--yes']);
    await m.sql('node1', 'CREATE TABLE orders (n int) TABLESPACE fast; INSERT INTO orders VALUES (0)');
    await m.eventually('node2', 'SELECT count(*) FROM orders', '1');
    const fall = async (from: string, to: string): Promise<void> => {
      await cutOff(m, to, from);
      await m.sql(from, 'INSERT INTO orders SELECT generate_series(1, 5000)');
      await m.killServer(from);
      await cutNoMore(m, to);
      await m.ok(['promote', to, '--accept-loss', '1GB', '--yes']);
      await m.sql(to, 'UPDATE orders SET n = n');
    };
    writeFileSync(join(pgdata, 'postgresql.conf'), `${readFileSync(join(pgdata, 'postgresql.conf'), 'utf8')}work_mem = '7MB'\n`);
    await ofTheServer(join(pgdata, 'certs'));
    const key = join(pgdata, 'certs', 'server.key');
    writeFileSync(key, 'a key', { mode: 0o400 });
    await chown(key, serverAccount().uid, serverAccount().gid);
    await fall('node1', 'node2');
    await m.ok(['rejoin', 'node1', '--discard', '--yes']);
    await expectRoles(m, { primary: 'node2', timeline: 2, streams: { node1: 'node2' } });
    expect(await m.sql('node1', 'SELECT count(*) FROM orders')).toBe('1');
    expect(await m.sql('node1', 'SHOW work_mem')).toBe('7MB');
    expect([readFileSync(key, 'utf8'), statSync(key).mode & 0o777, statSync(key).uid]).toEqual(['a key', 0o400, serverAccount().uid]);
    expect(await m.sql('node1', `SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'`)).toBe(space('node1'));

    await fall('node2', 'node1');
    await m.ok(['rejoin', 'node2', '--copy', '--discard', '--yes']);
    await expectRoles(m, { primary: 'node1', timeline: 3, streams: { node2: 'node1' } });
    expect(await m.sql('node2', 'SELECT count(*) FROM orders')).toBe('1');
    expect(await m.sql('node2', `SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'`)).toBe(space('node2'));
    const [folder = ''] = await keptOf(m, 'node2');
    const [link = ''] = readdirSync(join(folder, 'data', 'pg_tblspc'));
    expect(realpathSync(join(folder, 'data', 'pg_tblspc', link))).toMatch(/spaces\/node2\.pgrepl-kept-timeline-2-after-/);
    expect(await wrongSlots(m)).toEqual([]);
  });
}, 180_000);

import { spawn } from 'node:child_process';
import { readFile, rename, writeFile, mkdir, readdir } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { freeze, thaw } from '../support/freeze.ts';
import { allHaveAll, cutNoMore, cutOff, errorIn, expectLocked, expectNothingLost, expectRefused, expectRoles, neverTwoWriters, upstreamKeys, walOf, type Roles } from '../support/roles.ts';
import { statusOf } from '../support/statuses.ts';
import { trioStories } from '../support/trio.ts';

const AFTER: Roles = { primary: 'node2', timeline: 2, streams: { node3: 'node2' } };

trioStories({}, (trio, { each, once }) => {
  each('case 27: promote --failover while the primary runs is refused, and nothing is changed (H01)', async () => {
    await trio(async (m) => {
      expect(await expectRefused(m, ['promote', 'node2', '--failover'])).toMatchObject({ 'primary-runs': expect.stringContaining('node1 runs and takes writes') });
      expect(await expectRefused(m, ['promote', 'node2', '--fenced', 'pulled the plug', '--accept-loss', 'unknown'])).toMatchObject({ 'fence-contradicted': expect.stringContaining('node1 runs and takes writes') });
      await expectRoles(m, { primary: 'node1', timeline: 1, streams: { node2: 'node1', node3: 'node1' } });
    });
  });

  each('case 28: the primary is stopped: the newest standby takes over, the other follows, the old primary is locked (E07, H13, H24, I01, I02)', async () => {
    await trio(async (m) => {
      await m.sql('node1', 'CREATE TABLE kept AS SELECT 42 n');
      await m.stopServer('node1');
      const wal = await walOf(m, 'node1');
      const dry = await m.pgrepl(['promote', 'node2', '--dry-run']);
      expect(dry.exit).toBe(0);
      expect(dry.stdout).toContain('if node1 can simply be started again, that loses nothing: pgrepl init-primary node1 --start');
      await m.ok(['promote', 'node2', '--yes']);
      await expectRoles(m, AFTER);
      expect(await m.sql('node2', 'SELECT n FROM kept')).toBe('42');
      expect(await m.rows('node2', 'SELECT slot_name, active FROM pg_replication_slots')).toEqual([['node3', 't']]);
      await expectLocked(m, 'node1', wal);
      const seen = await statusOf(m);
      expect(seen).toMatchObject({ exit: 7, primary: 'node2', nodes: { node1: { state: 'stopped' }, node3: { state: 'streaming', upstream: 'node2' } } });
      expect(seen.finding('fenced').says).toContain('it has not diverged');
      const again = await m.ok(['promote', 'node2', '--yes', '--json']);
      expect(again.json.at(-1)).toMatchObject({ outcome: 'unchanged' });
      await expectLocked(m, 'node1', wal);
    });
  });

  once('a shell that somebody left in the data directory is no server: a switchover and a failover go on around it', async () => {
    await trio(async (m) => {
      const shells = await Promise.all(['node1', 'node2'].map(async (name) => spawn('sh', ['-c', 'read line'], { cwd: (await m.place(name)).pgdata, stdio: ['pipe', 'ignore', 'ignore'] })));
      try {
        await m.ok(['switchover', 'node2', '--yes']);
        await m.stopServer('node2');
        await m.ok(['promote', 'node1', '--failover', '--yes']);
        await expectRoles(m, { primary: 'node1', timeline: 3, streams: { node3: 'node1' } });
      } finally {
        for (const shell of shells) shell.kill('SIGKILL');
      }
    });
  });

  each('case 29: S2 is 5 MB ahead of the named S1: refused, names S2 and the bytes (H03)', async () => {
    await trio(async (m) => {
      await cutOff(m, 'node2');
      const from = await m.sql('node2', 'SELECT pg_last_wal_replay_lsn()');
      await m.sql('node1', `CREATE TABLE big AS SELECT repeat('x', 1000) t FROM generate_series(1, 5000)`);
      await m.stopServer('node1');
      const ahead = Number(await m.sql('node3', `SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '${from}'`));
      expect(ahead).toBeGreaterThan(5_000_000);
      const reasons = await expectRefused(m, ['promote', 'node2']);
      expect(reasons['better-candidate']).toContain(`node3 is ahead of node2 by ${ahead} bytes`);
      expect(reasons['loss']).toContain('would be lost');
      // Left to itself it takes the better one, and the one that is behind follows.
      await m.ok(['promote', '--yes']);
      await expectRoles(m, { primary: 'node3', timeline: 2, streams: { node2: 'node3' } });
      expect(await m.sql('node3', 'SELECT count(*) FROM big')).toBe('5000');
    });
  });

  once('the named standby behind another one, with the loss accepted: the better one is told that it cannot follow', async () => {
    await trio(async (m) => {
      await cutOff(m, 'node2');
      await m.sql('node1', 'CREATE TABLE big AS SELECT generate_series(1, 20000) n');
      await m.stopServer('node1');
      const loss = /([0-9]+) bytes/.exec((await expectRefused(m, ['promote', 'node2']))['loss'] ?? '')?.[1] ?? '';
      const ran = await m.ok(['promote', 'node2', '--accept-loss', loss, '--yes']);
      expect(ran.stderr + ran.stdout).toContain('node3 is ahead of node2 and cannot follow it');
      await expectRoles(m, { primary: 'node2', timeline: 2, streams: {} });
      expect(await m.sql('node3', 'SELECT pg_is_in_recovery()')).toBe('t');
      expect(await m.sql('node3', `SELECT count(*) FROM big`)).toBe('20000');
    }, { slots: false });
  });

  each('case 30: an old primary that cannot be seen: refused; with the statement and the loss accepted done, and its fencing steps printed (H02, I21)', async () => {
    await trio(async (m) => {
      const { pgdata } = await m.place('node1');
      await m.killServer('node1');
      await rename(pgdata, `${pgdata}.elsewhere`);
      const began = performance.now();
      const reasons = await expectRefused(m, ['promote', 'node2']);
      expect(performance.now() - began).toBeLessThan(15_000);
      expect(reasons['cannot-prove-stopped']).toContain('it cannot be proved that node1 is stopped');
      expect(await expectRefused(m, ['promote', 'node2', '--fenced', 'power off at the PDU'])).toMatchObject({ 'loss-unknown': expect.stringContaining('unknown') });
      const ran = await m.ok(['promote', 'node2', '--fenced', 'power off at the PDU', '--accept-loss', 'unknown', '--yes']);
      expect(ran.stderr + ran.stdout).toContain(`chmod 0701 ${pgdata}`);
      await expectRoles(m, AFTER);
      const seen = await statusOf(m);
      expect(seen.exit).toBe(8);
      expect(seen.finding('open-fence')).toMatchObject({ node: 'node1', level: 'critical' });
      expect(seen.finding('open-fence').says).toContain('power off at the PDU');
      expect(await readFile(m.clusterFile, 'utf8')).toContain('power off at the PDU');
      await rename(`${pgdata}.elsewhere`, pgdata);
    });
  });

  once('a statement that the primary was shut off is refused while its processes live, or a standby still streams from it (H02, I23)', async () => {
    await trio(async (m) => {
      const { pgdata } = await m.place('node1');
      const stated = ['promote', 'node2', '--fenced', 'shot', '--accept-loss', 'unknown'];
      await freeze(m, 'node1');
      expect(await expectRefused(m, stated)).toMatchObject({ 'fence-contradicted': expect.stringContaining('node1 has a living server') });
      expect(await expectRefused(m, ['promote', 'node2'])).toMatchObject({ 'cannot-prove-stopped': expect.stringContaining('node1') });
      expect(await expectRefused(m, ['promote', 'node2', '--failover'])).toMatchObject({ 'cannot-prove-stopped': expect.stringContaining('node1') });
      await thaw(m, 'node1');
      await rename(pgdata, `${pgdata}.elsewhere`);
      try {
        expect(await expectRefused(m, stated)).toMatchObject({ 'witness-sees-primary': expect.stringMatching(/node[23] still streams from the old primary/) });
      } finally {
        await rename(`${pgdata}.elsewhere`, pgdata);
      }
      await expectRoles(m, { primary: 'node1', timeline: 1, streams: { node2: 'node1', node3: 'node1' } });
    });
  });

  each('a crash under a writer, with everything received: nothing acknowledged is lost, and nobody else was ever writable', async () => {
    await trio(async (m) => {
      await m.sql('node1', `ALTER SYSTEM SET synchronous_standby_names = 'FIRST 2 (node2, node3)'`);
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'`, '2');
      const writer = await m.writer(['node1', 'node2', 'node3']);
      await writer.more(50);
      await m.killServer('node1');
      const wal = await walOf(m, 'node1');
      await neverTwoWriters(m, async () => {
        const ran = await m.pgrepl(['promote', 'node2', '--yes', '--json']);
        // What was never acknowledged may be in the log of the old primary alone; naming it is enough.
        const bytes = ran.exit === 3 ? /([0-9]+) bytes/.exec(errorIn(ran).message)?.[1] : undefined;
        await m.ok(['promote', 'node2', ...(bytes === undefined ? [] : ['--accept-loss', bytes]), '--yes']);
        await writer.more(20);
      });
      await expectNothingLost(m, writer, AFTER);
      await expectRoles(m, AFTER);
      await expectLocked(m, 'node1', wal);
    });
  });

  each('a crash with rows that no standby has: refused with the bytes; exactly that much must be accepted', async () => {
    await trio(async (m) => {
      await m.sql('node1', 'CREATE TABLE rows (n int)');
      await allHaveAll(m);
      for (const name of ['node2', 'node3']) await cutOff(m, name);
      await m.sql('node1', 'INSERT INTO rows VALUES (1), (2), (3)');
      const end = await m.sql('node1', 'SELECT pg_current_wal_flush_lsn()');
      const wanted = Number(await m.sql('node2', `SELECT '${end}' - greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())`));
      await m.killServer('node1');
      const wal = await walOf(m, 'node1');
      for (const name of ['node2', 'node3']) await cutNoMore(m, name);
      const reasons = await expectRefused(m, ['promote', 'node2']);
      const bytes = Number(/([0-9]+) bytes/.exec(reasons['loss'] ?? '')?.[1]);
      // The server may have logged a record of its own after the last answer.
      expect(bytes).toBeGreaterThanOrEqual(wanted);
      expect(bytes).toBeLessThan(wanted + 2_000);
      expect(await expectRefused(m, ['promote', 'node2', '--accept-loss', String(bytes - 1)])).toHaveProperty('loss');
      await m.ok(['promote', 'node2', '--accept-loss', String(bytes), '--yes']);
      await expectRoles(m, AFTER);
      expect(await m.sql('node2', 'SELECT count(*) FROM rows')).toBe('0');
      await expectLocked(m, 'node1', wal);
    });
  });

  each('a crash, and the log of the old primary cannot be read: only "unknown" accepts that (H04)', async () => {
    await trio(async (m) => {
      await m.killServer('node1');
      const { pgdata } = await m.place('node1');
      const gone = join(m.root, 'gone');
      await mkdir(gone);
      for (const name of (await readdir(join(pgdata, 'pg_wal'))).filter((one) => /^[0-9A-F]{24}$/.test(one))) await rename(join(pgdata, 'pg_wal', name), join(gone, name));
      expect(await expectRefused(m, ['promote', 'node2'])).toHaveProperty('loss-unknown');
      expect(await expectRefused(m, ['promote', 'node2', '--accept-loss', '100GB'])).toHaveProperty('loss-unknown');
      await m.ok(['promote', 'node2', '--accept-loss', 'unknown', '--yes']);
      await expectRoles(m, AFTER);
    });
  });

  each('the best candidate by what it replayed, when a restart has made its received position look old (G08, X17)', async () => {
    await trio(async (m) => {
      await cutOff(m, 'node3');
      await m.sql('node1', 'CREATE TABLE big AS SELECT generate_series(1, 20000) n');
      await m.eventually('node2', 'SELECT count(*) FROM big', '20000');
      await m.eventually('node1', 'SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_insert_lsn()', '1');
      await m.killServer('node1');
      await m.stopServer('node2');
      await m.startServer('node2');
      expect(await m.sql('node2', 'SELECT coalesce(pg_last_wal_receive_lsn(), \'0/0\') < pg_last_wal_replay_lsn()')).toBe('t');
      await m.ok(['promote', '--yes']);
      await expectRoles(m, AFTER);
      expect(await m.sql('node3', 'SELECT count(*) FROM big')).toBe('20000');
    });
  });

  each('a standby with a parameter lower than its primary ran with is never promoted, whatever is accepted (A03, X12)', async () => {
    await trio(async (m) => {
      await m.sql('node1', 'ALTER SYSTEM SET max_connections = 137');
      await m.stopServer('node1');
      await m.startServer('node1');
      await m.sql('node1', 'CREATE TABLE t (n int)');
      for (const name of ['node2', 'node3']) await m.eventually(name, 'SELECT pg_is_wal_replay_paused()', 't');
      await m.killServer('node1');
      const reasons = await expectRefused(m, ['promote', 'node2', '--accept-loss', 'unknown']);
      expect(reasons['parameter-too-low']).toContain('max_connections of node2 is 100, and its primary runs with 137');
      // Raised and restarted it may.
      await m.sql('node2', 'ALTER SYSTEM SET max_connections = 137');
      await m.stopServer('node2');
      await m.startServer('node2');
      await m.eventually('node2', `SELECT to_regclass('t') IS NOT NULL`, 't');
      const ran = await m.pgrepl(['promote', 'node2', '--accept-loss', 'unknown', '--yes']);
      expect(ran.exit).toBe(5);
      expect(ran.stderr).toContain('node3 cannot replay what node2 writes: max_connections is 100 there and 137 on node2; raise it and restart node3');
      expect(ran.stderr).toContain('node3 does not stream from node2 yet: replay is paused on node3');
      await expectRoles(m, { primary: 'node2', timeline: 2, streams: {} });
      expect((await m.pgrepl(['promote', 'node2', '--yes'])).exit).toBe(5);
      await m.sql('node3', 'ALTER SYSTEM SET max_connections = 137');
      await m.stopServer('node3');
      await m.startServer('node3');
      await m.ok(['promote', 'node2', '--yes']);
      await expectRoles(m, AFTER);
    });
  });

  once('a promote whose answer stays out is unknown (6): nobody else is promoted meanwhile, and the same command sees it through (H05)', async () => {
    await trio(async (m) => {
      await m.stopServer('node1');
      await freeze(m, 'node2', /startup/);
      const promoting = m.start(['promote', 'node2', '--yes', '--json']);
      await promoting.until(/"event":"no-return"/);
      await m.eventually('node2', `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgrepl%'`, '1').catch(() => undefined);
      while (!existsSync(join((await m.place('node2')).pgdata, 'promote'))) await new Promise((resolve) => setTimeout(resolve, 5));
      await freeze(m, 'node2');
      const ran = await promoting.ended;
      expect([ran.exit, ran.json.at(-1)]).toMatchObject([6, { outcome: 'unknown', error: { code: 'promote-unknown', hint: 'The request stays in force. Do not promote another node.' } }]);
      const elsewhere = await m.pgrepl(['promote', 'node3', '--accept-loss', 'unknown', '--yes', '--json']);
      expect([elsewhere.exit, JSON.stringify(errorIn(elsewhere))]).toEqual([3, expect.stringContaining('promote-pending')]);
      await thaw(m, 'node2');
      await m.eventually('node2', 'SELECT pg_is_in_recovery()', 'f');
      await m.ok(['promote', 'node2', '--yes']);
      await expectRoles(m, AFTER);
    });
  });

  once('what breaks is told before: unlogged tables, and a synchronous list that no standby is on; the failover itself waits for neither (H16, F01)', async () => {
    await trio(async (m) => {
      await m.sql('node1', 'CREATE UNLOGGED TABLE cache (n int)');
      await m.eventually('node2', `SELECT to_regclass('cache') IS NOT NULL`, 't');
      await m.sql('node2', `ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (elsewhere)'`);
      await m.sql('node2', 'SELECT pg_reload_conf()');
      await m.stopServer('node1');
      const { stdout } = await m.ok(['promote', 'node2', '--dry-run']);
      expect(stdout).toContain('unlogged tables will be empty: postgres.public.cache');
      expect(stdout).toContain('synchronous_standby_names of node2 is "ANY 1 (elsewhere)", and none of its standbys is named: commits of clients will wait');
      const ran = await m.ok(['promote', 'node2', '--yes']);
      expect(ran.ms).toBeLessThan(30_000);
      expect((await statusOf(m)).finding('commits-wait')).toMatchObject({ node: 'node2', level: 'critical' });
      await m.sql('node2', 'ALTER SYSTEM RESET synchronous_standby_names');
      await m.sql('node2', 'SELECT pg_reload_conf()');
      await expectRoles(m, AFTER);
    });
  });

  once('a cascade under the new primary stays where it is, and the cluster file names nobody wrongly', async () => {
    await trio(async (m) => {
      expect(upstreamKeys(m)).toEqual({ node3: 'node2' });
      await m.stopServer('node1');
      await m.ok(['promote', 'node2', '--yes']);
      await expectRoles(m, AFTER);
      expect(upstreamKeys(m)).toEqual({});
    }, { upstreams: { node3: 'node2' } });
  });

  once('pro.4 a started old primary after the plan was shown: it is seen again before the request, and refused', async () => {
    await trio(async (m) => {
      await m.stopServer('node1');
      await freeze(m, 'node3');
      const ran = m.start(['promote', 'node2', '--failover', '--yes', '--json']);
      // It waits for node3 to answer; meanwhile somebody starts the old primary.
      await m.startServer('node1');
      await thaw(m, 'node3');
      const { exit } = await ran.ended;
      expect([3, 4]).toContain(exit);
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      await expectRoles(m, { primary: 'node1', timeline: 1, streams: { node2: 'node1', node3: 'node1' } });
    });
  });

  once('nobody was the primary by any file: refused', async () => {
    await trio(async (m) => {
      const text = await readFile(m.clusterFile, 'utf8');
      await writeFile(m.clusterFile, text.replace(/ {2}node1:\n(?: {4}.*\n)+/, ''));
      const reasons = await expectRefused(m, ['promote', 'node2']);
      expect(Object.keys(reasons)).toContain('no-old-primary');
      expect((await expectRefused(m, ['promote', 'node2', '--fenced', 'it is gone', '--accept-loss', 'unknown']))['no-old-primary']).toBeDefined();
    });
  });
});

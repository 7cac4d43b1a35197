import { chmod, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { freeze, thaw } from '../support/freeze.ts';
import { allHaveAll, cutNoMore, cutOff, expectRefused, expectRoles, neverTwoWriters, type Roles } from '../support/roles.ts';
import { statusOf } from '../support/statuses.ts';
import { trioStories } from '../support/trio.ts';

const AFTER: Roles = { primary: 'node2', timeline: 2, streams: { node3: 'node2' } };

/** The notices of a dry run. */
interface DryRun {
  readonly plan: { readonly notices: readonly string[]; readonly question: string | null };
  readonly refusals: readonly { readonly code: string; readonly message: string; readonly hint: string | null }[];
  readonly error: { readonly details: readonly string[] } | null;
}

trioStories({}, (trio, { each, once }) => {
  each('F04 F05 H03 what a failover would lose is told before: bytes, commits with their times, and what the synchronous set proves', async () => {
    await trio(async (m) => {
      await m.sql('node1', 'CREATE TABLE rows (n int)');
      await m.sql('node1', `ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (node2, node3)'`);
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'`, '2');
      await m.sql('node1', 'INSERT INTO rows VALUES (1)');
      await allHaveAll(m);
      // Two commits on node3 alone, acknowledged by it; then two that nobody has, and nobody was told of.
      await cutOff(m, 'node2');
      await m.sql('node1', 'INSERT INTO rows VALUES (2)');
      await m.sql('node1', 'INSERT INTO rows VALUES (3)');
      await cutOff(m, 'node3');
      await m.sql('node1', 'SET synchronous_commit = local; INSERT INTO rows VALUES (4)');
      await m.sql('node1', 'SET synchronous_commit = local; INSERT INTO rows VALUES (5)');
      await m.killServer('node1');
      for (const name of ['node2', 'node3']) await cutNoMore(m, name);

      const behind = await expectRefused(m, ['promote', 'node2']);
      expect(behind['better-candidate']).toMatch(/^node3 is ahead of node2 by [0-9]+ bytes/);
      expect(behind['loss']).toMatch(/^[0-9]+ bytes(?: \(.*\))? that node1 wrote are not on node2 and would be lost: 4 commits, (?:at|from 20[0-9-]+ [0-9:]+ UTC to) 20[0-9-]+ [0-9:]+ UTC$/);
      const best = await m.pgrepl(['promote', '--dry-run', '--accept-loss', 'unknown', '--json']);
      const { plan } = best.json[0] as unknown as DryRun;
      const notices = plan.notices.join('\n');
      expect(notices).toMatch(/node1 crashed \(in production\); its log ends at [0-9A-F/]+/);
      expect(notices).toMatch(/^node3: timeline 1, has [0-9A-F/]+, [0-9.]+ k?B(?: \([0-9]+ B\))? and (?:less than )?[0-9.]+ s behind node1, last commit replayed [0-9]+ s ago \(20[0-9-]+ [0-9:]+ UTC\)$/m);
      expect(notices).toMatch(/^lost: [0-9]+ bytes(?: \([0-9.]+ k?B\))?: 2 commits/m);
      expect(notices).toContain('proof that nothing acknowledged is lost: complete: with ANY 1 ("node2", "node3") any 2 of 2 names hold every acknowledged commit, 2 are seen, and none is ahead of node3');
      expect(plan.question).toMatch(/^Promote node3, and leave node1 behind, and lose [0-9.]+ k?B\?$/);

      // One of the two names away: the other one may be the one without.
      await m.stopServer('node2');
      const dry = await m.pgrepl(['promote', 'node3', '--dry-run', '--json']);
      const { refusals, error } = dry.json[0] as unknown as DryRun;
      expect([dry.exit, refusals.map(({ code }) => code)]).toEqual([3, ['loss']]);
      expect(error?.details.join('\n')).toContain('not complete: ANY 1 ("node2", "node3"): 2 of its 2 names must be seen, and node2 is not');
      await m.startServer('node2');
      const bytes = /([0-9]+) bytes/.exec((await expectRefused(m, ['promote', 'node3']))['loss'] ?? '')?.[1] ?? '';
      await m.ok(['promote', 'node3', '--accept-loss', bytes, '--yes']);
      await expectRoles(m, { primary: 'node3', timeline: 2, streams: { node2: 'node3' } });
      expect(await m.sql('node3', `SELECT string_agg(n::text, ' ' ORDER BY n) FROM rows`)).toBe('1 2 3');
    });
  });

  each('H04 pro.2 a standby that is stopped and has more is named, with the bytes; one that cannot be seen may have more', async () => {
    await trio(async (m) => {
      await cutOff(m, 'node2');
      await m.sql('node1', 'CREATE TABLE big AS SELECT generate_series(1, 20000) n');
      await m.eventually('node3', 'SELECT count(*) FROM big', '20000');
      await m.stopServer('node3');
      await m.killServer('node1');
      const stopped = await expectRefused(m, ['promote', 'node2']);
      expect(stopped['standby-may-have-more']).toMatch(/^node3 is stopped, and has [0-9.]+ MB \([0-9]+ B\) more than node2$/);
      expect(Number(/\(([0-9]+) B\)/.exec(stopped['standby-may-have-more'] ?? '')?.[1])).toBeGreaterThan(1_000_000);
      const { pgdata } = await m.place('node3');
      await rename(pgdata, `${pgdata}.elsewhere`);
      expect(await expectRefused(m, ['promote', 'node2', '--fenced', 'node3 is off'])).toMatchObject({ loss: expect.stringContaining('would be lost'), 'standby-may-have-more': expect.stringMatching(/^node3 cannot be seen \(.*\), and may have more than node2$/) });
      await rename(`${pgdata}.elsewhere`, pgdata);
      await m.startServer('node3');
      // It comes to be what it was named for.
      await m.ok(['promote', '--accept-loss', '100kB', '--yes']);
      await expectRoles(m, { primary: 'node3', timeline: 2, streams: {} });
      expect(await m.sql('node3', 'SELECT count(*) FROM big')).toBe('20000');
    }, { slots: false });
  });

  once('H06 H08 a candidate whose replay is paused is promoted after it was said what that applies; the progress shows it', async () => {
    await trio(async (m) => {
      await m.sql('node2', 'SELECT pg_wal_replay_pause()');
      await m.eventually('node2', 'SELECT pg_is_wal_replay_paused()', 't');
      await m.sql('node1', `CREATE TABLE big AS SELECT repeat('x', 1000) t FROM generate_series(1, 100000)`);
      await m.eventually('node1', 'SELECT count(*) FROM pg_stat_replication WHERE flush_lsn = pg_current_wal_flush_lsn()', '2', 60_000);
      await m.stopServer('node1');
      const { stdout } = await m.ok(['promote', 'node2', '--dry-run']);
      expect(stdout).toMatch(/replay on node2 is paused: promoting it applies the 1[0-9]{2}(\.[0-9])? MB \([0-9]+ B\) that it holds back\. If the pause keeps a mistake from being replayed, promote another one/);
      expect(stdout).toContain('It would ask: Promote node2 (its replay is paused, and goes on), and leave node1 behind?');
      expect(stdout).toMatch(/node3: timeline 1, has/);
      const ran = await m.ok(['promote', 'node2', '--yes', '--json']);
      expect(ran.stdout).toMatch(/"event":"progress".*"doneBytes":[0-9]+,"totalBytes":[0-9]{8,}.*"phase":"replays what it has"|"event":"progress".*"phase":"replays what it has","doneBytes":[0-9]+,"totalBytes":[0-9]{8,}/);
      expect(await m.sql('node2', 'SELECT count(*) FROM big')).toBe('100000');
      await expectRoles(m, AFTER);
    });
  });

  each('pro.9 I01 an open fence is critical until the node is back, and says what to type on its machine; typed, it keeps the server down', async () => {
    await trio(async (m) => {
      const { pgdata } = await m.place('node1');
      await m.killServer('node1');
      await rename(pgdata, `${pgdata}.elsewhere`);
      const ran = await m.ok(['promote', 'node2', '--fenced', 'power off at the PDU', '--accept-loss', 'unknown', '--yes']);
      expect(ran.stderr).toMatch(/the WAL of the old primary cannot be read: what is lost is unknown, and accepted; it wrote at least up to [0-9A-F/]+ \(node[23] has that\)/);
      const typed = `chmod 0701 ${pgdata}`;
      expect(ran.stderr).toContain(typed);
      expect((await statusOf(m)).finding('open-fence')).toMatchObject({ level: 'critical', node: 'node1', hint: expect.stringContaining(typed) });
      // The same line again, with and without a name: done.
      for (const again of [['promote', 'node2', '--fenced', 'power off at the PDU'], ['promote', '--fenced', 'power off at the PDU'], ['promote', '--failover']]) {
        expect((await m.ok([...again, '--accept-loss', 'unknown', '--yes', '--json'])).json.at(-1)).toMatchObject({ outcome: 'unchanged' });
      }
      await rename(`${pgdata}.elsewhere`, pgdata);
      await chmod(pgdata, 0o701);
      await neverTwoWriters(m, async () => {
        await expect(m.startServer('node1')).rejects.toThrow(/could not start server/);
      });
      // Critical until it is closed: by the same promote, now that it is seen.
      const seen = await statusOf(m);
      expect([seen.exit, seen.finding('open-fence').next[0]]).toEqual([8, expect.stringContaining('promote node2')]);
      await m.ok(['promote', 'node2', '--yes']);
      expect(await readFile(m.clusterFile, 'utf8')).not.toContain('PDU');
      expect((await statusOf(m)).finding('fenced')).toMatchObject({ node: 'node1', level: 'warning' });
      await expectRoles(m, AFTER);
    });
  });

  once('H02 a machine whose network is gone: whoever still streams from it says when it was heard from last', async () => {
    await trio(async (m) => {
      const { pgdata } = await m.place('node1');
      await freeze(m, 'node1');
      await rename(pgdata, `${pgdata}.elsewhere`);
      try {
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        const reasons = await expectRefused(m, ['promote', 'node2', '--fenced', 'shot', '--accept-loss', 'unknown']);
        expect(reasons['witness-sees-primary']).toMatch(/node[23] still streams from the old primary, so it lives \(heard from [0-9]+ s ago; after 60 s of silence it lets go\)/);
      } finally {
        await rename(`${pgdata}.elsewhere`, pgdata);
        await thaw(m, 'node1');
      }
      await expectRoles(m, { primary: 'node1', timeline: 1, streams: { node2: 'node1', node3: 'node1' } });
    });
  });

  once('H17 H14 E12 an archive_command that cannot run on the new primary, and slots and prepared transactions that stay behind, are told before', async () => {
    await trio(async (m) => {
      for (const name of ['node1', 'node2', 'node3']) {
        await m.sql(name, 'ALTER SYSTEM SET archive_mode = on');
        await m.sql(name, `ALTER SYSTEM SET archive_command = '${name === 'node2' ? 'no-such-archiver %p' : 'true'}'`);
        await m.sql(name, 'ALTER SYSTEM SET max_prepared_transactions = 5');
      }
      for (const name of ['node2', 'node3', 'node1']) { await m.stopServer(name); await m.startServer(name); }
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      const planned = await m.ok(['switchover', 'node2', '--dry-run']);
      expect(planned.stdout).toContain('archive_command of node2 runs no-such-archiver, which is not on its machine: nothing will be archived, and WAL piles up there');
      await m.sql('node1', `SELECT pg_create_physical_replication_slot('backup_tool')`);
      await m.sql('node1', `BEGIN; CREATE TABLE held (n int); PREPARE TRANSACTION 'two phases'`);
      await allHaveAll(m);
      await m.stopServer('node1');
      const { stdout } = await m.ok(['promote', 'node2', '--dry-run']);
      expect(stdout).toContain('slots of the old primary that no node of the cluster file owns stay behind, and whoever uses them stops (subscribers, archivers): backup_tool');
      expect(stdout).toContain('1 prepared transaction lies in the directory of the old primary: what of that is on node2 comes alive there with its locks, in pg_prepared_xacts');
      expect(stdout).toContain('archive_command of node2 runs no-such-archiver');
      await m.ok(['promote', 'node2', '--yes']);
      expect(await m.sql('node2', 'SELECT gid FROM pg_prepared_xacts')).toBe('two phases');
      await m.sql('node2', `ROLLBACK PREPARED 'two phases'`);
      await expectRoles(m, AFTER);
      expect(await readFile(m.clusterFile, 'utf8')).not.toContain('fenced');
    });
  });

  once('a crash whose log was taken away: what its standbys have is the least that it wrote', async () => {
    await trio(async (m) => {
      await cutOff(m, 'node2');
      await m.sql('node1', 'CREATE TABLE big AS SELECT generate_series(1, 20000) n');
      await m.eventually('node3', 'SELECT count(*) FROM big', '20000');
      await m.killServer('node1');
      const { pgdata } = await m.place('node1');
      await mkdir(join(m.root, 'gone'));
      await rename(join(pgdata, 'pg_wal'), join(m.root, 'gone', 'pg_wal'));
      await mkdir(join(pgdata, 'pg_wal'));
      const reasons = await expectRefused(m, ['promote', 'node2']);
      expect(reasons['loss-unknown']).toMatch(/^how much would be lost is unknown: the WAL of the old primary cannot be read, at least [0-9]{7} bytes \([0-9.]+ MB\)$/);
      expect(reasons['better-candidate']).toMatch(/^node3 is ahead of node2/);
    });
  });
});

import { chown, copyFile, readFile, rename, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { parse } from 'yaml';
import { cutNoMore, cutOff, errorIn, expectRefused, expectRoles, upstreamKeys } from '../support/roles.ts';
import { serverAccount } from '../support/server-account.ts';
import { statusOf } from '../support/statuses.ts';
import { trioStories } from '../support/trio.ts';

trioStories({}, (trio, { each, once, rarely }) => {
  each('follow: to a cascade and back, under a writer; one slot each time, and the cluster file says where', async () => {
    await trio(async (m) => {
      const writer = await m.writer(['node1']);
      await writer.more(20);
      await m.ok(['follow', 'node3', '--upstream', 'node2', '--yes']);
      expect(upstreamKeys(m)).toEqual({ node3: 'node2' });
      await expectRoles(m, { primary: 'node1', timeline: 1, streams: { node2: 'node1', node3: 'node2' } });
      expect(await m.rows('node1', 'SELECT slot_name FROM pg_replication_slots')).toEqual([['node2']]);
      expect(await m.rows('node2', 'SELECT slot_name FROM pg_replication_slots')).toEqual([['node3']]);
      expect(await statusOf(m)).toMatchObject({ exit: 0, nodes: { node3: { upstream: 'node2', state: 'streaming' } } });
      expect((await m.ok(['follow', 'node3', '--upstream', 'node2', '--yes', '--json'])).json.at(-1)).toMatchObject({ outcome: 'unchanged' });
      // A circle is seen before anything is changed.
      expect(await expectRefused(m, ['follow', 'node2', '--upstream', 'node3'])).toHaveProperty('loop');
      await m.ok(['follow', 'node3', '--upstream', 'node1', '--yes']);
      await writer.more(20);
      const { acknowledged } = await writer.stop();
      await m.eventually('node3', 'SELECT count(*) FROM written', await m.sql('node1', 'SELECT count(*) FROM written'));
      expect(await m.missing('node3', acknowledged)).toEqual([]);
      await expectRoles(m, { primary: 'node1', timeline: 1, streams: { node2: 'node1', node3: 'node1' } });
      expect(await m.rows('node2', 'SELECT slot_name FROM pg_replication_slots')).toEqual([]);
    });
  });

  each('case 35: S2 is ahead of the point where the new primary left the timeline: refused, its settings unchanged, rejoin named (J02)', async () => {
    await trio(async (m) => {
      await cutOff(m, 'node2');
      await m.sql('node1', 'CREATE TABLE big AS SELECT generate_series(1, 20000) n');
      await m.eventually('node3', 'SELECT count(*) FROM big', '20000');
      await m.killServer('node1');
      await m.ok(['promote', 'node2', '--accept-loss', 'unknown', '--yes']);
      const conninfo = await m.sql('node3', 'SHOW primary_conninfo');
      const ran = await m.pgrepl(['follow', 'node3', '--upstream', 'node2', '--yes', '--json']);
      expect([ran.exit, ran.json.at(-1)]).toMatchObject([3, { error: { code: 'ahead-of-switch', hint: expect.stringContaining('A rejoin brings it back') } }]);
      expect((await expectRefused(m, ['follow', 'node3', '--upstream', 'node2']))['ahead-of-switch']).toMatch(/node3 has [0-9]+ bytes more of timeline 1 than node2 kept when it left it/);
      expect(await m.sql('node3', 'SHOW primary_conninfo')).toBe(conninfo);
    }, { slots: false });
  });

  each('an upstream that is behind is refused (J03)', async () => {
    await trio(async (m) => {
      await cutOff(m, 'node2');
      await m.sql('node1', `CREATE TABLE big AS SELECT repeat('x', 1000) t FROM generate_series(1, 5000)`);
      await m.eventually('node3', 'SELECT count(*) FROM big', '5000');
      const reasons = await expectRefused(m, ['follow', 'node3', '--upstream', 'node2']);
      expect(Object.keys(reasons).join()).toMatch(/upstream-behind|upstream-detached/);
      // Attached, but its replay and its log behind: the same.
      await cutNoMore(m, 'node2');
      await m.eventually('node2', 'SELECT count(*) FROM big', '5000');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
    });
  });

  once('an upstream on an older timeline, and one of another history, are refused: the settings stay as they are (J02, J03, G09)', async () => {
    await trio(async (m) => {
      // Behind the back of pgrepl: node2 becomes a primary, node3 goes with it, and node2 is gone.
      await m.ok(['follow', 'node3', '--upstream', 'node2', '--yes']);
      await m.sql('node2', 'SELECT pg_promote()');
      await m.eventually('node3', 'SELECT received_tli FROM pg_stat_wal_receiver', '2');
      await m.stopServer('node2');
      const conninfo = await m.sql('node3', 'SHOW primary_conninfo');
      expect((await expectRefused(m, ['follow', 'node3', '--upstream', 'node1']))['upstream-older']).toBe('node1 is on timeline 1, node3 on the newer 2');
      // The same number is not the same history: node1 skips 2, because it has seen a file of it.
      const { pgdata } = await m.place('node1');
      await m.stopServer('node1');
      await copyFile(join((await m.place('node2')).pgdata, 'pg_wal', '00000002.history'), join(pgdata, 'pg_wal', '00000002.history'));
      await chown(join(pgdata, 'pg_wal', '00000002.history'), serverAccount().uid, serverAccount().gid);
      await writeFile(join(pgdata, 'standby.signal'), '');
      await m.program('pg_ctl', ['start', '-w', '-D', pgdata, '-l', `${pgdata}.log`, '-o', '-c recovery_target_timeline=current']);
      await m.sql('node1', 'SELECT pg_promote()');
      expect(await m.sql('node1', 'SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)')).toBe('00000003');
      const refused = await m.pgrepl(['follow', 'node3', '--upstream', 'node1', '--yes', '--json']);
      expect([refused.exit, refused.json.at(-1)]).toMatchObject([3, { error: { code: 'other-history', message: expect.stringContaining('timeline 2 of node3 is not in the history of node1'), hint: expect.stringContaining('rejoin') } }]);
      expect(await m.sql('node3', 'SHOW primary_conninfo')).toBe(conninfo);
    }, { slots: false });
  });

  once('a standby whose replay is paused is not re-pointed: it would look for no other upstream', async () => {
    await trio(async (m) => {
      await m.sql('node3', 'SELECT pg_wal_replay_pause()');
      await m.sql('node1', 'CREATE TABLE t (n int)');
      await m.eventually('node3', 'SELECT pg_get_wal_replay_pause_state()', 'paused');
      expect(await expectRefused(m, ['follow', 'node3', '--upstream', 'node2'])).toHaveProperty('replay-paused');
      await m.sql('node3', 'SELECT pg_wal_replay_resume()');
      await m.ok(['follow', 'node3', '--upstream', 'node2', '--yes']);
    });
  });

  once('a delayed standby that holds back a commit is re-pointed and comes later: 5 until then, by follow and by a switchover', async () => {
    await trio(async (m) => {
      const file = await readFile(m.clusterFile, 'utf8');
      await writeFile(m.clusterFile, `${file.trimEnd()}\n    delay: 8s\n`);
      await m.ok(['add-standby', 'node3', '--yes']);
      expect(await m.sql('node3', 'SHOW recovery_min_apply_delay')).toBe('8s');
      const holds = async (): Promise<void> => {
        await m.sql('node1', 'CREATE TABLE IF NOT EXISTS t (n int)');
        await m.sql('node1', 'INSERT INTO t VALUES (1)');
        await m.eventually('node3', `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'RecoveryApplyDelay'`, '1');
      };
      await holds();
      const ran = await m.pgrepl(['follow', 'node3', '--upstream', 'node2', '--yes', '--json']);
      expect([ran.exit, ran.json.at(-1)]).toMatchObject([5, { error: { code: 'standby-delayed', message: 'node3 does not stream from node2 yet: node3 holds back commits for its delay' } }]);
      await m.eventually('node2', `SELECT count(*) FROM pg_stat_replication WHERE application_name = 'node3'`, '1', 30_000);
      await m.ok(['follow', 'node3', '--upstream', 'node2', '--yes']);
      expect(upstreamKeys(m)).toEqual({ node3: 'node2' });
      await m.ok(['follow', 'node3', '--upstream', 'node1', '--yes']).catch(() => undefined);
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE application_name = 'node3'`, '1', 30_000);
      await m.ok(['follow', 'node3', '--upstream', 'node1', '--yes']);

      await holds();
      expect((await m.pgrepl(['switchover', 'node2', '--yes', '--json'])).exit).toBe(5);
      await m.eventually('node2', `SELECT count(*) FROM pg_stat_replication WHERE application_name = 'node3'`, '1', 30_000);
      await m.ok(['switchover', 'node2', '--yes']);
      await expectRoles(m, { primary: 'node2', timeline: 2, streams: { node1: 'node2', node3: 'node2' } });
    });
  });

  once('follow is for running standbys: a primary, a stopped one and a stopped upstream are refused', async () => {
    await trio(async (m) => {
      expect(await expectRefused(m, ['follow', 'node1', '--upstream', 'node2'])).toHaveProperty('is-the-primary');
      expect((await m.pgrepl(['follow', 'node2', '--upstream', 'node2', '--yes'])).exit).toBe(2);
      expect((await m.pgrepl(['follow', 'node2', '--upstream', 'node9', '--yes'])).exit).toBe(2);
      // Elsewhere is another wish than anew.
      expect(await expectRefused(m, ['add-standby', 'node3', '--upstream', 'node2'])).toMatchObject({ 'other-upstream': 'node3 exists and streams from node1, not from node2' });
      await m.stopServer('node3');
      expect(await expectRefused(m, ['follow', 'node3', '--upstream', 'node2'])).toHaveProperty('node-down');
      expect(await expectRefused(m, ['follow', 'node2', '--upstream', 'node3'])).toHaveProperty('upstream-down');
    }, { slots: false });
  });

  each('remove-standby: refused while another streams from it; else stopped, slot gone, directory and signal file kept', async () => {
    await trio(async (m) => {
      expect((await expectRefused(m, ['remove-standby', 'node2']))['has-followers']).toContain('node3 streams from node2');
      expect(await expectRefused(m, ['remove-standby', 'node1'])).toHaveProperty('is-the-primary');
      await m.ok(['follow', 'node3', '--upstream', 'node1', '--yes']);
      await m.ok(['remove-standby', 'node2', '--yes']);
      const { pgdata } = await m.place('node2');
      expect(await m.postmaster('node2')).toBeNull();
      expect([existsSync(join(pgdata, 'PG_VERSION')), existsSync(join(pgdata, 'standby.signal'))]).toEqual([true, true]);
      expect(await m.rows('node1', 'SELECT slot_name FROM pg_replication_slots')).toEqual([['node3']]);
      expect(Object.keys((parse(await readFile(m.clusterFile, 'utf8')) as { nodes: object }).nodes)).toEqual(['node1', 'node3']);
      expect(await readFile(m.clusterFile, 'utf8')).toContain('# made by a test');
      expect(await statusOf(m)).toMatchObject({ exit: 0 });
      // Once more: nothing to do, as long as the servers agree.
      const again = await m.ok(['remove-standby', 'node2', '--yes']);
      expect(again.stdout).toMatch(/node2 was taken out of the cluster by run [0-9A-Za-z-]+ at [0-9-]+ [0-9:]+ UTC: nothing to do/);
      expect((await m.ok(['remove-standby', 'node2', '--yes', '--json'])).json.at(-1)).toMatchObject({ outcome: 'unchanged' });
      expect((await m.pgrepl(['remove-standby', 'node7', '--yes'])).exit).toBe(2);
      await m.sql('node1', `SELECT pg_create_physical_replication_slot('node2', true)`);
      const wrong = await m.pgrepl(['remove-standby', 'node2', '--yes', '--json']);
      expect([wrong.exit, errorIn(wrong)]).toMatchObject([2, { code: 'node-unknown', hint: expect.stringContaining('node1 has a slot or a standby of that name again') }]);
      await m.sql('node1', `SELECT pg_drop_replication_slot('node2')`);
    }, { upstreams: { node3: 'node2' } });
  });

  each('remove-standby of one that cannot be reached: its slot is dropped, and it is said that it must not be started', async () => {
    await trio(async (m) => {
      const { pgdata } = await m.place('node3');
      await m.killServer('node3');
      await rename(pgdata, `${pgdata}.elsewhere`);
      const ran = await m.ok(['remove-standby', 'node3', '--yes']);
      expect(ran.stdout + ran.stderr).toContain('must not be started');
      await rename(`${pgdata}.elsewhere`, pgdata);
      expect(await m.rows('node1', 'SELECT slot_name FROM pg_replication_slots')).toEqual([['node2']]);
      expect(await statusOf(m)).toMatchObject({ exit: 0 });
    });
  });

  for (const when of [/"kind":"create-slot"/, /"kind":"write-file"/, /"state":"started".*"kind":"prove-streaming"/, /"kind":"drop-slot"/]) {
    rarely(`follow killed at ${when.source.replaceAll('"', '').replaceAll('.*', ' ')}: the same command finishes it`, async () => {
      await trio(async (m) => {
        const killed = await m.pgrepl(['follow', 'node3', '--upstream', 'node2', '--yes', '--json'], { kill: { when } });
        expect(killed.signal).toBe('SIGKILL');
        await m.ok(['follow', 'node3', '--upstream', 'node2', '--yes']);
        expect(upstreamKeys(m)).toEqual({ node3: 'node2' });
        await expectRoles(m, { primary: 'node1', timeline: 1, streams: { node2: 'node1', node3: 'node2' } });
      });
    });
  }

  for (const when of [/"state":"started".*"kind":"stop-server"/, /"state":"finished".*"kind":"stop-server"/, /"kind":"drop-slot"/]) {
    rarely(`remove-standby killed at ${when.source.replaceAll('"', '').replaceAll('.*', ' ')}: the same command finishes it`, async () => {
      await trio(async (m) => {
        const killed = await m.pgrepl(['remove-standby', 'node3', '--yes', '--json'], { kill: { when } });
        expect(killed.signal).toBe('SIGKILL');
        await m.ok(['remove-standby', 'node3', '--yes']);
        expect(await m.postmaster('node3')).toBeNull();
        expect(await m.rows('node1', 'SELECT slot_name FROM pg_replication_slots')).toEqual([['node2']]);
      });
    });
  }
});

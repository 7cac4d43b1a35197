import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { programEnv } from '../support/at-hand.ts';
import { postmasterOf } from '../support/oracle.ts';
import { expectRefused, expectRoles } from '../support/roles.ts';
import { asServer, serverAccount } from '../support/server-account.ts';
import { statusOf } from '../support/statuses.ts';
import { trioStories } from '../support/trio.ts';
import type { Machine } from '../support/cluster.ts';

const counts = async (m: Machine, name: string): Promise<string> => await m.sql(name, `SELECT string_agg(application_name || ' ' || sync_state, ', ' ORDER BY application_name) FROM pg_stat_replication`);
const value = async (m: Machine, name: string): Promise<string> => await m.sql(name, 'SHOW synchronous_standby_names');
const syncLine = (m: Machine): string | undefined => /^ {2}sync: (.*)$/m.exec(readFileSync(m.clusterFile, 'utf8'))?.[1];

/** Somebody who streams from node1 under the name of a standby, and is none. */
async function withNamesake(m: Machine, name: string, work: () => Promise<void>): Promise<void> {
  const server = await postmasterOf((await m.place('node1')).pgdata);
  const directory = join((await m.place('node1')).pgdata, '..', 'received');
  await mkdir(directory);
  await chown(directory, serverAccount().uid, serverAccount().gid);
  const receiver = spawn(join(m.installation.binDir, 'pg_receivewal'), ['-n', '-D', directory, '-d', `host=${server?.socketDir ?? ''} port=${server?.port ?? 0} user=postgres application_name=${name}`], { ...asServer(), env: programEnv(m.installation), stdio: 'ignore' });
  try {
    await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE lower(application_name) = '${name.toLowerCase()}'`, '2');
    await work();
  } finally {
    receiver.kill('SIGKILL');
  }
}

trioStories({}, (trio, { each, once }) => {
  each('sync any 1, first 2, off, under a writer: in force at once, in the cluster file, and nothing to do a second time (B15, F09, F13, V1)', async () => {
    await trio(async (m) => {
      const writer = await m.writer(['node1']);
      await writer.more(20);
      await m.ok(['sync', 'any', '1', '--yes']);
      expect([await value(m, 'node1'), syncLine(m)]).toEqual(['ANY 1 ("node2", "node3")', 'any 1']);
      await m.eventually('node1', `SELECT string_agg(application_name || ' ' || sync_state, ', ' ORDER BY application_name) FROM pg_stat_replication`, 'node2 quorum, node3 quorum');
      await writer.more(20);
      const again = await m.ok(['sync', 'any', '1', '--yes', '--json']);
      expect(again.json.at(-1)).toMatchObject({ outcome: 'unchanged' });
      await m.ok(['sync', 'first', '2', 'node3', 'node2', '--yes']);
      expect([await value(m, 'node1'), await counts(m, 'node1'), syncLine(m)]).toEqual(['FIRST 2 ("node3", "node2")', 'node2 sync, node3 sync', 'first 2 (node3, node2)']);
      expect((await statusOf(m)).exit).toBe(0);
      await writer.more(20);
      await m.ok(['sync', 'off', '--yes']);
      expect([await value(m, 'node1'), await counts(m, 'node1'), syncLine(m)]).toEqual(['', 'node2 async, node3 async', 'off']);
      await writer.more(20);
      const { acknowledged } = await writer.stop();
      expect(await m.missing('node1', acknowledged)).toEqual([]);
      expect(await m.sql('node1', 'SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL')).toBe('0');
    });
  });

  each('F01, X6: the only synchronous standby goes away: status says so with the two choices, and either of them lets the commits go on', async () => {
    await trio(async (m) => {
      await m.ok(['sync', 'any', '1', 'node2', '--yes']);
      const writer = await m.writer(['node1']);
      await writer.more(10);
      await m.stopServer('node2');
      await m.eventually('node1', `SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`, 't');
      const seen = await m.pgrepl(['status', '--json']);
      expect(seen.exit).toBe(8);
      const { findings } = seen.json[0] as { readonly findings: readonly { readonly id: string; readonly says: string; readonly next: readonly string[] }[] };
      const wait = findings.find(({ id }) => id === 'commits-wait');
      expect(wait?.says).toMatch(/commits on node1 wait: synchronous_standby_names = ANY 1 \("node2"\) needs 1, and none is there; [0-9]+ waits? now/);
      expect(wait?.next.map((line) => line.replace(/ -f \S+$/, ''))).toEqual(['pgrepl add-standby node2', 'pgrepl sync any 1 node3', 'pgrepl sync off']);
      // Taken out or made a cascade, it would never come back to acknowledge anything.
      expect(await expectRefused(m, ['remove-standby', 'node2'])).toHaveProperty('sync-names');
      // Own writes are local: what asks and writes here never waits itself.
      await m.ok(['sync', 'any', '1', 'node3', '--yes']);
      await writer.more(20);
      const { acknowledged } = await writer.stop();
      expect(await m.missing('node3', acknowledged)).toEqual([]);
      await m.startServer('node2');
    });
  });

  each('case 31, swi.14, F08: a switchover with a synchronous standby under a writer: nothing acknowledged is lost, and the old primary is in the set', async () => {
    await trio(async (m) => {
      await m.ok(['sync', 'any', '1', 'node2', '--yes']);
      const writer = await m.writer(['node1', 'node2']);
      await writer.more(50);
      await m.ok(['switchover', 'node2', '--yes']);
      await writer.more(50);
      const { acknowledged } = await writer.stop();
      expect(await m.missing('node2', acknowledged)).toEqual([]);
      await expectRoles(m, { primary: 'node2', timeline: 2, streams: { node1: 'node2', node3: 'node2' } });
      expect([await value(m, 'node2'), await counts(m, 'node2'), syncLine(m), await value(m, 'node1')]).toEqual(['ANY 1 ("node1")', 'node1 quorum, node3 async', 'any 1 (node1)', '']);
      expect(await m.rows('node1', 'SELECT slot_name FROM pg_replication_slots')).toEqual([]);
      expect((await statusOf(m)).exit).toBe(0);
      await m.ok(['switchover', 'node1', '--yes']);
      expect([await value(m, 'node1'), await counts(m, 'node1'), syncLine(m)]).toEqual(['ANY 1 ("node2")', 'node2 quorum, node3 async', 'any 1 (node2)']);
    });
  });

  each('pro.8, F08, V1: the primary of a synchronous set dies under a writer: nothing acknowledged is lost, and the new one waits for who is left', async () => {
    await trio(async (m) => {
      await m.ok(['sync', 'any', '1', '--yes']);
      const writer = await m.writer(['node1', 'node2', 'node3']);
      await writer.more(50);
      await m.killServer('node1');
      const dry = await m.pgrepl(['promote', '--dry-run', '--json']);
      const target = /promote (node[23])/.exec((dry.json[0] as { plan: { title: string } | null }).plan?.title ?? '')?.[1] ?? 'node2';
      const ran = await m.pgrepl(['promote', target, '--accept-loss', 'unknown', '--yes']);
      expect([ran.exit, ran.stderr]).toMatchObject([0, expect.any(String)]);
      const other = target === 'node2' ? 'node3' : 'node2';
      await writer.more(30);
      const { acknowledged } = await writer.stop();
      expect(await m.missing(target, acknowledged)).toEqual([]);
      expect([await value(m, target), await counts(m, target), syncLine(m)]).toEqual([`ANY 1 ("${other}")`, `${other} quorum`, 'any 1']);
    });
  });

  once('pro.8: after a failover that leaves nobody to wait for, it is said, and status reminds of it', async () => {
    await trio(async (m) => {
      await m.ok(['remove-standby', 'node3', '--yes']);
      await m.ok(['sync', 'any', '1', 'node2', '--yes']);
      await m.killServer('node1');
      const ran = await m.ok(['promote', 'node2', '--accept-loss', 'unknown', '--yes']);
      expect(ran.stderr).toContain('commits on node2 will wait for no standby');
      expect(await value(m, 'node2')).toBe('');
      const seen = await m.pgrepl(['status', '--json']);
      expect((seen.json[0] as { readonly findings: readonly { readonly id: string }[] }).findings.map(({ id }) => id)).toContain('sync-differs');
    });
  });

  each('fol.8, F01, F14: a member becomes a cascade and comes back; one that alone is waited for is refused', async () => {
    await trio(async (m) => {
      await m.ok(['sync', 'any', '1', '--yes']);
      await m.ok(['follow', 'node3', '--upstream', 'node2', '--yes']);
      expect([await value(m, 'node1'), syncLine(m)]).toEqual(['ANY 1 ("node2")', 'any 1']);
      expect(Object.values(await expectRefused(m, ['sync', 'any', '1', 'node3']))).toEqual(['node3 streams from node2, not from the primary node1: a cascaded standby never counts']);
      await m.ok(['follow', 'node3', '--upstream', 'node1', '--yes']);
      expect([await value(m, 'node1'), await counts(m, 'node1')]).toEqual(['ANY 1 ("node2", "node3")', 'node2 quorum, node3 quorum']);
      await m.ok(['sync', 'any', '2', '--yes']);
      expect((await expectRefused(m, ['follow', 'node3', '--upstream', 'node2']))['sync-names']).toBe('commits on node1 wait for ANY 2 ("node2", "node3"): without node3, node2 alone would be left to acknowledge them, and every commit would wait');
      await m.ok(['sync', 'any', '1', '--yes']);
      await m.ok(['remove-standby', 'node3', '--yes']);
      expect(await value(m, 'node1')).toBe('ANY 1 ("node2")');
      // Taken in again with its directory as it is: it joins the set of all.
    });
  });

  once('what would make every commit wait is refused: not streaming, a namesake, remote_apply with a delay or a pause (F06, F10, F13)', async () => {
    await trio(async (m) => {
      await m.stopServer('node3');
      expect(await expectRefused(m, ['sync', 'any', '1', 'node3'])).toHaveProperty('not-streaming');
      expect(await expectRefused(m, ['sync', 'any', '2'])).toHaveProperty('too-few-standbys');
      await m.startServer('node3');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      await m.sql('node1', `ALTER SYSTEM SET synchronous_commit = 'remote_apply'`);
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await m.sql('node3', 'SELECT pg_wal_replay_pause()');
      await m.eventually('node1', 'SHOW synchronous_commit', 'remote_apply');
      expect((await expectRefused(m, ['sync', 'any', '1', 'node3']))['waits-for-replay']).toBe('node3 has its replay paused, and synchronous_commit of node1 is remote_apply: every commit would wait for that');
      // One that replays at once is enough.
      await m.ok(['sync', 'any', '1', 'node2', 'node3', '--yes']);
      await m.sql('node3', 'SELECT pg_wal_replay_resume()');
      await withNamesake(m, 'NODE3', async () => {
        expect((await expectRefused(m, ['sync', 'any', '1', 'node3']))['duplicate-name']).toMatch(/^2 connections on node1 call themselves "node3" \(pids [0-9]+, [0-9]+\), and any of them would acknowledge for node3$/);
        expect((await statusOf(m)).finding('sync-duplicate')).toMatchObject({ level: 'critical', node: 'node1' });
      });
      expect(await m.pgrepl(['sync', 'any', '3', 'node2', 'node3'])).toMatchObject({ exit: 2 });
      expect(await m.pgrepl(['sync', 'any', '1', 'node9'])).toMatchObject({ exit: 2 });
      expect(await expectRefused(m, ['sync', 'any', '1', 'node1'])).toHaveProperty('is-the-primary');
      await m.sql('node1', 'ALTER SYSTEM RESET synchronous_commit');
    });
  });

  once('what ALTER SYSTEM has set is taken over without a moment of either; roles that do not wait are named (F12)', async () => {
    await trio(async (m) => {
      await m.sql('node1', `ALTER SYSTEM SET synchronous_standby_names = 'node3'`);
      await m.sql('node1', `ALTER ROLE postgres IN DATABASE postgres SET synchronous_commit = off`);
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await m.eventually('node1', 'SHOW synchronous_standby_names', 'node3');
      const ran = await m.ok(['sync', 'any', '1', '--yes']);
      expect(ran.stderr).toContain('ALTER SYSTEM has set synchronous_standby_names = node3');
      expect(ran.stderr).toContain('synchronous_commit = off for role postgres in database postgres: its commits do not wait');
      expect(await value(m, 'node1')).toBe('ANY 1 ("node2", "node3")');
      expect(await m.sql('node1', `SELECT sourcefile ~ 'pgrepl.conf$' FROM pg_settings WHERE name = 'synchronous_standby_names'`)).toBe('t');
      await m.sql('node1', `ALTER ROLE postgres IN DATABASE postgres RESET synchronous_commit`);
    });
  });
});

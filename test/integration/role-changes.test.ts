import { chown, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { freeze, thaw } from '../support/freeze.ts';
import { openOracle } from '../support/oracle.ts';
import { cutOff, errorIn, expectNothingLost, expectRefused, expectRoles, neverTwoWriters, standing, upstreamKeys, type Roles } from '../support/roles.ts';
import { serverAccount } from '../support/server-account.ts';
import { statusOf, statusWhen } from '../support/statuses.ts';
import { trioStories } from '../support/trio.ts';

const BEFORE: Roles = { primary: 'node1', timeline: 1, streams: { node2: 'node1', node3: 'node1' } };
const AFTER: Roles = { primary: 'node2', timeline: 2, streams: { node1: 'node2', node3: 'node2' } };

/** Below the 5 s that a standby waits before it looks for its upstream again, with room for a busy machine. */
const NO_STALL_MS = 4_500;

/** Every switchover under a writer that is still at work afterwards, and no two writable servers at any time. */
async function under(m: Machine, work: () => Promise<void>, roles: Roles): Promise<number> {
  const writer = await m.writer(['node1', 'node2', 'node3']);
  await writer.more(30);
  await neverTwoWriters(m, async () => {
    await work();
    await writer.more(30);
  });
  const { longestPauseMs } = await expectNothingLost(m, writer, roles);
  await expectRoles(m, roles);
  return longestPauseMs;
}

trioStories({}, (trio, { each, once, rarely }) => {
  each('case 31: a switchover under a writer: all acknowledged is there, everybody streams from the new primary, no old slot, no stall (I13, I17, I19)', async () => {
    await trio(async (m) => {
      const pauseMs = await under(m, async () => { await m.ok(['switchover', 'node2', '--yes']); }, AFTER);
      expect(pauseMs).toBeLessThan(NO_STALL_MS);
      expect(await m.rows('node1', 'SELECT slot_name FROM pg_replication_slots')).toEqual([]);
      expect(await m.rows('node2', 'SELECT slot_name, active FROM pg_replication_slots ORDER BY 1')).toEqual([['node1', 't'], ['node3', 't']]);
      expect(await statusOf(m)).toMatchObject({ exit: 0, primary: 'node2' });
      // What was set for the time of the switchover alone is gone.
      expect(await m.rows('node2', `SELECT name FROM pg_settings WHERE name IN ('primary_conninfo', 'primary_slot_name') AND setting <> ''`)).toEqual([]);
      for (const name of ['node1', 'node2', 'node3']) expect(await m.sql(name, 'SHOW wal_retrieve_retry_interval')).toBe('5s');
      const { pgdata } = await m.place('node2');
      expect([existsSync(join(pgdata, 'standby.signal')), existsSync(join((await m.place('node1')).pgdata, 'standby.signal'))]).toEqual([false, true]);
      const again = await m.ok(['switchover', 'node2', '--yes', '--json']);
      expect(again.json.at(-1)).toMatchObject({ outcome: 'unchanged' });
      // A restart of everybody changes nothing of it.
      for (const name of ['node1', 'node2', 'node3']) { await m.stopServer(name); await m.startServer(name); }
      await m.eventually('node2', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      await expectRoles(m, AFTER);
    });
  });

  each('there and back again, several times, under a writer: nothing lost, no stall, no slot too many', async () => {
    await trio(async (m) => {
      const way = ['node2', 'node3', 'node1', 'node2', 'node1'] as const;
      const writer = await m.writer(['node1', 'node2', 'node3']);
      let roles = BEFORE;
      await neverTwoWriters(m, async () => {
        for (const [index, name] of way.entries()) {
          await writer.more(20);
          await m.ok(['switchover', name, '--yes']);
          roles = { primary: name, timeline: index + 2, streams: Object.fromEntries(['node1', 'node2', 'node3'].filter((other) => other !== name).map((other) => [other, name])) };
          await writer.more(20);
        }
      });
      const { longestPauseMs } = await expectNothingLost(m, writer, roles);
      expect(longestPauseMs).toBeLessThan(NO_STALL_MS);
      await expectRoles(m, roles);
    });
  });

  each('case 32: archive_command always fails and 200 files wait: refused, with the number (I06)', async () => {
    await trio(async (m) => {
      await m.sql('node1', 'ALTER SYSTEM SET archive_mode = on');
      await m.sql('node1', `ALTER SYSTEM SET archive_command = 'false'`);
      await m.stopServer('node1');
      await m.startServer('node1');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      await m.sql('node1', `SELECT pg_logical_emit_message(true, 'test', 'x'); SELECT pg_switch_wal()`);
      const { pgdata } = await m.place('node1');
      // Behind the one that fails first: the archiver goes in order and never gets to these.
      for (let n = 1; n < 200; n += 1) await m.sql('node1', `COPY (SELECT) TO '${pgdata}/pg_wal/archive_status/0000000100000009000000${n.toString(16).toUpperCase().padStart(2, '0')}.ready'`);
      const waiting = await m.sql('node1', `SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'`);
      expect(Number(waiting)).toBe(200);
      await m.eventually('node1', 'SELECT failed_count > 0 FROM pg_stat_archiver', 't');
      expect((await expectRefused(m, ['switchover', 'node2']))['archive-backlog']).toBe('200 WAL files of node1 wait for archive_command, which fails');
      await expectRoles(m, BEFORE);
    });
  });

  each('a cascade: the cluster file names nobody wrongly after a switchover, and the cascaded node stays attached', async () => {
    await trio(async (m) => {
      expect(upstreamKeys(m)).toEqual({ node3: 'node2' });
      await expectRoles(m, { primary: 'node1', timeline: 1, streams: { node2: 'node1', node3: 'node2' } });
      // Only a standby of the primary itself can take over without a loss of time.
      expect((await expectRefused(m, ['switchover', 'node3']))['not-streaming']).toContain('node3 does not stream from node1');
      await under(m, async () => { await m.ok(['switchover', '--yes']); }, AFTER);
      expect(upstreamKeys(m)).toEqual({});
      // Back: what hangs on a standby by the file goes on hanging there.
      await m.ok(['follow', 'node3', '--upstream', 'node1', '--yes']);
      expect(upstreamKeys(m)).toEqual({ node3: 'node1' });
      const comment = '# made by a test';
      expect(await readFile(m.clusterFile, 'utf8')).toContain(comment);
      await m.ok(['switchover', 'node1', '--yes']);
      expect(upstreamKeys(m)).toEqual({});
      await expectRoles(m, { primary: 'node1', timeline: 3, streams: { node2: 'node1', node3: 'node1' } });
    }, { upstreams: { node3: 'node2' } });
  });

  once('switchover is refused unless everything is healthy, and nothing is changed', async () => {
    await trio(async (m) => {
      await m.sql('node2', 'SELECT pg_wal_replay_pause()');
      await m.eventually('node2', 'SELECT pg_is_wal_replay_paused()', 't');
      expect(await expectRefused(m, ['switchover', 'node2'])).toHaveProperty('replay-paused');
      await m.sql('node1', `CREATE TABLE big AS SELECT repeat('x', 1000) t FROM generate_series(1, 30000)`);
      await m.eventually('node1', 'SELECT count(*) FROM pg_stat_replication WHERE flush_lsn = pg_current_wal_flush_lsn()', '2');
      expect(await expectRefused(m, ['switchover', 'node2'])).toHaveProperty('lagging');
      await m.sql('node2', 'SELECT pg_wal_replay_resume()');
      await m.eventually('node2', 'SELECT count(*) FROM big', '30000');

      await cutOff(m, 'node2');
      expect(await expectRefused(m, ['switchover', 'node2'])).toHaveProperty('not-streaming');
      await m.stopServer('node2');
      expect(await expectRefused(m, ['switchover', 'node2'])).toHaveProperty('candidate-down');
      await m.stopServer('node3');
      expect((await expectRefused(m, ['switchover']))['no-candidate']).toContain('no standby can take over (node1: a running primary; node2: the server is not running; node3: the server is not running)');
      await m.startServer('node3');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '1');

      // A base backup would break, a client with a transaction is named.
      await m.stopServer('node1');
      expect(await expectRefused(m, ['switchover', 'node3'])).toMatchObject({ 'primary-not-healthy': expect.stringContaining('the primary node1 is stopped') });
      await m.stopServer('node3');
      expect(await expectRefused(m, ['switchover'])).toHaveProperty('primary-not-healthy');
      expect((await expectRefused(m, ['promote', '--accept-loss', 'unknown']))['no-candidate']).toContain('no standby can take over');
    }, { slots: false });
  });

  once('with one standby down the others change roles, and the missing one is told; back again it is brought along (I20)', async () => {
    await trio(async (m) => {
      await m.stopServer('node3');
      const ran = await m.ok(['switchover', 'node2', '--yes']);
      expect(ran.stdout + ran.stderr).toContain('node3 is left out');
      await expectRoles(m, { primary: 'node2', timeline: 2, streams: { node1: 'node2' } });
      await m.startServer('node3');
      await m.ok(['promote', 'node2', '--yes']);
      await expectRoles(m, AFTER);
    });
  });

  each('the budget is used up because the candidate does not replay: back as before (4), and the same command does it afterwards', async () => {
    await trio(async (m) => {
      const before = await standing(m);
      const writer = await m.writer(['node1', 'node2', 'node3']);
      await writer.more(20);
      await freeze(m, 'node2', /startup/);
      await neverTwoWriters(m, async () => {
        const ran = await m.pgrepl(['switchover', 'node2', '--budget', '2', '--yes', '--json']);
        expect([ran.exit, ran.json.at(-1)]).toMatchObject([4, { outcome: 'undone' }]);
        await writer.more(20);
      });
      await thaw(m, 'node2');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      const { node1: _, ...others } = await standing(m);
      const { node1: __, ...same } = before;
      expect(others).toEqual(same);
      await expectNothingLost(m, writer, BEFORE);
      await expectRoles(m, BEFORE);
      await m.ok(['switchover', 'node2', '--yes']);
      await expectRoles(m, AFTER);
    });
  });

  once('the budget is used up because the stop does not end: it is waited for, and the old primary takes writes again (I03, X13)', async () => {
    await trio(async (m) => {
      await m.sql('node1', `ALTER SYSTEM SET wal_sender_timeout = '6s'`);
      await m.sql('node1', 'SELECT pg_reload_conf()');
      const writer = await m.writer(['node1', 'node2', 'node3']);
      await writer.more(20);
      // A primary does not end before its walsenders have; this one waits for an answer until wal_sender_timeout.
      await freeze(m, 'node2', /walreceiver/);
      const ran = await m.pgrepl(['switchover', 'node2', '--budget', '2', '--yes', '--json']);
      expect([ran.exit, ran.json.at(-1)]).toMatchObject([4, { outcome: 'undone' }]);
      await writer.more(20);
      await thaw(m, 'node2');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2', 40_000);
      await expectNothingLost(m, writer, BEFORE);
      await expectRoles(m, BEFORE);
    });
  });

  once('a frozen sibling holds up the end of the old primary, not the promote: its restart waits for that end', async () => {
    await trio(async (m) => {
      await m.sql('node1', `ALTER SYSTEM SET wal_sender_timeout = '6s'`);
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await freeze(m, 'node3', /walreceiver/);
      const pauseMs = await under(m, async () => {
        const switching = m.start(['switchover', 'node2', '--yes', '--json']);
        await switching.until(/"state":"finished".*"kind":"start-server"/);
        await thaw(m, 'node3');
        expect(await switching.ended).toMatchObject({ exit: 0 });
      }, AFTER);
      expect(pauseMs).toBeLessThan(NO_STALL_MS);
    });
  });

  each('Ctrl-C between the stop and the promote: everything is as before, and it says so', async () => {
    await trio(async (m) => {
      await freeze(m, 'node2', /startup/);
      const switching = m.start(['switchover', 'node2', '--yes', '--json']);
      await switching.until(/"state":"started".*"kind":"hand-over"/);
      await goneDown(m, 'node1');
      switching.kill('SIGINT');
      const ran = await switching.ended;
      expect(ran.exit).toBe(130);
      expect(ran.json.at(-1)).toMatchObject({ event: 'result', exit: 130, outcome: 'interrupted' });
      expect(JSON.stringify(ran.json.at(-1))).toMatch(/undone|as before/);
      await thaw(m, 'node2');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      await expectRoles(m, BEFORE);
    });
  });

  each('killed between the stop and the promote (I15): no primary at all, until the same command goes on', async () => {
    await trio(async (m) => {
      const writer = await m.writer(['node1', 'node2', 'node3']);
      await writer.more(20);
      await killedWithoutPrimary(m);
      expect((await statusOf(m)).finding('no-primary').level).toBe('critical');
      const { stdout } = await m.pgrepl(['runs']);
      expect(stdout).toMatch(/unfinished .*pgrepl switchover node2/);
      expect(stdout).toMatch(/pgrepl resume [0-9A-Za-z-]+/);
      await neverTwoWriters(m, async () => {
        await m.ok(['switchover', 'node2', '--yes']);
        await writer.more(20);
      });
      await expectNothingLost(m, writer, AFTER);
      await expectRoles(m, AFTER);
      expect((await m.pgrepl(['runs'])).stdout).not.toMatch(/unfinished/);
    });
  });

  once('killed between the mark and the promote, and a service manager has started the old primary as a standby: both follow each other, and the same command goes on (I08, I15)', async () => {
    await trio(async (m) => {
      const writer = await m.writer(['node1', 'node2', 'node3']);
      await writer.more(20);
      await killedWithoutPrimary(m);
      const signal = join((await m.place('node1')).pgdata, 'standby.signal');
      await writeFile(signal, '');
      const { uid, gid } = serverAccount();
      await chown(signal, uid, gid);
      await m.startServer('node1');
      expect(await m.sql('node1', 'SELECT pg_is_in_recovery()')).toBe('t');
      await neverTwoWriters(m, async () => {
        await m.ok(['switchover', 'node2', '--yes']);
        await writer.more(20);
      });
      await expectNothingLost(m, writer, AFTER);
      await expectRoles(m, AFTER);
      expect((await statusOf(m)).exit).toBe(0);
      expect((await m.pgrepl(['runs'])).stdout).not.toMatch(/unfinished/);
    });
  });

  once('killed between the stop and the promote: resume goes on, without retyping', async () => {
    await trio(async (m) => {
      await killedWithoutPrimary(m);
      await m.ok(['resume', '--yes']);
      await expectRoles(m, AFTER);
      expect((await m.ok(['resume', '--yes', '--json'])).json.at(-1)).toMatchObject({ outcome: 'unchanged' });
      expect((await m.pgrepl(['undo', '--yes', '--json'])).exit).toBe(0);
    });
  });

  each('killed between the stop and the promote: undo makes the old primary writable again', async () => {
    await trio(async (m) => {
      const before = await standing(m);
      await killedWithoutPrimary(m);
      await m.ok(['undo', '--yes']);
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      const [{ node1: _, ...now }, { node1: __, ...then }] = [await standing(m), before];
      expect(now).toEqual(then);
      await expectRoles(m, BEFORE);
      await m.ok(['switchover', 'node2', '--yes']);
      await expectRoles(m, AFTER);
    });
  });

  const noReturn = /"event":"no-return"/;
  const stopping = /"state":"started".*"kind":"hand-over"/;
  const OFTEN = new Set([noReturn, stopping]);
  const MOMENTS = [/"kind":"create-slot"/, /"kind":"write-file"/, stopping, noReturn, /"state":"finished".*"kind":"hand-over"/, /"state":"started".*"kind":"start-server"/, /"state":"started".*"kind":"prove-streaming"/, /"kind":"drop-slot"/];
  for (const when of MOMENTS) {
    (OFTEN.has(when) ? once : rarely)(`switchover killed at ${when.source.replaceAll('"', '').replaceAll('.*', ' ')}: the same command finishes it; never two writers, nothing lost`, async () => {
      await trio(async (m) => {
        await under(m, async () => {
          const killed = await m.pgrepl(['switchover', 'node2', '--yes', '--json'], { kill: { when } });
          expect(killed.signal).toBe('SIGKILL');
          await m.ok(['switchover', 'node2', '--yes']);
        }, AFTER);
      });
    });
  }

  const FAILOVER_MOMENTS = [/"kind":"create-slot"/, /"state":"started".*"kind":"lock-directory"/, noReturn, /"state":"finished".*"kind":"promote-server"/, /"state":"started".*"kind":"prove-streaming"/];
  for (const when of FAILOVER_MOMENTS) {
    (OFTEN.has(when) ? once : rarely)(`failover killed at ${when.source.replaceAll('"', '').replaceAll('.*', ' ')}: the same command finishes it; never two writers, nothing lost (H12)`, async () => {
      await trio(async (m) => {
        const writer = await m.writer(['node1', 'node2', 'node3']);
        await writer.more(30);
        await m.stopServer('node1');
        await neverTwoWriters(m, async () => {
          const killed = await m.pgrepl(['promote', 'node2', '--yes', '--json'], { kill: { when } });
          expect(killed.signal).toBe('SIGKILL');
          await m.ok(['promote', 'node2', '--yes']);
          await writer.more(20);
        });
        const roles: Roles = { primary: 'node2', timeline: 2, streams: { node3: 'node2' } };
        await expectNothingLost(m, writer, roles);
        await expectRoles(m, roles);
        await expect(m.startServer('node1')).rejects.toThrow(/could not start server/);
      });
    });
  }

  each('two role changes at the same time: one is done, the other gets 9 and the name of the holder (H19)', async () => {
    await trio(async (m) => {
      const first = m.start(['switchover', 'node2', '--yes', '--json']);
      await first.until(/"event":"step"/);
      first.kill('SIGSTOP');
      const second = await m.pgrepl(['switchover', 'node3', '--yes', '--json']);
      first.kill('SIGCONT');
      expect(second.exit).toBe(9);
      expect(second.json.at(-1)).toMatchObject({ outcome: 'locked' });
      expect(JSON.stringify(errorIn(second))).toContain(String(first.pid));
      expect((await first.ended).exit).toBe(0);
      await expectRoles(m, AFTER);
    });
  });

  once('a client with an open transaction is ended (I07)', async () => {
    await trio(async (m) => {
      const client = await openOracle((await m.place('node1')).pgdata);
      await client.query('BEGIN; CREATE TABLE never (n int)');
      await m.ok(['switchover', 'node2', '--yes']);
      await client.end().catch(() => undefined);
      expect(await m.sql('node2', `SELECT to_regclass('never') IS NULL`)).toBe('t');
      await statusWhen(m, ({ exit }) => exit === 0);
    });
  });
});

/** Waits until the old primary is shut down, while the candidate cannot go on. */
async function goneDown(m: Machine, node: string): Promise<void> {
  const { pgdata } = await m.place(node);
  const until = performance.now() + 20_000;
  while ((await m.postmaster(node)) !== null || existsSync(join(pgdata, 'postmaster.pid'))) {
    if (performance.now() > until) throw new Error(`${node} was not stopped`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The tool is killed in the middle of the hand-over: the old primary is down, and nobody is promoted. */
async function killedWithoutPrimary(m: Machine): Promise<void> {
  await freeze(m, 'node2', /startup/);
  const switching = m.start(['switchover', 'node2', '--yes', '--json']);
  await switching.until(/"state":"started".*"kind":"hand-over"/);
  await goneDown(m, 'node1');
  switching.kill('SIGKILL');
  await switching.ended;
  await thaw(m, 'node2');
}

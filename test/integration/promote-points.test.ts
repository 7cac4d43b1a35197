import { expect } from 'vitest';
import { crash, freeze, thaw } from '../support/freeze.ts';
import { expectLocked, expectNothingLost, expectRefused, expectRoles, neverTwoWriters, walOf, type Roles } from '../support/roles.ts';
import { statusOf } from '../support/statuses.ts';
import { trioStories } from '../support/trio.ts';

const BEFORE: Roles = { primary: 'node1', timeline: 1, streams: { node2: 'node1', node3: 'node1' } };
const AFTER: Roles = { primary: 'node2', timeline: 2, streams: { node3: 'node2' } };
const NO_RETURN = /"event":"no-return"/;

trioStories({}, (trio, { each, once }) => {
  each('pro.1 a primary that is alive but slow is never taken for dead, and nothing is changed', async () => {
    await trio(async (m) => {
      const writer = await m.writer(['node1', 'node2', 'node3']);
      await writer.more(20);
      await neverTwoWriters(m, async () => {
        await freeze(m, 'node1');
        const slow = m.start(['promote', 'node2', '--failover', '--accept-loss', 'unknown', '--fenced', 'it does not answer', '--yes', '--json']);
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        await thaw(m, 'node1');
        const ran = await slow.ended;
        expect([ran.exit, ran.json.at(-1)]).toMatchObject([3, { outcome: 'refused' }]);
        await writer.more(20);
      });
      await expectNothingLost(m, writer, BEFORE);
      await expectRoles(m, BEFORE);
    });
  });

  for (const [title, when] of [['pro.5 right after the request', NO_RETURN], ['pro.6 before its first checkpoint', /"state":"started".*"kind":"checkpoint"/]] as const) {
    each(`${title} the new primary crashes: started again, the same command ends it, and nothing that was taken is lost`, async () => {
      await trio(async (m) => {
        const writer = await m.writer(['node1', 'node2', 'node3']);
        await writer.more(30);
        await m.stopServer('node1');
        const wal = await walOf(m, 'node1');
        await neverTwoWriters(m, async () => {
          const promoting = m.start(['promote', 'node2', '--yes', '--json']);
          await promoting.until(when);
          await crash(m, 'node2');
          const ran = await promoting.ended;
          expect([ran.exit, ran.json.at(-1)], ran.stdout).toEqual([expect.toBeOneOf([5, 6]), expect.objectContaining({ outcome: expect.toBeOneOf(['unfinished', 'unknown']) as unknown })]);
          await m.startServer('node2');
          await m.ok(['promote', 'node2', '--yes']);
          await writer.more(20);
        });
        await expectNothingLost(m, writer, AFTER);
        await expectRoles(m, AFTER);
        await expectLocked(m, 'node1', wal);
      });
    });
  }

  once('pro.10 a sibling dies when the promote was sent: the primary is not touched by that (5), and it is left out or brought along by the same command', async () => {
    await trio(async (m) => {
      await m.stopServer('node1');
      const promoting = m.start(['promote', 'node2', '--yes', '--json']);
      await promoting.until(NO_RETURN);
      await crash(m, 'node3');
      const ran = await promoting.ended;
      expect([ran.exit, JSON.stringify(ran.json.at(-1))]).toEqual([5, expect.stringContaining('node3')]);
      await m.sql('node2', 'CREATE TABLE after_it (n int)');
      await m.ok(['promote', 'node2', '--yes']);
      await m.startServer('node3');
      await m.ok(['promote', 'node2', '--yes']);
      await expectRoles(m, AFTER);
    });
  });

  each('H13 a new primary dies before its first checkpoint, which alone would have told its timeline: the next standby takes over', async () => {
    await trio(async (m) => {
      await m.sql('node1', "CREATE TABLE big AS SELECT repeat('x', 1000) t FROM generate_series(1, 5000)");
      await m.stopServer('node1');
      await freeze(m, 'node2', /checkpointer/);
      const promoting = m.start(['promote', 'node2', '--failover', '--yes', '--json']);
      await promoting.until(/prove-streaming/);
      await m.eventually('node2', "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", '1');
      promoting.kill('SIGKILL');
      await promoting.ended;
      await m.sql('node2', 'CREATE TABLE after_it (n int)');
      await m.eventually('node3', "SELECT to_regclass('after_it') IS NOT NULL", 't');
      await crash(m, 'node2');
      expect((await statusOf(m)).nodes['node2']).toMatchObject({ state: 'stopped', timeline: 2 });
      await m.ok(['promote', 'node3', '--yes']);
      await expectRoles(m, { primary: 'node3', timeline: 3, streams: {} });
      expect(await m.sql('node3', "SELECT concat_ws(' ', (SELECT count(*) FROM big), to_regclass('after_it') IS NOT NULL)")).toBe('5000 t');
    });
  });

  each('right after a start of the primary its standbys are on their way back: a switchover waits for them', async () => {
    await trio(async (m) => {
      await m.killServer('node1');
      await m.startServer('node1');
      await m.ok(['switchover', 'node2', '--yes']);
      await expectRoles(m, { primary: 'node2', timeline: 2, streams: { node1: 'node2', node3: 'node2' } });
    });
  });

  each('A01 a standby that a higher parameter of its primary has stopped is told which, and how much', async () => {
    await trio(async (m) => {
      await m.sql('node1', 'ALTER SYSTEM SET max_connections = 137');
      await m.stopServer('node1');
      await m.startServer('node1');
      await m.sql('node1', 'CREATE TABLE t (n int)');
      // Before 14 it stops by itself; later ones pause, and stop when they are restarted.
      if (Number(await m.sql('node1', 'SHOW server_version_num')) >= 140_000) {
        await m.eventually('node2', 'SELECT pg_is_wal_replay_paused()', 't');
        await m.stopServer('node2');
      } else {
        const until = performance.now() + 30_000;
        while ((await m.postmaster('node2')) !== null && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const found = (await statusOf(m)).finding('node-down');
      expect(found).toMatchObject({ node: expect.stringMatching(/node[23]/), level: 'warning', says: expect.stringMatching(/^node[23] is stopped and would not start: max_connections is 100 in its configuration, and its WAL demands 137$/) });
      expect(found.hint).toMatch(/^Raise max_connections to 137 on node[23], then start it/);
      await expect(m.startServer('node2')).rejects.toThrow(/could not start server/);
    }, { slots: false });
  });

  once('promote --failover without a name, typed again after it was done: nothing to do; while another primary runs it is refused', async () => {
    await trio(async (m) => {
      expect(Object.keys(await expectRefused(m, ['promote', '--failover']))).toEqual(['primary-runs']);
      await m.stopServer('node1');
      await m.ok(['promote', '--failover', '--yes']);
      expect((await m.ok(['promote', '--failover', '--yes', '--json'])).json.at(-1)).toMatchObject({ outcome: 'unchanged' });
      await expectRoles(m, AFTER);
    });
  });
});

import { readFile, writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { errorIn, expectRoles } from '../support/roles.ts';
import { statusOf } from '../support/statuses.ts';
import { trioStories } from '../support/trio.ts';

/** As an operator does it: a line in the cluster file, and the command of that node again. */
async function delayed(m: Machine, name: string, delay = '1h'): Promise<string> {
  const text = await readFile(m.clusterFile, 'utf8');
  await writeFile(m.clusterFile, text.replace(new RegExp(`^  ${name}:\n`, 'm'), `  ${name}:\n    delay: ${delay}\n`));
  return (await m.ok(['add-standby', name, '--yes'])).stdout;
}

trioStories({}, (trio, { once }) => {
  once('a standby with a delay receives and does not replay; status shows it as such and counts no lag of it; nobody takes it unasked, and by its name it replays first (H07, L05, X14)', async () => {
    await trio(async (m) => {
      const dry = await m.ok(['add-standby', 'node9', '-D', `${m.root}/node9`, '-p', '59999', '--delay', '1h', '--dry-run']);
      expect(dry.stdout).toMatch(/a delay of 1h keeps about [0-9.]+ [kMGT]?B of WAL on node9, as the primary writes [0-9.]+ [kM]?B of it a second; [0-9.]+ [MGT]B are free there/);
      expect(dry.stdout).toContain('node9 is never taken by a promote that does not name it');
      const much = await m.pgrepl(['add-standby', 'node9', '-D', `${m.root}/node9`, '-p', '59999', '--delay', '2000000d', '--dry-run']);
      expect([much.exit, much.stderr + much.stdout]).toMatchObject([3, expect.stringContaining('a delay of 2000000d keeps about')]);

      await delayed(m, 'node3');
      await m.sql('node1', 'CREATE TABLE late (n int); INSERT INTO late VALUES (1)');
      await m.eventually('node2', 'SELECT count(*) FROM late', '1');
      await m.eventually('node1', `SELECT flush_lsn >= (SELECT replay_lsn FROM pg_stat_replication WHERE application_name = 'node2') FROM pg_stat_replication WHERE application_name = 'node3'`, 't');
      expect(await m.sql('node3', `SELECT to_regclass('late')`)).toBe('');
      const shown = await statusOf(m);
      expect(shown).toMatchObject({ exit: 0, nodes: { node3: { state: 'streaming', lag: { delaySeconds: 3600 } } }, findings: [] });
      expect(shown.nodes['node3']?.lag?.replayedBytes).toBeGreaterThan(0);
      expect((await m.ok(['status'])).stdout).toMatch(/node3 .*delay 1 h/);
      expect((await m.pgrepl(['status', '--check', '--warn', '1s', '--crit', '1B'])).exit).toBe(0);

      const planned = await m.ok(['switchover', '--dry-run']);
      expect(planned.stdout).toContain('promote node2');
      expect(planned.stdout).toMatch(/node3 is not taken unasked: it replays 1h late on purpose, and would first replay the [0-9.]+ [kM]?B that it holds back/);
      await m.stopServer('node2');
      await m.killServer('node1');
      const alone = await m.pgrepl(['promote', '--yes', '--json']);
      expect([alone.exit, errorIn(alone)]).toMatchObject([3, { code: 'no-candidate', reasons: expect.arrayContaining([expect.objectContaining({ code: 'only-delayed', next: ['pgrepl promote node3'] })]) as unknown }]);
      const named = await m.ok(['promote', 'node3', '--accept-loss', '1MB', '--dry-run']);
      expect(named.stdout).toMatch(/node3 is delayed: promoting it applies the .* that it holds back at once, and the delay is lost/);
      await m.ok(['promote', 'node3', '--accept-loss', '1MB', '--yes']);
      expect(await m.sql('node3', 'SELECT count(*) FROM late')).toBe('1');
      await m.startServer('node2');
      await m.ok(['promote', 'node3', '--yes']);
      await expectRoles(m, { primary: 'node3', timeline: 2, streams: { node2: 'node3' } });
    });
  });
});

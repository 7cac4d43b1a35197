import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { freeze, thaw } from '../support/freeze.ts';
import { errorIn, expectNothingLost, expectRoles, neverTwoWriters } from '../support/roles.ts';
import { trioStories } from '../support/trio.ts';

/** One operator: a cluster file and a journal of his own, as on another machine. */
async function operator(m: Machine, name: string, edit: (text: string) => string = (text) => text): Promise<{ readonly env: Readonly<Record<string, string>>; readonly file: string }> {
  const desk = join(m.root, name);
  await mkdir(desk);
  const file = join(desk, 'pgrepl.yaml');
  await writeFile(file, edit(await readFile(m.clusterFile, 'utf8')));
  await cp(join(m.root, 'pass'), join(desk, 'pass'), { recursive: true }).catch(() => undefined);
  return { file, env: { PGREPL_FILE: file, XDG_STATE_HOME: join(desk, 'state') } };
}

const without = (node: string) => (text: string): string => text.replace(new RegExp(` {2}${node}:\\n(?: {4}.*\\n)+`), '');

trioStories({}, (trio, { each, once }) => {
  for (const round of [1, 2, 3]) {
    (round === 1 ? each : once)(`H19 pro.3 two operators promote two different standbys of a dead primary at the same moment: exactly one wins (round ${round})`, async () => {
      await trio(async (m) => {
        // The second one's file may name fewer nodes: the old primary is enough to meet at.
        const [one, two] = [await operator(m, 'one'), await operator(m, 'two', round === 3 ? without('node2') : undefined)];
        const writer = await m.writer(['node1', 'node2', 'node3']);
        await writer.more(30);
        await m.stopServer('node1');
        const ran = await neverTwoWriters(m, async () => {
          const both = [m.start(['promote', 'node2', '--failover', '--yes', '--json', '-f', one.file], { env: one.env }), m.start(['promote', 'node3', '--failover', '--yes', '--json', '-f', two.file], { env: two.env })] as const;
          const ended = await Promise.all(both.map(async (run) => await run.ended));
          await writer.more(20);
          return ended;
        });
        const won = ran.findIndex(({ exit }) => exit === 0);
        const lost = ran[1 - won];
        expect(ran.map(({ exit }) => exit).sort(), ran.map(({ stdout, stderr }) => stdout + stderr).join('\n')).toEqual([0, expect.toBeOneOf([3, 9])]);
        // 9 names who holds the lock; 3 says who is the primary, or is about to be.
        if (lost !== undefined) expect(JSON.stringify(errorIn(lost))).toMatch(lost.exit === 9 ? new RegExp(`pgrepl promote node${won + 2}`) : new RegExp(`node${won + 2} (?:runs and takes writes|was told to become the primary)`));
        const primary = won === 0 ? 'node2' : 'node3';
        const other = won === 0 ? 'node3' : 'node2';
        const takenAlong = round !== 3 || won === 0;
        const roles = { primary, timeline: 2, streams: takenAlong ? { [other]: primary } : {} };
        await expectNothingLost(m, writer, roles);
        await expectRoles(m, roles);
      }, { slots: false });
    });
  }

  each('H19 H05 pro.5 one operator sends a promote and is killed while the standby still replays; another one wants the other standby: refused, whatever he accepts', async () => {
    await trio(async (m) => {
      const [one, two] = [await operator(m, 'one'), await operator(m, 'two')];
      const { pgdata } = await m.place('node2');
      await m.stopServer('node1');
      await neverTwoWriters(m, async () => {
        await freeze(m, 'node2', /startup/);
        const first = m.start(['promote', 'node2', '--failover', '--yes', '--json', '-f', one.file], { env: one.env });
        await first.until(/"event":"no-return"/);
        while (!existsSync(join(pgdata, 'promote'))) await new Promise((resolve) => setTimeout(resolve, 5));
        first.kill('SIGKILL');
        await first.ended;
        const second = await m.pgrepl(['promote', 'node3', '--failover', '--accept-loss', 'unknown', '--yes', '--json', '-f', two.file], { env: two.env });
        expect([second.exit, errorIn(second)], second.stdout).toMatchObject([3, { code: 'promote-pending', message: expect.stringContaining('node2 was told to become the primary'), next: [expect.stringMatching(/^pgrepl .*promote node2$/), expect.stringMatching(/^pgrepl .*status$/)] }]);
        await thaw(m, 'node2');
        await m.eventually('node2', 'SELECT pg_is_in_recovery()', 'f');
        const third = await m.pgrepl(['promote', 'node3', '--failover', '--yes', '--json', '-f', two.file], { env: two.env });
        expect([third.exit, errorIn(third).code]).toEqual([3, 'primary-runs']);
      });
      await m.ok(['promote', 'node2', '--failover', '--yes', '-f', two.file], { env: two.env });
      await expectRoles(m, { primary: 'node2', timeline: 2, streams: { node3: 'node2' } });
    });
  });

  each('H09 a restore_command that hangs at the end of recovery is named and left alone; whoever wants the other standby meanwhile is refused', async () => {
    await trio(async (m) => {
      const [one, two] = [await operator(m, 'one'), await operator(m, 'two')];
      const { pgdata } = await m.place('node2');
      const hold = join(m.root, 'hold');
      // It hangs once the file that asked for the promote has been taken up: when the standby looks for the number of its new timeline.
      await writeFile(join(m.root, 'restore.sh'), `case "$1" in *.history) while test -e ${hold} && ! test -e ${pgdata}/promote; do sleep 0.1; done;; esac\nexit 1\n`, { mode: 0o755 });
      await m.sql('node2', `ALTER SYSTEM SET restore_command = 'sh ${join(m.root, 'restore.sh')} %f'`);
      const needsRestart = (await m.sql('node2', `SELECT context FROM pg_settings WHERE name = 'restore_command'`)) === 'postmaster';
      if (needsRestart) await m.stopServer('node2').then(async () => { await m.startServer('node2'); });
      else await m.sql('node2', 'SELECT pg_reload_conf()');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      await m.stopServer('node1');
      await writeFile(hold, '', { mode: 0o644 });
      await neverTwoWriters(m, async () => {
        const first = m.start(['promote', 'node2', '--failover', '--yes', '--json', '-f', one.file], { env: one.env });
        const named = Number(await m.sql('node2', 'SHOW server_version_num')) >= 150_000;
        await first.until(named ? /"phase":"end of recovery: waits for RestoreCommand"/ : /"phase":"end of recovery/);
        // Before 15 the wait has no name to be waited for.
        const until = performance.now() + 20_000;
        while (existsSync(join(pgdata, 'promote')) && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
        expect(existsSync(join(pgdata, 'promote'))).toBe(false);
        const second = await m.pgrepl(['promote', 'node3', '--failover', '--yes', '--json', '-f', two.file], { env: two.env });
        expect([second.exit, errorIn(second).code]).toEqual([3, 'promote-pending']);
        first.kill('SIGKILL');
        await first.ended;
        const third = await m.pgrepl(['promote', 'node3', '--failover', '--yes', '--json', '-f', two.file], { env: two.env });
        expect([third.exit, errorIn(third).code]).toEqual([3, 'promote-pending']);
        await rm(hold);
        await m.eventually('node2', 'SELECT pg_is_in_recovery()', 'f');
      });
      await m.ok(['promote', 'node2', '--failover', '--yes', '-f', two.file], { env: two.env });
      await expectRoles(m, { primary: 'node2', timeline: 2, streams: { node3: 'node2' } });
    });
  });
});

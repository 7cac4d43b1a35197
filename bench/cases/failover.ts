import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openOracle, postmasterOf } from '../../test/support/oracle.ts';
import { interleave, pause, result, type Case, type Result } from '../measure.ts';
import { hasRepmgr, registerWithRepmgr, repmgrAs } from '../repmgr.ts';
import { controlLine, lsnOf, openShell, type Shell } from '../shell.ts';
import { withThreeNodes } from '../three-nodes.ts';

const NODES = ['node1', 'node2', 'node3'];

/** From the command until the first row is acknowledged, after the primary was killed; each round from the same snapshot. */
export const failover: Case = {
  name: 'failover',
  run: async (bench) => {
    if (!existsSync(join(bench.installation.binDir, 'psql'))) {
      bench.say('  left out: without psql nothing is done by hand');
      return [];
    }
    const results: Result[] = [];
    await withThreeNodes(bench, async (m) => {
      const shell = openShell(m.installation);
      try {
        const dir = Object.fromEntries(await Promise.all(NODES.map(async (name) => [name, (await m.place(name)).pgdata] as const)));
        await m.sql('node1', 'CREATE TABLE written (n bigint PRIMARY KEY)');
        const repmgr = hasRepmgr(m);
        if (repmgr) await registerWithRepmgr(m, NODES);
        for (const name of NODES) await m.stopServer(name);
        for (const name of NODES) await shell.run(`cp -a ${dir[name]!} ${dir[name]!}.kept`);
        await copyFile(m.clusterFile, `${m.root}/pgrepl.yaml.kept`);

        const round = async (act: () => Promise<void>): Promise<number> => {
          for (const name of NODES) {
            if ((await m.postmaster(name)) !== null) await m.stopServer(name, 'immediate');
            await shell.run(`chmod 0700 ${dir[name]!} && rm -rf ${dir[name]!} && cp -a ${dir[name]!}.kept ${dir[name]!}`);
          }
          await copyFile(`${m.root}/pgrepl.yaml.kept`, m.clusterFile);
          for (const name of NODES) await m.startServer(name);
          await m.eventually('node1', "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", '2');
          await m.sql('node1', 'INSERT INTO written SELECT generate_series(1, 20000)');
          await m.eventually('node1', 'SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()', '2');
          await m.killServer('node1');
          const began = performance.now();
          const written = firstWrite(dir['node2']!, began);
          await act();
          return await written;
        };
        const [pgrepl = [], hand = [], other = []] = await interleave(
          bench.short ? 2 : 7,
          [
            async () => await round(async () => { await m.ok(['promote', 'node2', '--failover', '--yes']); }),
            async () => await round(async () => { await byHand(shell, dir); }),
            ...(repmgr ? [async () => await round(async () => { await shell.run(repmgrAs(m, 'node2', 'standby promote --siblings-follow')); })] : []),
          ],
          0,
        );
        results.push(result({ what: 'failover: until the first write', reference: 'by hand, with positions and end of WAL compared', unit: 'ms', budget: 1.2 }, pgrepl, hand));
        if (repmgr) results.push(result({ what: 'failover: until the first write', reference: 'repmgr standby promote --siblings-follow, which compares nothing and locks nobody out', unit: 'ms', budget: null }, pgrepl, other));
      } finally {
        shell.close();
      }
    });
    return results;
  },
};

/** Milliseconds until this server takes a row; over one session that was opened while it was a standby. */
async function firstWrite(directory: string, began: number): Promise<number> {
  const session = await openOracle(directory);
  try {
    while (performance.now() - began < 60_000) {
      const took = await session.query('INSERT INTO written VALUES (0)').then(() => performance.now() - began, () => null);
      if (took !== null) return took;
      await pause(5);
    }
    throw new Error('no write was taken within 60 s');
  } finally {
    await session.end();
  }
}

/**
 * What has to be known before a promote, and the old primary shut away before it: typed into a shell that is open, with the programs that
 * such a shell starts. The log is read from where the candidate is, as pgrepl does it.
 */
async function byHand(shell: Shell, dir: Readonly<Record<string, string>>): Promise<void> {
  const psql = async (node: string): Promise<string> => {
    const server = await postmasterOf(dir[node]!);
    return `psql -XAtq -h ${server?.socketDir ?? ''} -p ${server?.port ?? 0} -U postgres -c`;
  };
  const [candidate, sibling] = await Promise.all([psql('node2'), psql('node3')]);
  const stopped = `! ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -q -- '-> ${dir['node1']!}$'`;
  const position = `"SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), pg_last_wal_replay_lsn()"`;
  const seen = await shell.run(`${stopped} || exit 1
theirs=$(mktemp); ${sibling} ${position} > $theirs & ours=$(${candidate} ${position}); wait
echo "ours $ours"; echo "theirs $(cat $theirs)"; rm $theirs
pg_controldata ${dir['node1']!}`);
  const [, ours = '', replayed = ''] = /^ours (\S+)\|(\S+)$/m.exec(seen) ?? [];
  const [, theirs = ''] = /^theirs (\S+)\|/m.exec(seen) ?? [];
  if (lsnOf(ours) < lsnOf(theirs)) throw new Error('the sibling has more');
  const timeline = controlLine(seen, "Latest checkpoint's TimeLineID");
  if (lsnOf(controlLine(seen, "Latest checkpoint's REDO location")) > lsnOf(replayed)) throw new Error('the candidate lacks the last checkpoint');
  // It always ends with an error: the first record that is not there is the end.
  const records = await shell.run(`pg_waldump -p ${dir['node1']!}/pg_wal -t ${timeline} -s ${replayed} | tail -n 2; true`);
  if (!records.includes('error')) throw new Error(`the end of WAL was not found: ${records}`);
  const last = /lsn: ([0-9A-F]+\/[0-9A-F]+)/.exec(records)?.[1];
  if (last !== undefined && lsnOf(last) >= lsnOf(ours)) throw new Error('the old primary has more');
  await shell.run(`chmod 0701 ${dir['node1']!} && ${stopped} && ${candidate} "SELECT pg_promote(wait => false)"`);
}

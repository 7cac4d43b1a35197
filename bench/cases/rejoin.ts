import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { postmasterOf } from '../../test/support/oracle.ts';
import { withMachine } from '../../test/support/machine.ts';
import { interleave, result, type Case, type Result } from '../measure.ts';
import { addressOf, hasRepmgr, registerWithRepmgr, repmgrAs } from '../repmgr.ts';
import { openShell } from '../shell.ts';

const NODES = ['node1', 'node2'];
/** What a careful person saves: pg_rewind brings those of the other server. */
const OWN_FILES = 'postgresql.conf postgresql.auto.conf pg_hba.conf pg_ident.conf pgrepl.conf';
const CAUGHT_UP = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn = pg_current_wal_lsn()";

/** A crashed primary with a few rows of its own, back as a standby of the one that took over; each round from the same snapshot. */
export const rejoin: Case = {
  name: 'rejoin',
  run: async (bench) => {
    if (!existsSync(join(bench.installation.binDir, 'psql'))) {
      bench.say('  left out: without psql nothing is done by hand');
      return [];
    }
    const results: Result[] = [];
    await withMachine(
      async (m) => {
        bench.say('  making a primary that diverged');
        for (const [index, name] of NODES.entries()) await m.ok([index === 0 ? 'init-primary' : 'add-standby', ...(await m.at(name)), '--yes']);
        const dir = Object.fromEntries(await Promise.all(NODES.map(async (name) => [name, (await m.place(name)).pgdata] as const)));
        const repmgr = hasRepmgr(m);
        if (repmgr) await registerWithRepmgr(m, NODES);
        await m.sql('node1', 'CREATE TABLE written AS SELECT generate_series(1, 200000) AS n');
        await m.eventually('node1', CAUGHT_UP, '1');
        await m.stopServer('node2');
        await m.sql('node1', 'INSERT INTO written VALUES (-1), (-2), (-3)');
        await m.killServer('node1');
        await m.startServer('node2');
        await m.ok(['promote', 'node2', '--accept-loss', 'unknown', '--yes']);
        // What repmgr would have noted, had it promoted node2.
        if (repmgr) await m.sql('node2', `UPDATE repmgr.nodes SET type = CASE node_id WHEN 2 THEN 'primary' ELSE type END, upstream_node_id = NULL, active = node_id = 2`, 'repmgr');
        await m.sql('node2', 'INSERT INTO written SELECT generate_series(1, 200000)');
        await m.stopServer('node2');
        const shell = openShell(m.installation);
        try {
          for (const name of NODES) await shell.run(`cp -a ${dir[name]!} ${dir[name]!}.kept`);
          await copyFile(m.clusterFile, `${m.root}/pgrepl.yaml.kept`);

          const round = async (act: () => Promise<void>): Promise<number> => {
            for (const name of NODES) {
              if ((await m.postmaster(name)) !== null) await m.stopServer(name, 'immediate');
              await shell.run(`chmod 0700 ${dir[name]!} && rm -rf ${dir[name]!} ${dir[name]!}.pgrepl-* && cp -a ${dir[name]!}.kept ${dir[name]!}`);
            }
            await copyFile(`${m.root}/pgrepl.yaml.kept`, m.clusterFile);
            await m.startServer('node2');
            const began = performance.now();
            await act();
            await m.eventually('node2', CAUGHT_UP, '1');
            return performance.now() - began;
          };
          // The first shows by the way what a standby of node2 is told here.
          await round(async () => { await m.ok(['rejoin', 'node1', '--discard', '--yes']); });
          await shell.run(`cp -a ${dir['node1']!}/pgrepl.standby.conf ${m.root}/standby.conf`);
          const byHand = async (): Promise<void> => {
            const source = await postmasterOf(dir['node2']!);
            const at = `host=${source?.socketDir ?? ''} port=${source?.port ?? 0} user=postgres dbname=postgres`;
            const psql = `psql -XAtq '${at}' -c`;
            await shell.run(`(set -e
cd ${dir['node1']!} && chmod 0700 . && mkdir ${m.root}/own && cp -a ${OWN_FILES} ${m.root}/own/
${psql} "SELECT pg_create_physical_replication_slot('node1', true)" && ${psql} CHECKPOINT
pg_rewind --target-pgdata=${dir['node1']!} --source-server='${at}' </dev/null
cp -a ${m.root}/own/* . && cp -a ${m.root}/standby.conf pgrepl.standby.conf && : > standby.signal
rm -rf ${m.root}/own && pg_ctl start -w -D ${dir['node1']!} -l ${dir['node1']!}.log >/dev/null)`);
          };
          // It takes only a server that was shut down cleanly, and says to start and stop a crashed one first.
          const byRepmgr = async (): Promise<void> => {
            const files = [...OWN_FILES.split(' '), 'pgrepl.standby.conf'].join(',');
            await shell.run(`(set -e
cd ${dir['node1']!} && chmod 0700 . && postgres --single -F -D . -c archive_mode=off template1 </dev/null >/dev/null
${repmgrAs(m, 'node1', `node rejoin -d '${await addressOf(m, 'node2')} user=postgres dbname=repmgr' --force-rewind --config-files=${files}`)})`);
          };
          const [pgrepl = [], hand = [], other = []] = await interleave(bench.short ? 2 : 7, [...([async () => await round(async () => { await m.ok(['rejoin', 'node1', '--discard', '--yes']); }), async () => await round(byHand)] as const), ...(repmgr ? [async () => await round(byRepmgr)] : [])], 0);
          results.push(result({ what: 'rejoin of a diverged primary', reference: 'pg_rewind by hand, without counting or keeping what is lost', unit: 's', budget: null }, pgrepl, hand));
          if (repmgr) results.push(result({ what: 'rejoin of a diverged primary', reference: 'repmgr node rejoin --force-rewind, after the recovery by hand that it asks for', unit: 's', budget: null }, pgrepl, other));
        } finally {
          shell.close();
        }
      },
      { installation: bench.installation, checkLeftovers: false },
    );
    return results;
  },
};

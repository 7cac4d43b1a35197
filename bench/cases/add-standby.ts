import { rm } from 'node:fs/promises';
import type { Machine } from '../../test/support/machine.ts';
import { interleave, result, type Case, type Result } from '../measure.ts';

/** Rows of about 1 kB that do not compress to nothing. */
const FILL = (megabytes: number): string => `CREATE TABLE filling AS SELECT n, (SELECT string_agg(md5((n * 31 + k)::text), '') FROM generate_series(1, 28) k) AS words FROM generate_series(1, ${megabytes * 1_024}) n`;

/** A copy that streams: by pgrepl, and by pg_basebackup, pg_ctl and a look at the primary. */
export const addStandby: Case = {
  name: 'add-standby',
  run: async (bench) => {
    const results: Result[] = [];
    const megabytes = bench.short ? 100 : 1_000;
    const { withMachine } = await import('../../test/support/machine.ts');
    await withMachine(
      async (m) => {
        await m.ok(['init-primary', ...(await m.at('node1')), '--yes']);
        bench.say(`  filling ${megabytes} MB`);
        await m.program('psql', await psqlWords(m, FILL(megabytes)));
        await m.sql('node1', 'CHECKPOINT');
        const [unverified = [], verified = [], hand = []] = await interleave(bench.short ? 2 : 5, [
          async () => await byPgrepl(m, 'quick', ['--no-verify']),
          async () => await byPgrepl(m, 'careful', []),
          async () => await byHand(m, 'hand'),
        ], bench.short ? 0 : 1);
        const size = `${megabytes} MB`;
        const reference = 'pg_basebackup -X stream -c fast, start, until streaming';
        results.push(
          result({ what: `add-standby --no-verify, ${size}`, reference, unit: 's', budget: bench.short ? null : 1.05 }, unverified, hand),
          result({ what: `add-standby, verified, ${size}`, reference, unit: 's', budget: null }, verified, hand),
        );
      },
      { installation: bench.installation, checkLeftovers: false },
    );
    return results;
  },
};

async function byPgrepl(m: Machine, name: string, words: readonly string[]): Promise<number> {
  const { pgdata } = await m.place(name);
  await m.sql('node1', 'CHECKPOINT');
  const began = performance.now();
  await m.ok(['add-standby', ...(await m.at(name)), '--yes', ...words]);
  const took = performance.now() - began;
  await m.ok(['remove-standby', name, '--yes']);
  await rm(pgdata, { recursive: true });
  return took;
}

async function byHand(m: Machine, name: string): Promise<number> {
  const [{ pgdata, port }, primary] = [await m.place(name), await m.place('node1')];
  await m.sql('node1', 'CHECKPOINT');
  const began = performance.now();
  const conninfo = `host=127.0.0.1 port=${primary.port} user=replicator passfile=${m.root}/pass/main.pass`;
  await m.program('pg_basebackup', ['-D', pgdata, '-X', 'stream', '-c', 'fast', '-R', '-C', '-S', name, '-d', conninfo]);
  await m.program('pg_ctl', ['start', '-w', '-D', pgdata, '-l', `${pgdata}.log`, '-o', `-p ${port}`]);
  await m.eventually('node1', `SELECT r.state FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE s.slot_name = '${name}'`, 'streaming');
  const took = performance.now() - began;
  await m.stopServer(name);
  await m.eventually('node1', `SELECT active FROM pg_replication_slots WHERE slot_name = '${name}'`, 'f');
  await m.sql('node1', `SELECT pg_drop_replication_slot('${name}')`);
  await rm(pgdata, { recursive: true });
  return took;
}

/** psql, because filling takes longer than the oracle waits for an answer. */
async function psqlWords(m: Machine, text: string): Promise<readonly string[]> {
  const { postmasterOf } = await import('../../test/support/oracle.ts');
  const server = await postmasterOf((await m.place('node1')).pgdata);
  return ['-X', '-q', '-h', server?.socketDir ?? '', '-p', String(server?.port ?? 0), '-U', 'postgres', '-d', 'postgres', '-c', text];
}

import { appendFileSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { freeze, thaw } from '../support/freeze.ts';
import { openRelay } from '../support/relay.ts';
import type { Machine, Ran } from '../support/cluster.ts';
import { trioStories } from '../support/trio.ts';

interface Level {
  readonly level: string;
  readonly commits: number;
  readonly medianSeconds: number | null;
  readonly p99Seconds: number | null;
  readonly hung: boolean;
}

interface Latency {
  readonly primary: string;
  readonly levels: readonly Level[];
  readonly standbys: readonly { readonly name: string; readonly sync: string; readonly flushSeconds: number | null }[];
  readonly says: readonly string[];
}

const ONE_WAY_MS = 10;

const measured = (ran: Ran): { readonly latency: Latency; readonly median: (level: string) => number } => {
  const latency = ran.json[0] as unknown as Latency;
  return { latency, median: (level) => latency.levels.find((one) => one.level === level)?.medianSeconds ?? Number.NaN };
};

/** Everything that a table, a setting or a configuration file could show of it. */
const traces = async (m: Machine): Promise<string> =>
  await m.sql('node1', `SELECT (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_all_tables WHERE schemaname NOT LIKE 'pg_%') || ' ' || (SELECT count(*) FROM pg_class) || ' ' || (SELECT count(*) FROM pg_settings WHERE source = 'configuration file') || ' ' || current_setting('synchronous_commit')`);

trioStories({}, (trio, { once }) => {
  once('what a commit costs: a standby behind a slow link costs its round trip where it is waited for, and nothing at local; nothing is left behind', async () => {
    await trio(async (m) => {
      const primaryPort = (await m.place('node1')).port;
      const relay = await openRelay({ host: '127.0.0.1', port: primaryPort }, { delayMs: ONE_WAY_MS });
      try {
        const before = await traces(m);
        const without = measured(await m.ok(['latency', '--commits', '50', '--json']));
        expect(without.latency.levels.map(({ level, commits, hung }) => [level, commits, hung])).toEqual(['off', 'local', 'remote_write', 'on', 'remote_apply'].map((level) => [level, 50, false]));
        expect(without.latency.standbys.map(({ name, sync }) => `${name} ${sync}`)).toEqual(['node2 async', 'node3 async']);
        expect(without.latency.says[0]).toContain('no standby is synchronous');
        expect(await traces(m)).toBe(before);

        await m.ok(['sync', 'any', '1', 'node2', '--yes']);
        const straight = await m.sql('node2', 'SHOW primary_conninfo');
        const through = straight.replace(/port=\S+/, `port=${relay.port}`);
        const passfile = /passfile=(\S+)/.exec(straight)?.[1] ?? '';
        const line = readFileSync(passfile, 'utf8').split('\n').find((one) => one.includes(`:${primaryPort}:`));
        appendFileSync(passfile, `${line?.replace(`:${primaryPort}:`, `:${relay.port}:`) ?? ''}\n`);
        await m.sql('node2', `ALTER SYSTEM SET primary_conninfo = '${through.replaceAll("'", "''")}'`);
        await m.sql('node2', 'SELECT pg_reload_conf()');
        await m.eventually('node2', `SELECT count(*) FROM pg_stat_wal_receiver WHERE conninfo LIKE '%port=${relay.port}%' AND status = 'streaming'`, '1');
        await m.eventually('node1', `SELECT sync_state FROM pg_stat_replication WHERE application_name = 'node2'`, 'quorum');
        const { latency, median } = measured(await m.ok(['latency', 'node2', '--commits', '50', '--json']));
        for (const level of ['remote_write', 'on', 'remote_apply']) expect(median(level), level).toBeGreaterThan((2 * ONE_WAY_MS) / 1_000);
        expect(median('local')).toBeLessThan(median('on') / 2);
        expect(latency.standbys).toMatchObject([{ name: 'node2', sync: 'quorum' }]);
        expect(latency.standbys[0]?.flushSeconds).toBeGreaterThan(ONE_WAY_MS / 1_000);
        expect(latency.says.join('\n')).toMatch(/^on costs \S+ ms more than local/);
      } finally {
        await m.sql('node2', 'ALTER SYSTEM RESET primary_conninfo');
        await m.sql('node2', 'SELECT pg_reload_conf()');
        await relay.close();
      }
    });
  });

  once('a synchronous standby that does not answer holds one commit for a moment, and nobody who measures for ever (F01)', async () => {
    await trio(async (m) => {
      await m.ok(['sync', 'any', '1', 'node2', '--yes']);
      await freeze(m, 'node2', /walreceiver/);
      try {
        const { latency, median } = measured(await m.ok(['latency', '--timeout', '5', '--json']));
        expect(latency.levels.map(({ level, hung }) => [level, hung])).toEqual([['off', false], ['local', false], ['remote_write', true], ['on', true], ['remote_apply', true]]);
        expect(median('local')).toBeGreaterThan(0);
        expect(latency.says[0]).toContain('does not answer');
        expect(await m.sql('node1', `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgrepl'`)).toBe('0');
      } finally {
        await thaw(m, 'node2');
      }
    });
  });
});

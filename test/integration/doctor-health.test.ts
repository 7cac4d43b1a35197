import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { doctorOf, type SeenDoctor } from '../support/doctors.ts';
import { trioStories } from '../support/trio.ts';

const HEALTH = ['passwords', 'hba', 'configuration', 'parameters', 'drift', 'data-directory', 'services', 'slots', 'logical-slots', 'wal', 'replay', 'xmin', 'vacuum', 'rewind', 'timeouts', 'collations', 'libraries', 'unlogged', 'minors'];

async function look(m: Machine): Promise<SeenDoctor> {
  return await doctorOf(m, HEALTH.flatMap((rule) => ['--only', rule]));
}

const ids = ({ findings }: SeenDoctor): readonly string[] => findings.map(({ id, node }) => `${id} ${node ?? '-'}`).sort();

async function fileOf(m: Machine, node: string, name: string): Promise<string> {
  return join((await m.place(node)).pgdata, name);
}

trioStories({}, (trio, { each, once }) => {
  each('B01 A15 A14 C22 what the files hold for the next restart is found before it, and gone when it is mended', async () => {
    await trio(async (m) => {
      expect(ids(await look(m))).toEqual([]);
      const [conf, hba] = await Promise.all([fileOf(m, 'node2', 'postgresql.conf'), fileOf(m, 'node3', 'pg_hba.conf')]);
      const [confBefore, hbaBefore] = await Promise.all([readFile(conf, 'utf8'), readFile(hba, 'utf8')]);
      await appendFile(conf, 'wal_keep_segments = 10\n');
      await appendFile(hba, 'host all all 10.0.0.0/99 scram-sha-256\nhost replication all 10.0.0.0/8 trust\n');
      await m.sql('node1', `ALTER SYSTEM SET wal_keep_size = '16MB'`);
      await m.sql('node1', `ALTER SYSTEM SET max_locks_per_transaction = 65`);
      await m.sql('node1', `ALTER SYSTEM SET autovacuum_max_workers = 4`);
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await m.eventually('node1', 'SHOW wal_keep_size', '16MB');
      const seen = await look(m);
      expect(seen.exit).toBe(8);
      const restarts = Number(await m.sql('node1', `SELECT count(*) FROM pg_settings WHERE name = 'autovacuum_max_workers' AND pending_restart`)) === 1;
      expect(ids(seen)).toEqual([`configuration-broken node2`, 'hba-broken node3', 'hba-trust node3', ...(restarts ? ['restart-pending node1'] : []), 'setting-overridden node1', ...(['node2', 'node3'].map((node) => `settings-differ ${node}`)), ...(restarts ? [] : ['sizes-differ node2', 'sizes-differ node3'])]);
      expect(seen.finding('configuration-broken')).toMatchObject({ hazard: 'B01', evidence: [expect.stringMatching(/postgresql\.conf:\d+: wal_keep_segments: unrecognized configuration parameter/)] });
      expect(seen.finding('setting-overridden').evidence[0]).toMatch(/pgrepl\.conf:\d+ says wal_keep_size = \d+MB, .*postgresql\.auto\.conf:\d+ says 16MB/);
      expect(seen.finding('setting-overridden').next[0]).toBe('ALTER SYSTEM RESET wal_keep_size');
      await Promise.all([writeFile(conf, confBefore), writeFile(hba, hbaBefore)]);
      await m.sql('node1', 'ALTER SYSTEM RESET ALL');
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await m.eventually('node1', `SELECT setting::int > 16 FROM pg_settings WHERE name = 'wal_keep_size'`, 't');
      expect(ids(await look(m))).toEqual([]);
    });
  });

  each('E01 E06 L03 H16 a slot that nobody uses: what it keeps, at which rate, and the rows that it holds; tables that vacuum does not come to', async () => {
    await trio(async (m) => {
      await m.sql('node2', 'ALTER SYSTEM SET hot_standby_feedback = on');
      await m.sql('node2', 'ALTER SYSTEM SET wal_receiver_status_interval = 1');
      await m.sql('node2', 'SELECT pg_reload_conf()');
      await m.eventually('node1', `SELECT xmin IS NOT NULL FROM pg_replication_slots WHERE slot_name = 'node2'`, 't', 60_000);
      await m.stopServer('node2');
      await m.eventually('node1', `SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'node2'`, 't');
      await m.sql('node1', 'CREATE TABLE busy (n int) WITH (autovacuum_enabled = off)');
      await m.sql('node1', 'CREATE UNLOGGED TABLE gone (n int)');
      await m.sql('node1', 'INSERT INTO busy SELECT generate_series(1, 20000)');
      await m.sql('node1', 'DELETE FROM busy');
      await m.eventually('node1', `SELECT n_dead_tup >= 20000 FROM pg_stat_all_tables WHERE relname = 'busy'`, 't');
      const still = await look(m);
      expect(still.exit).toBe(8);
      expect(still.finding('slot-holds-xmin')).toMatchObject({ level: 'critical', node: 'node1', hazard: 'E06' });
      expect(still.finding('vacuum-behind').evidence).toEqual([expect.stringMatching(/^public\.busy: 20,000 dead rows beside 0 living ones/)]);
      expect(still.finding('unlogged-tables').evidence).toEqual(['postgres.public.gone']);
      const writer = await m.writer(['node1']);
      await m.sql('node1', 'ALTER SYSTEM SET max_slot_wal_keep_size = -1');
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await m.eventually('node1', 'SHOW max_slot_wal_keep_size', '-1');
      const finding = (await doctorOf(m, ['--only', 'wal'])).finding('wal-kept');
      await writer.stop();
      expect(finding).toMatchObject({ node: 'node1', hazard: 'E01' });
      expect(finding.says).toMatch(/^slot "node2" keeps .* of WAL on node1 and lets go of none: its disk is full in about \d+ (?:days|h|min|s) at the rate of now$/);
      expect(finding.evidence.at(-1)).toMatch(/^[1-9][0-9.]* k?M?B of WAL a second, over (?:0\.[4-9]|[12]\.\d) s$/);
    }, { slots: false });
  });

  once('H14 L02 L08 E12 transactions that hold, replay that waits, and a logical slot', async () => {
    await trio(async (m) => {
      await m.sql('node1', 'ALTER SYSTEM SET wal_level = logical');
      await m.sql('node1', 'ALTER SYSTEM SET max_prepared_transactions = 5');
      for (const name of ['node2', 'node3']) {
        await m.sql(name, 'ALTER SYSTEM SET max_prepared_transactions = 5');
        await m.sql(name, 'ALTER SYSTEM SET max_standby_streaming_delay = -1');
        await m.stopServer(name);
        await m.startServer(name);
      }
      await m.stopServer('node1');
      await m.startServer('node1');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      await m.sql('node1', `SELECT pg_create_logical_replication_slot('sub', 'pgoutput')`);
      const seen = await look(m);
      expect(ids(seen)).toEqual(['logical-slot-stays node1', 'replay-waits-without-limit node2', 'replay-waits-without-limit node3', 'setting-overridden node1', ...['node2', 'node3'].map((node) => `settings-differ ${node}`)]);
      expect(seen.finding('settings-differ').evidence).toEqual([expect.stringMatching(/^wal_level: logical \(.*\) on node1, replica \(.*\) on node[23]$/)]);
      await m.sql('node1', `SELECT pg_drop_replication_slot('sub')`);
    });
  });
});

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { doctorOf, type SeenDoctor } from '../support/doctors.ts';
import { statusOf } from '../support/statuses.ts';
import { trioStories } from '../support/trio.ts';

async function deep(m: Machine, args: readonly string[] = []): Promise<SeenDoctor> {
  return await doctorOf(m, ['--only', 'contents', ...args]);
}

/** Other bytes in a table of a stopped standby, as a disk that lies would have them. */
async function falsify(m: Machine, node: string, file: string): Promise<void> {
  const path = join((await m.place(node)).pgdata, file);
  const page = await readFile(path);
  const at = page.indexOf('AAAAAAAAAAAAAAAA');
  if (at === -1) throw new Error(`${file} of ${node} is not on the disk yet`);
  page.write('BBBB', at);
  await writeFile(path, page);
}

trioStories({}, (trio, { each, once }) => {
  each('G07 rows that differ although all is streamed and replayed are found, with table and node', async () => {
    await trio(async (m) => {
      await m.sql('node1', `CREATE TABLE kept AS SELECT n, repeat('A', 24) AS t FROM generate_series(1, 100) AS n`);
      await m.sql('node1', 'CREATE UNLOGGED TABLE not_there (n int)');
      await m.sql('node1', 'CHECKPOINT');
      const well = await deep(m);
      expect(well).toMatchObject({ exit: 0, findings: [] });
      const file = await m.sql('node1', `SELECT pg_relation_filepath('kept')`);
      // What was read has been marked as read, and that is in the log as a whole page: a start would write it over the false one.
      await m.sql('node1', 'CHECKPOINT');
      const end = await m.sql('node1', 'SELECT pg_current_wal_lsn()');
      await m.eventually('node2', `SELECT pg_last_wal_replay_lsn() >= '${end}'`, 't');
      await m.sql('node2', 'CHECKPOINT');
      await m.sql('node2', 'ALTER SYSTEM SET ignore_checksum_failure = on');
      await m.stopServer('node2');
      await falsify(m, 'node2', file);
      await m.startServer('node2');
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      expect((await statusOf(m)).findings).toEqual([]);
      const seen = await deep(m);
      expect(seen.exit).toBe(8);
      expect(seen.findings).toMatchObject([{ id: 'contents-differ', node: 'node2', hazard: 'G07', evidence: [expect.stringMatching(/^postgres\.public\.kept: 100 rows on the primary, 100 on node2$/), expect.stringMatching(/^1 table, /)] }]);
    });
  });

  once('while rows are written nothing is taken for a difference, replay is never held up, and a standby that stands is passed over', async () => {
    await trio(async (m) => {
      const writer = await m.writer(['node1']);
      await m.sql('node1', `CREATE TABLE kept AS SELECT n, repeat('A', 24) AS t FROM generate_series(1, 20000) AS n`);
      await m.sql('node3', 'SELECT pg_wal_replay_pause()');
      await m.eventually('node3', 'SELECT pg_is_wal_replay_paused()', 't');
      const seen = await deep(m, ['--timeout', '1']);
      await writer.stop();
      expect(seen.findings.filter(({ level }) => level !== 'info')).toEqual([]);
      expect(seen.findings.find(({ node }) => node === 'node3')?.evidence.join()).toContain('the standby does not replay');
      expect(await m.sql('node2', 'SELECT pg_is_wal_replay_paused()')).toBe('f');
      await m.sql('node3', 'SELECT pg_wal_replay_resume()');
    });
  });
});

import { expect, test } from 'vitest';
import { parseRewindProgress } from '../../../src/postgres/program-rewind.ts';
import { parseWalContent } from '../../../src/postgres/program-wal-content.ts';
import { programWords } from '../../../src/postgres/program-words.ts';
import { parseHistory, segmentOfWalFile, spansOf, walFileOf } from '../../../src/postgres/timeline.ts';
import { ownEntries } from '../../../src/steps/kept.ts';

test('the progress of pg_rewind is read, also several on a line', () => {
  expect(parseRewindProgress('    0/36693 kB (0%) copied\r12345/36693 kB (33%) copied')).toEqual({ doneBytes: 12_345 * 1024, totalBytes: 36_693 * 1024, phase: 'copying what has changed' });
  expect(parseRewindProgress('pg_rewind: servers diverged at WAL location 0/3000000 on timeline 1')).toBeNull();
});

test('what a stretch of the log holds is read from the counts', () => {
  expect(parseWalContent('records 12\ncommits 3\nprepared 1\nfirst 2026-11-25 07:09:36.1 UTC\nlast 2026-11-25 07:09:37.2 UTC\nrel 1 1663/5/16390\nrel 7 1663/5/16384\n')).toEqual({
    records: 12,
    commits: 3,
    prepared: 1,
    firstCommitAt: '2026-11-25 07:09:36.1 UTC',
    lastCommitAt: '2026-11-25 07:09:37.2 UTC',
    relations: [{ ref: '1663/5/16384', records: 7 }, { ref: '1663/5/16390', records: 1 }],
  });
  expect(parseWalContent('records 0\ncommits 0\nprepared 0\n')).toEqual({ records: 0, commits: 0, prepared: 0, firstCommitAt: null, lastCommitAt: null, relations: [] });
});

test('a segment is in the file of the newest timeline that had begun by then', () => {
  const spans = spansOf(3, parseHistory('1\t0/3000148\t-\n2\t0/5000000\t-\n'));
  const files = new Set(['000000010000000000000003', '000000020000000000000003', '000000020000000000000004', '000000030000000000000005']);
  const of = (segment: bigint): string | null => walFileOf(spans, segment, 16 * 1024 ** 2, files);
  expect([of(3n), of(4n), of(5n), of(2n)]).toEqual(['000000020000000000000003', '000000020000000000000004', '000000030000000000000005', null]);
  expect(segmentOfWalFile('000000020000000100000003', 16 * 1024 ** 2)).toBe(259n);
  expect(segmentOfWalFile('00000002.history', 16 * 1024 ** 2)).toBeNull();
});

test('what is of the node and not of PostgreSQL is kept: configuration, certificates, logs (J16)', () => {
  expect(ownEntries(['PG_VERSION', 'base', 'conf.d', 'global', 'log', 'pg_hba.conf', 'pg_ident.conf', 'pg_wal', 'pgrepl.conf', 'postgresql.auto.conf', 'postgresql.conf', 'postmaster.pid', 'server.key', 'standby.signal', '.pgrepl-staging'])).toEqual([
    'conf.d', 'log', 'pg_hba.conf', 'pg_ident.conf', 'pgrepl.conf', 'postgresql.auto.conf', 'postgresql.conf', 'server.key',
  ]);
});

test('pg_rewind is told where the configuration is from 15 on, and never runs a recovery of its own', () => {
  const options = { directory: '/d', configFile: '/etc/c.conf', host: '10.0.0.2', port: 5432, user: 'replicator', passfile: '/p/main.pass.rewind', restoreTargetWal: true };
  const words = (versionNumber: number): readonly string[] => programWords({ binDir: '/b', versionNumber, libraryDir: null, locale: 'C' }).rewind(options);
  expect(words(140_010)).toEqual(['/b/pg_rewind', '--progress', '--target-pgdata', '/d', '--no-ensure-shutdown', '--restore-target-wal', '--source-server=host=10.0.0.2 port=5432 user=replicator dbname=postgres passfile=/p/main.pass.rewind application_name=pgrepl_rewind']);
  expect(words(150_010)).toContain('--config-file=/etc/c.conf');
});

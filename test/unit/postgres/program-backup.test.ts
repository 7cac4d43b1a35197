import { expect, test } from 'vitest';
import { parseBackupProgress } from '../../../src/postgres/program-backup.ts';

test.each([
  ['    0/22622 kB (0%), 0/1 tablespace', { doneBytes: 0, totalBytes: 22622 * 1024, phase: 'waiting for a checkpoint' }],
  [' 1000/22622 kB (4%), 0/1 tablespace (/data/base/1/2619           )', { doneBytes: 1024000, totalBytes: 22622 * 1024, phase: 'copying' }],
  ['22630/22622 kB (100%), 1/1 tablespace', { doneBytes: 22630 * 1024, totalBytes: 22630 * 1024, phase: 'receiving the last WAL' }],
  ['   10/100 kB (10%), 0/2 tablespaces\r   20/100 kB (20%), 0/2 tablespaces\r', { doneBytes: 20480, totalBytes: 102400, phase: 'copying' }],
])('the progress line %j', (line, progress) => {
  expect(parseBackupProgress(line)).toEqual(progress);
});

test('anything else is no progress', () => {
  expect(parseBackupProgress('pg_basebackup: error: could not connect')).toBeNull();
  expect(parseBackupProgress('')).toBeNull();
});

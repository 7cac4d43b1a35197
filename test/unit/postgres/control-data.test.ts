import { describe, expect, test } from 'vitest';
import { parseControlData } from '../../../src/postgres/control-data.ts';
import { parseLsn } from '../../../src/postgres/lsn.ts';

/** pg_controldata of PostgreSQL 15, of a cluster with segments of 1 MB. */
const OUTPUT = `pg_control version number:            1300
Catalog version number:               202209061
Database system identifier:           7711307152298746630
Database cluster state:               in production
pg_control last modified:             Mon Nov 23 10:27:18 2026
Latest checkpoint location:           0/D01A90
Latest checkpoint's REDO location:    0/D01A58
Latest checkpoint's REDO WAL file:    00000001000000000000000D
Latest checkpoint's TimeLineID:       1
Latest checkpoint's PrevTimeLineID:   1
Latest checkpoint's full_page_writes: on
Latest checkpoint's NextXID:          0:734
Latest checkpoint's NextOID:          16397
Latest checkpoint's NextMultiXactId:  1
Latest checkpoint's NextMultiOffset:  0
Latest checkpoint's oldestXID:        716
Latest checkpoint's oldestXID's DB:   1
Latest checkpoint's oldestActiveXID:  734
Latest checkpoint's oldestMultiXid:   1
Latest checkpoint's oldestMulti's DB: 1
Latest checkpoint's oldestCommitTsXid:0
Latest checkpoint's newestCommitTsXid:0
Time of latest checkpoint:            Mon Nov 23 10:27:18 2026
Fake LSN counter for unlogged rels:   0/3E8
Minimum recovery ending location:     0/0
Min recovery ending loc's timeline:   0
Backup start location:                0/0
Backup end location:                  0/0
End-of-backup record required:        no
wal_level setting:                    replica
wal_log_hints setting:                off
max_connections setting:              100
max_worker_processes setting:         8
max_wal_senders setting:              10
max_prepared_xacts setting:           0
max_locks_per_xact setting:           64
track_commit_timestamp setting:       off
Maximum data alignment:               8
Database block size:                  8192
Blocks per segment of large relation: 131072
WAL block size:                       8192
Bytes per WAL segment:                1048576
Maximum length of identifiers:        64
Maximum columns in an index:          32
Maximum size of a TOAST chunk:        1996
Size of a large-object chunk:         2048
Date/time type storage:               64-bit integers
Float8 argument passing:              by value
Data page checksum version:           0
`;

const EXPECTED = {
  systemIdentifier: '7711307152298746630',
  state: 'in production',
  checkpointLsn: parseLsn('0/D01A90'),
  redoLsn: parseLsn('0/D01A58'),
  timeline: 1,
  minRecoveryLsn: null,
  minRecoveryTimeline: null,
  walLevel: 'replica',
  walLogHints: false,
  checksums: false,
  walSegmentBytes: 1048576,
  required: { max_connections: 100, max_worker_processes: 8, max_wal_senders: 10, max_prepared_transactions: 0, max_locks_per_transaction: 64 },
};

const changed = (label: string, value: string): string => {
  const text = OUTPUT.replace(new RegExp(`^(${label}:\\s*).*$`, 'm'), `$1${value}`);
  if (text === OUTPUT) throw new Error(`no line ${label} to change`);
  return text;
};

describe('pg_controldata', () => {
  test('what the tool needs to know is read', () => {
    expect(parseControlData(OUTPUT)).toEqual(EXPECTED);
  });

  test.each(['starting up', 'shut down', 'shut down in recovery', 'shutting down', 'in crash recovery', 'in archive recovery', 'in production'])('the state "%s" is known', (state) => {
    expect(parseControlData(OUTPUT.replace(/^(Database cluster state:\s*).*$/m, `$1${state}`)).state).toBe(state);
  });

  test('the minimum recovery point is there only for a node in recovery', () => {
    const text = changed('Minimum recovery ending location', '1/A0').replace(/^(Min recovery ending loc's timeline:\s*).*$/m, '$12');
    expect(parseControlData(text)).toMatchObject({ minRecoveryLsn: parseLsn('1/A0'), minRecoveryTimeline: 2 });
    expect(parseControlData(OUTPUT)).toMatchObject({ minRecoveryLsn: null, minRecoveryTimeline: null });
  });

  test('checksums, hints and required parameters are read as such', () => {
    expect(parseControlData(changed('Data page checksum version', '1')).checksums).toBe(true);
    expect(parseControlData(changed('wal_log_hints setting', 'on')).walLogHints).toBe(true);
    expect(parseControlData(changed('max_prepared_xacts setting', '7')).required.max_prepared_transactions).toBe(7);
    expect(parseControlData(changed('max_locks_per_xact setting', '9')).required.max_locks_per_transaction).toBe(9);
  });

  test('a system identifier above 2^53 keeps all its digits (G12)', () => {
    expect(parseControlData(changed('Database system identifier', '18446744073709551615')).systemIdentifier).toBe('18446744073709551615');
  });

  test('lines that a new major adds, and CR LF, do not disturb', () => {
    expect(parseControlData(`${OUTPUT}Default char data signedness: signed\n`.replaceAll('\n', '\r\n'))).toEqual(EXPECTED);
  });

  test.each([
    ['Database cluster state', 'unrecognized status code'],
    ['Latest checkpoint location', 'nowhere'],
    ['Bytes per WAL segment', '16MB'],
    ['wal_log_hints setting', 'yes'],
    ['Database system identifier', 'x'],
  ])('"%s" as "%s" is refused', (label, value) => {
    expect(() => parseControlData(changed(label, value))).toThrow(expect.objectContaining({ code: 'control-data-unreadable', message: expect.stringContaining(label) as string }));
  });

  test.each(OUTPUT.split('\n').filter((line) => /^(?:Database (?:system|cluster)|wal_l|max_|Bytes per WAL|Latest checkpoint location|Min|Data page)/.test(line)))('without the line "%s" it is refused', (line) => {
    expect(() => parseControlData(OUTPUT.replace(`${line}\n`, ''))).toThrow(expect.objectContaining({ code: 'control-data-unreadable' }));
  });

  test('the words of another language are refused', () => {
    expect(() => parseControlData('pg_control-Versionsnummer: 1300\n')).toThrow(expect.objectContaining({ code: 'control-data-unreadable' }));
  });
});

import { describe, expect, test } from 'vitest';
import { bytesBetween, parseLsn, renderLsn } from '../../../src/postgres/lsn.ts';
import { endOfRecord, parseWaldumpLine, startOfNextSegment } from '../../../src/postgres/wal-records.ts';

const MEGABYTE = 1024 ** 2;

/**
 * Consecutive records of a PostgreSQL 15 server with segments of 1 MB, as pg_waldump lists them (descriptions cut): records that
 * end a few bytes before, exactly at and a few bytes after a page border, one that ends exactly at a segment border, one that
 * spans three segments, and a segment switch.
 */
const LISTING = `
rmgr: LogicalMessage len (rec/tot):     53/    53, tx:          0, lsn: 0/008001B8, prev 0/00800140, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):     54/    54, tx:          0, lsn: 0/008001F0, prev 0/008001B8, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):     55/    55, tx:          0, lsn: 0/00800228, prev 0/008001F0, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):     56/    56, tx:          0, lsn: 0/00800260, prev 0/00800228, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):     57/    57, tx:          0, lsn: 0/00800298, prev 0/00800260, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):     58/    58, tx:          0, lsn: 0/008002D8, prev 0/00800298, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):     59/    59, tx:          0, lsn: 0/00800318, prev 0/008002D8, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):     60/    60, tx:          0, lsn: 0/00800358, prev 0/00800318, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):     61/    61, tx:          0, lsn: 0/00800398, prev 0/00800358, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):    252/   252, tx:          0, lsn: 0/008003D8, prev 0/00800398, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):   8055/  8055, tx:          0, lsn: 0/008004D8, prev 0/008003D8, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):   8155/  8155, tx:          0, lsn: 0/00802468, prev 0/008004D8, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):   8247/  8247, tx:          0, lsn: 0/00804460, prev 0/00802468, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):  16439/ 16439, tx:          0, lsn: 0/008064B0, prev 0/00804460, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):  30055/ 30055, tx:          0, lsn: 0/0080A518, prev 0/008064B0, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):  50055/ 50055, tx:          0, lsn: 0/00811AC8, prev 0/0080A518, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot): 100055/100055, tx:          0, lsn: 0/0081DEE0, prev 0/00811AC8, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):   6419/  6419, tx:          0, lsn: 0/008366F0, prev 0/0081DEE0, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):    152/   152, tx:          0, lsn: 0/00838020, prev 0/008366F0, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):   8008/  8008, tx:          0, lsn: 0/008380B8, prev 0/00838020, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):    252/   252, tx:          0, lsn: 0/0083A018, prev 0/008380B8, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):   7909/  7909, tx:          0, lsn: 0/0083A118, prev 0/0083A018, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):    355/   355, tx:          0, lsn: 0/0083C018, prev 0/0083A118, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot): 800104/800104, tx:          0, lsn: 0/0083C180, prev 0/0083C018, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):   1055/  1055, tx:          0, lsn: 0/00900028, prev 0/0083C180, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot): 2500055/2500055, tx:          0, lsn: 0/00900448, prev 0/00900028, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot): 617255/617255, tx:          0, lsn: 0/00B646F0, prev 0/00900448, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):  40055/ 40055, tx:          0, lsn: 0/00BFB920, prev 0/00B646F0, desc: MESSAGE
rmgr: LogicalMessage len (rec/tot):     55/    55, tx:          0, lsn: 0/00C05620, prev 0/00BFB920, desc: MESSAGE
rmgr: XLOG        len (rec/tot):     24/    24, tx:          0, lsn: 0/00C05658, prev 0/00C05620, desc: SWITCH
rmgr: XLOG        len (rec/tot):     30/    30, tx:          0, lsn: 0/00D00028, prev 0/00C05658, desc: NEXTOID
rmgr: Heap        len (rec/tot):     54/  1702, tx:        726, lsn: 0/00D00048, prev 0/00D00028, desc: INSERT
rmgr: Btree       len (rec/tot):     53/   565, tx:        726, lsn: 0/00D006F0, prev 0/00D00048, desc: INSERT_LEAF
rmgr: Btree       len (rec/tot):     53/   373, tx:        726, lsn: 0/00D00928, prev 0/00D006F0, desc: INSERT_LEAF
rmgr: Transaction len (rec/tot):     82/    82, tx:        726, lsn: 0/00D00AA0, prev 0/00D00928, desc: COMMIT
`;

const records = LISTING.split('\n').flatMap((line) => parseWaldumpLine(line) ?? []);
const pairs = records.slice(1).map((next, index) => ({ ...(records[index] ?? next), next: next.lsn }));

describe('records of the write-ahead log', () => {
  test('every line of a listing is read', () => {
    expect(records).toHaveLength(LISTING.trim().split('\n').length);
    expect(records.at(0)).toEqual({ lsn: parseLsn('0/8001B8'), totalBytes: 53, endsSegment: false });
    expect(records.find(({ lsn }) => lsn === parseLsn('0/D00048'))?.totalBytes).toBe(1702);
    expect(records.filter(({ endsSegment }) => endsSegment)).toHaveLength(1);
  });

  test.each(pairs.map((pair) => ({ ...pair, from: renderLsn(pair.lsn), to: renderLsn(pair.next) })))('a record of $totalBytes bytes at $from ends where the next one starts, at $to', ({ lsn, totalBytes, endsSegment, to }) => {
    expect(renderLsn(endsSegment ? startOfNextSegment(lsn, MEGABYTE) : endOfRecord(lsn, totalBytes, MEGABYTE))).toBe(to);
  });

  test('the listing has the borders that it is here for', () => {
    const page = (lsn: bigint): bigint => lsn / 8192n;
    const offsets = pairs.filter(({ lsn, next }) => page(lsn) !== page(next)).map(({ next }) => next % 8192n);
    expect(offsets).toContain(24n);
    expect(offsets).toContain(40n);
    expect(offsets.some((offset) => offset > 40n)).toBe(true);
    expect(Math.max(...pairs.map(({ lsn, next }) => bytesBetween(lsn, next)))).toBeGreaterThan(2 * MEGABYTE);
  });

  test('only the segment size of the cluster tells where a long header is', () => {
    const last = parseLsn('0/FFFE0');
    expect(renderLsn(endOfRecord(last, 32, MEGABYTE))).toBe('0/100028');
    expect(renderLsn(endOfRecord(last, 32, 16 * MEGABYTE))).toBe('0/100018');
  });

  test.each(['', 'pg_waldump: error: error in WAL record at 0/800140: invalid record length at 0/8001B8: wanted 24, got 0', 'first record is after 0/1, at 0/28, skipping over 39 bytes', 'blkref #0: rel 1663/5/1249 blk 1'])(
    '%j is no record',
    (line) => {
      expect(parseWaldumpLine(line)).toBeNull();
    },
  );

  test('the last line of a listing that was cut off is no record', () => {
    const line = LISTING.trim().split('\n')[0] ?? '';
    expect(parseWaldumpLine(line.slice(0, line.indexOf('lsn')))).toBeNull();
    expect(parseWaldumpLine(line.slice(0, line.indexOf(', prev')))).toBeNull();
  });
});

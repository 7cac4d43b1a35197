import { addBytes, parseLsn, type Lsn } from './lsn.ts';

/** XLOG_BLCKSZ, which no distribution changes. */
const PAGE_BYTES = 8192n;
/** SizeOfXLogShortPHD and SizeOfXLogLongPHD of xlog_internal.h; the long one starts each segment. */
const SHORT_HEADER = 24n;
const LONG_HEADER = 40n;

export interface WaldumpRecord {
  readonly lsn: Lsn;
  /** Of the whole record with its page images, without page headers and padding. */
  readonly totalBytes: number;
  /** A segment switch: the rest of the segment is empty and the next record starts in the next one. */
  readonly endsSegment: boolean;
}

/** One line of `pg_waldump`; `null` for any other line, such as its final complaint about the end of the log. */
export function parseWaldumpLine(line: string): WaldumpRecord | null {
  const match = /^rmgr: (\S+)\s+len \(rec\/tot\):\s*[0-9]+\/\s*([0-9]+), tx:\s*[0-9]+, lsn: ([0-9A-F]+\/[0-9A-F]+), prev [0-9A-F]+\/[0-9A-F]+, desc: (\S+)/.exec(line);
  if (match?.[2] === undefined || match[3] === undefined) return null;
  return { lsn: parseLsn(match[3]), totalBytes: Number(match[2]), endsSegment: match[1] === 'XLOG' && match[4] === 'SWITCH' };
}

/**
 * Where the record after this one starts: records are padded to 8 bytes, every page of 8192 bytes begins with a header, the first
 * page of a segment with a longer one (`XLogBytePosToRecPtr` of xlog.c). After a segment switch take `startOfNextSegment`.
 */
export function endOfRecord(lsn: Lsn, totalBytes: number, segmentBytes: number): Lsn {
  let left = (BigInt(totalBytes) + 7n) & ~7n;
  let at: bigint = lsn;
  for (;;) {
    at += headerAt(at, segmentBytes);
    if (left === 0n) return at as Lsn;
    const room = PAGE_BYTES - (at % PAGE_BYTES);
    const taken = left < room ? left : room;
    at += taken;
    left -= taken;
  }
}

/** Where the first record of the segment after the one of `lsn` starts. */
export function startOfNextSegment(lsn: Lsn, segmentBytes: number): Lsn {
  const size = BigInt(segmentBytes);
  return addBytes(lsn, size - (lsn % size) + LONG_HEADER);
}

function headerAt(at: bigint, segmentBytes: number): bigint {
  if (at % PAGE_BYTES !== 0n) return 0n;
  return at % BigInt(segmentBytes) === 0n ? LONG_HEADER : SHORT_HEADER;
}

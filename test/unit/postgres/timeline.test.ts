import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addBytes, laterLsn, parseLsn, renderLsn, type Lsn } from '../../../src/postgres/lsn.ts';
import { judgeHistory, parseHistory, renderTimelineId, timelineOfWalFile, walFileName } from '../../../src/postgres/timeline.ts';

const anyLsn = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }).map((value) => value as Lsn);
const HISTORY = '1\t0/3000148\tno recovery target specified\n\n# a remark\n2\t0/50000A0\tno recovery target specified\n';

describe('WAL positions', () => {
  test('every position is read back from its text, also in lower case', () => {
    fc.assert(
      fc.property(anyLsn, (lsn) => {
        expect(parseLsn(renderLsn(lsn))).toBe(lsn);
        expect(parseLsn(renderLsn(lsn).toLowerCase())).toBe(lsn);
      }),
    );
  });

  test('they compare as numbers, not as text', () => {
    expect(laterLsn(parseLsn('0/9000000'), parseLsn('0/10000000'))).toBe(parseLsn('0/10000000'));
    expect(laterLsn(parseLsn('1/0'), parseLsn('0/FFFFFFFF'))).toBe(parseLsn('1/0'));
  });

  test.each(['', '0', '0/', '0/G', '0/123456789', ' 0/1', '0/1\n'])('%j is no position', (text) => {
    expect(() => parseLsn(text)).toThrow(expect.objectContaining({ code: 'lsn-invalid' }));
  });
});

describe('timeline history files', () => {
  test('each line says where a timeline was left and why', () => {
    expect(parseHistory(HISTORY)).toEqual([
      { timeline: 1, switchLsn: parseLsn('0/3000148'), reason: 'no recovery target specified' },
      { timeline: 2, switchLsn: parseLsn('0/50000A0'), reason: 'no recovery target specified' },
    ]);
    expect(parseHistory('')).toEqual([]);
  });

  test('what the server writes is read back', () => {
    const entries = fc.uniqueArray(fc.record({ timeline: fc.integer({ min: 1, max: 0xffff_ffff }), switchLsn: anyLsn, reason: fc.stringMatching(/^[a-z][a-z ]{0,30}[a-z]$/) }), {
      selector: ({ timeline }) => timeline,
    });
    fc.assert(
      fc.property(entries, (unsorted) => {
        const sorted = [...unsorted].sort((a, b) => a.timeline - b.timeline);
        expect(parseHistory(sorted.map(({ timeline, switchLsn, reason }) => `${timeline}\t${renderLsn(switchLsn)}\t${reason}\n`).join('\n'))).toEqual(sorted);
      }),
    );
  });

  test.each([['2\t0/1\tx\n1\t0/2\tx\n'], ['1\t0/1\tx\n1\t0/2\tx\n'], ['one\t0/1\tx'], ['1 nowhere x'], ['0\t0/1\tx'], ['1']])('%j is not a history', (text) => {
    expect(() => parseHistory(text)).toThrow(expect.objectContaining({ code: 'history-unreadable' }));
  });
});

describe('names of WAL files', () => {
  test.each([
    [1, '0/1000028', 16 * 1024 ** 2, '000000010000000000000001'],
    [0x1a, '16/B374D848', 16 * 1024 ** 2, '0000001A00000016000000B3'],
    [3, '2/FFFFFFFF', 1024 ** 2, '000000030000000200000FFF'],
    [3, '2/FFFFFFFF', 1024 ** 3, '000000030000000200000003'],
  ])('timeline %i at %s in segments of %i is %s', (timeline, lsn, segmentBytes, name) => {
    expect(walFileName(timeline, parseLsn(lsn), segmentBytes)).toBe(name);
    expect(timelineOfWalFile(name)).toBe(timeline);
  });

  test('the timeline is hexadecimal, in history and backup files too (G11)', () => {
    expect(['00000010.history', '000000100000000000000001.partial', '000000100000000000000001.00000028.backup'].map(timelineOfWalFile)).toEqual([16, 16, 16]);
    expect(renderTimelineId(16)).toBe('00000010');
  });

  test.each(['archive_status', '0000000G.history', '00000001', '00000001000000000000000', 'x000000010000000000000001'])('%s is no WAL file', (name) => {
    expect(() => timelineOfWalFile(name)).toThrow(expect.objectContaining({ code: 'wal-file-invalid' }));
  });
});

describe('a node against the history of a primary', () => {
  const primary = { timeline: 3, history: parseHistory(HISTORY) };
  const left = parseLsn('0/50000A0');

  test.each([
    ['on the same timeline', 3, left, 'same', null],
    ['exactly at the point where the primary left', 2, left, 'ancestor', left],
    ['before it', 2, addBytes(left, -8), 'ancestor', left],
    ['one record past it', 2, addBytes(left, 8), 'ahead', left],
    ['at an unknown place on a timeline that was left', 2, null, 'ahead', left],
    ['two timelines back', 1, parseLsn('0/3000148'), 'ancestor', parseLsn('0/3000148')],
    ['two timelines back but past the first switch', 1, left, 'ahead', parseLsn('0/3000148')],
    ['on a later timeline', 4, parseLsn('0/1'), 'newer', null],
  ] as const)('%s', (_, timeline, endLsn, verdict, leftAt) => {
    expect(judgeHistory({ timeline, endLsn }, primary)).toEqual({ verdict, leftAt });
  });

  test('a lower timeline that the primary never was on is unrelated', () => {
    expect(judgeHistory({ timeline: 2, endLsn: left }, { timeline: 3, history: primary.history.slice(0, 1) })).toEqual({ verdict: 'unrelated', leftAt: null });
  });
});

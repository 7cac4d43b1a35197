import { describe, expect, test } from 'vitest';
import { judgeLogs, toCompare, type NodeLog, type PrefixProof, type ServerLog } from '../../../src/operations/rejoin-verdict.ts';
import { parseLsn, renderLsn } from '../../../src/postgres/lsn.ts';
import { parseHistory, spansOf } from '../../../src/postgres/timeline.ts';

const NAMES = { node: 'old', primary: 'new', lsn: renderLsn };
const EQUAL: PrefixProof = { bytes: 'equal' };
const UNKNOWN: PrefixProof = { bytes: 'unknown' };
const DIFFER: PrefixProof = { bytes: 'differ', differsFrom: parseLsn('0/2000000') };

/** `on` 3, with what it has been on before. */
function log(timeline: number, end: string, history = ''): ServerLog {
  return { spans: spansOf(timeline, parseHistory(history)), endLsn: parseLsn(end) };
}

function node(timeline: number, end: string, history = '', endedAs: NodeLog['endedAs'] = 'primary'): NodeLog {
  return { ...log(timeline, end, history), writtenLsn: parseLsn(end), endedAs };
}

const TWO = log(2, '0/5000000', '1\t0/3000148\tno recovery target specified\n');
const THREE = log(3, '0/7000000', '1\t0/3000148\t-\n2\t0/5000000\t-\n');

describe('how the log of a node stands to that of the primary', () => {
  test.each<readonly [string, NodeLog, ServerLog, PrefixProof, string, string]>([
    ['it was shut down at the very place where its timeline was left', node(1, '0/3000148'), TWO, EQUAL, 'contained', 'new left timeline 1 at 0/3000148, and old ends at 0/3000148 on timeline 1, not beyond it'],
    ['before that place', node(1, '0/2FFFF00'), TWO, EQUAL, 'contained', 'old ends at 0/2FFFF00'],
    ['the same while nobody can compare any more', node(1, '0/2FFFF00'), TWO, UNKNOWN, 'contained', 'not beyond it'],
    ['one byte past that place', node(1, '0/3000149'), TWO, EQUAL, 'diverged', '1 bytes past it'],
    ['two promotes later', node(1, '0/3000148'), THREE, EQUAL, 'contained', 'new left timeline 1 at 0/3000148'],
    ['on the timeline in the middle, past its end', node(2, '0/5000100', '1\t0/3000148\t-\n'), THREE, EQUAL, 'diverged', 'new left timeline 2 at 0/5000000, and old ends at 0/5000100 on timeline 2: 256 bytes past it'],
    ['on a newer timeline than the primary: it goes back to where it left', node(2, '0/3000200', '1\t0/3000148\t-\n'), log(1, '0/4000000'), EQUAL, 'diverged', 'new left timeline 1 at 0/3000148'],
    ['two promotes from different places of one timeline', node(2, '0/4000000', '1\t0/3000000\t-\n'), TWO, EQUAL, 'diverged', 'new left timeline 1 at 0/3000000'],
    ['its end is where it must be replayed to, whatever its checkpoint says (J24)', node(1, '0/3000200', '', 'standby'), TWO, EQUAL, 'diverged', '184 bytes past it'],
    ['an ordinary standby', node(2, '0/4000000', '1\t0/3000148\t-\n', 'standby'), TWO, EQUAL, 'contained', 'both are on timeline 2'],
    ['a standby of which nobody can compare any more', node(2, '0/4000000', '1\t0/3000148\t-\n', 'standby'), TWO, UNKNOWN, 'contained', 'old was a standby to its end at 0/4000000'],
  ])('%s', (_title, own, theirs, proof, verdict, because) => {
    const judged = judgeLogs(own, theirs, proof, NAMES);
    expect(judged.verdict).toBe(verdict);
    expect(judged.because).toContain(because);
  });

  test.each<readonly [string, NodeLog, ServerLog, PrefixProof, string]>([
    ['both took one number and wrote different bytes (X10)', node(2, '0/4000000', '1\t0/3000148\t-\n'), TWO, DIFFER, 'new has other bytes in its log from 0/2000000 on'],
    ['a clone that came up as a primary and stayed on its timeline (X1)', node(1, '0/3000148'), log(1, '0/4000000'), DIFFER, 'new has other bytes in its log'],
    ['a primary of the same number, and the WAL that would show it is gone', node(1, '0/3000148'), log(1, '0/4000000'), UNKNOWN, 'no longer has the WAL that would show that they wrote the same'],
    ['further than the primary on its own timeline', node(1, '0/4000100', '', 'standby'), log(1, '0/4000000'), EQUAL, '256 bytes beyond new'],
    ['the bytes before the fork differ: the history lies', node(1, '0/3000200'), TWO, DIFFER, 'before the place where their histories part'],
    ['other bytes, where the number says that all is contained', node(1, '0/3000000'), TWO, DIFFER, 'other bytes'],
    ['nothing in common', node(5, '0/3000000', '4\t0/2000000\t-\n'), TWO, UNKNOWN, 'has nothing in common with that of new'],
  ])('never a plain start and never a rewind: %s (J01)', (_title, own, theirs, proof, because) => {
    const judged = judgeLogs(own, theirs, proof, NAMES);
    expect(judged.verdict).toBe('other');
    expect(judged.because).toContain(because);
  });

  test('a primary of the same number whose bytes are those of the primary has nothing else (X11)', () => {
    expect(judgeLogs(node(1, '0/3000148'), log(1, '0/4000000'), EQUAL, NAMES)).toMatchObject({ verdict: 'contained', because: expect.stringContaining('byte by byte') });
  });
});

describe('up to where the bytes are compared', () => {
  test('only as far as the log is there: pages of a rewind may be newer than the log that came with them', () => {
    expect(toCompare({ ...node(2, '0/4000000', '1\t0/3000148\t-\n'), writtenLsn: parseLsn('0/3FFF000') }, TWO)).toBe(parseLsn('0/3FFF000'));
  });

  test.each<readonly [NodeLog, ServerLog, string | null]>([
    [node(1, '0/3000200'), TWO, '0/3000148'],
    [node(1, '0/2000200'), TWO, '0/2000200'],
    [node(2, '0/6000000', '1\t0/3000148\t-\n'), TWO, '0/5000000'],
    [node(5, '0/3000000', '4\t0/2000000\t-\n'), TWO, null],
  ])('%#', (own, theirs, upTo) => {
    const at = toCompare(own, theirs);
    expect(at === null ? null : renderLsn(at)).toBe(upTo);
  });
});

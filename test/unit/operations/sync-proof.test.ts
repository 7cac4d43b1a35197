import { describe, expect, test } from 'vitest';
import { judgeSyncProof, type SyncMember } from '../../../src/operations/sync-proof.ts';
import { parseLsn } from '../../../src/postgres/lsn.ts';
import { parseSyncNames } from '../../../src/postgres/sync-names.ts';

/** `a:30 b:20 c:-`: who has what; `-` is not seen. */
function members(text: string): readonly SyncMember[] {
  return text.split(' ').map((word) => {
    const [name = '', at = '-'] = word.split(':');
    return { name, position: at === '-' ? null : parseLsn(`0/${at}`) };
  });
}

describe('F04, F05: whether a candidate is proved to have everything acknowledged', () => {
  test.each([
    // One of one.
    ['ANY 1 ("a")', 'a:30', 'a', true],
    ['ANY 1 ("a")', 'a:-', 'a', false],
    ['FIRST 1 ("a")', 'a:30', 'a', true],
    ['a', 'a:30', 'a', true],
    // One of two: either may be the one that has it, so both must be seen.
    ['ANY 1 ("a", "b")', 'a:30 b:30', 'a', true],
    ['ANY 1 ("a", "b")', 'a:30 b:20', 'a', true],
    ['ANY 1 ("a", "b")', 'a:30 b:40', 'a', false],
    ['ANY 1 ("a", "b")', 'a:30 b:-', 'a', false],
    // Two of three: any two hold one that has it.
    ['ANY 2 ("a", "b", "c")', 'a:30 b:20 c:-', 'a', true],
    ['ANY 2 ("a", "b", "c")', 'a:20 b:30 c:-', 'a', false],
    ['ANY 2 ("a", "b", "c")', 'a:30 b:- c:-', 'a', false],
    // All of them: one is enough.
    ['ANY 2 ("a", "b")', 'a:30 b:-', 'a', true],
    ['ANY 3 ("a", "b", "c")', 'a:- b:- c:30', 'c', true],
    // FIRST does not tell afterwards which ones counted.
    ['FIRST 1 ("a", "b")', 'a:30 b:-', 'a', false],
    ['FIRST 1 ("a", "b")', 'a:20 b:30', 'a', false],
    ['FIRST 2 ("a", "b", "c")', 'a:30 b:30 c:-', 'b', true],
    ['FIRST 2 ("a", "b", "c")', 'a:30 b:- c:-', 'a', false],
    // One that is not in the set has it when it is as far as the furthest member.
    ['ANY 1 ("a")', 'a:30 x:30', 'x', true],
    ['ANY 1 ("a")', 'a:30 x:20', 'x', false],
    ['ANY 1 ("a")', 'a:- x:99', 'x', false],
    // One outside that has more does not matter: nothing waited for it.
    ['ANY 1 ("a")', 'a:30 x:40', 'a', true],
    // Names are compared without case, and one that is there twice is one standby.
    ['ANY 1 ("A")', 'a:30', 'a', true],
    ['ANY 2 ("a", "A", "b")', 'a:30 b:-', 'a', true],
  ])('%s with %s: %s, %s', (value, seen, candidate, complete) => {
    expect(judgeSyncProof(parseSyncNames(value), members(seen), candidate)).toMatchObject({ complete });
  });

  test('every set of n of N names against every choice of who is seen: complete is never said where an acknowledged commit could be missing', () => {
    const names = ['a', 'b', 'c', 'd'];
    const subsets = (of: readonly string[]): readonly (readonly string[])[] => of.reduce<readonly (readonly string[])[]>((all, one) => [...all, ...all.map((some) => [...some, one])], [[]]);
    let wrong = 0;
    let proved = 0;
    for (let total = 1; total <= names.length; total += 1) {
      const set = names.slice(0, total);
      for (let needed = 1; needed <= total; needed += 1) {
        for (const method of ['any', 'first'] as const) {
          for (const holders of subsets(set).filter((some) => some.length === needed)) {
            for (const seen of subsets(set)) {
              // The commit ends at 20; whoever has not got it is at 10.
              const there = set.map((name): SyncMember => ({ name, position: seen.includes(name) ? parseLsn(holders.includes(name) ? '0/20' : '0/10') : null }));
              for (const candidate of seen) {
                const { complete } = judgeSyncProof({ method, needed, names: set }, there, candidate);
                if (complete) proved += 1;
                if (complete && !holders.includes(candidate)) wrong += 1;
              }
            }
          }
        }
      }
    }
    expect({ wrong, isProvedSometimes: proved > 100 }).toEqual({ wrong: 0, isProvedSometimes: true });
  });
});

describe('what never proves anything, and says why', () => {
  test.each([
    ['', 'a:30', 'on', 'the old primary was not synchronous'],
    ['ANY 1 ("a")', 'a:30', 'local', 'synchronous_commit was local, so commits did not wait for ANY 1 ("a")'],
    ['ANY 1 ("a")', 'a:30', 'off', 'synchronous_commit was off, so commits did not wait for ANY 1 ("a")'],
    ['ANY 1 (*)', 'a:30', 'on', 'ANY 1 (*) let whatever streamed acknowledge, also what is no standby'],
    ['ANY 2 ("a")', 'a:30', 'on', 'ANY 2 ("a") needs more standbys than it names, so every commit waited'],
    ['ANY 1 ("a", "b")', 'a:30 b:-', 'on', 'ANY 1 ("a", "b"): 2 of its 2 names must be seen, and b is not'],
    ['ANY 1 ("a", "b")', 'a:10 b:30', 'on', 'b has 32 B (32 B) more than a, and what it has more may be acknowledged'],
  ])('F07, F12: %s with %s at %s: %s', (value, seen, level, why) => {
    expect(judgeSyncProof(parseSyncNames(value), members(seen), 'a', level)).toMatchObject({ complete: false, says: `proof that nothing acknowledged is lost: not complete: ${why}` });
  });

  test('F11: with remote_write the proof says what it rests on', () => {
    expect(judgeSyncProof(parseSyncNames('ANY 1 ("a")'), members('a:30'), 'a', 'remote_write')).toMatchObject({ complete: true, says: expect.stringContaining('true only if no machine of a standby crashed, too') as string });
  });

  test('F05: who has to be seen is named', () => {
    expect(judgeSyncProof(parseSyncNames('ANY 2 ("a", "b", "c")'), members('a:30 b:- c:-'), 'a').unseen).toEqual(['b', 'c']);
  });
});

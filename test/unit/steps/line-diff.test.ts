import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lineDiff } from '../../../src/steps/kind.ts';

describe('the diff of a dry run', () => {
  test('says nothing of equal texts', () => {
    expect(lineDiff('a\nb\n', 'a\nb\n')).toBe('');
  });

  test('shows only what goes and comes, each run with its line', () => {
    expect(lineDiff('hash 1\nport = 1\nname = a\n', 'hash 2\nport = 1\nname = a\nslot = x\n')).toBe('@@ line 1 @@\n-hash 1\n+hash 2\n@@ line 4 @@\n+slot = x');
  });

  test('shows every line of a new file', () => {
    expect(lineDiff('', 'a\nb\n')).toBe('@@ line 1 @@\n+a\n+b');
  });

  test('names exactly the lines that a multiset of lines loses and gains', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 });
    fc.assert(
      fc.property(lines, lines, (old, now) => {
        const diff = lineDiff(old.map((line) => `${line}\n`).join(''), now.map((line) => `${line}\n`).join('')).split('\n');
        const count = (list: readonly string[], line: string): number => list.filter((one) => one === line).length;
        for (const line of ['a', 'b', 'c', 'd']) expect(count(diff, `+${line}`) - count(diff, `-${line}`)).toBe(count(now, line) - count(old, line));
      }),
    );
  });
});

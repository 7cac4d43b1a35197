import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quoteWord, quoteWords } from '../../../src/host/quote.ts';

const hostileCharacter = fc.constantFrom(..."'\"\\ \n\t$`!*?[](){}<>|&;#~=-%^\u00e9\u{1f40d}ab0".split(/(?:)/u));
const hostileWord = fc.oneof(
  fc.array(hostileCharacter, { maxLength: 12 }).map((characters) => characters.join('')),
  fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')).filter((text) => !/\p{Surrogate}/u.test(text)),
);

function throughShell(words: readonly string[]): readonly string[] {
  const output = execFileSync('sh', ['-c', `printf '%s\\0' ${quoteWords(words)}`], { encoding: 'utf8' });
  return output.split('\0').slice(0, -1);
}

describe('quoting', () => {
  test('a shell reads back exactly the words', () => {
    fc.assert(
      fc.property(fc.array(hostileWord, { minLength: 40, maxLength: 60 }), (words) => {
        expect(throughShell(words)).toEqual(words);
      }),
      { numRuns: 20 },
    );
  });

  test.each([
    ['', `''`],
    ['/srv/pg-15.main', '/srv/pg-15.main'],
    ['PGHOST=x', `'PGHOST=x'`],
    ['~postgres', `'~postgres'`],
    [`it's`, `'it'\\''s'`],
    ['$(reboot)', `'$(reboot)'`],
    ['a\nb', `'a\nb'`],
  ])('%j', (word, quoted) => {
    expect(quoteWord(word)).toBe(quoted);
    expect(throughShell([word])).toEqual([word]);
  });
});

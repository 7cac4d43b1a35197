import { expect, test } from 'vitest';
import type { OptionSpec } from '../../../src/cli/command.ts';
import { withWholeLines } from '../../../src/cli/whole-lines.ts';
import { PgreplError } from '../../../src/errors.ts';

const OPTIONS: readonly OptionSpec[] = [
  { flags: '-p, --port <PORT>', help: '' },
  { flags: '--set <NAME=VALUE>', help: '', repeat: true },
  { flags: '--restart', help: '' },
];

function next(line: string, words: string): string | undefined {
  return withWholeLines(new PgreplError('refused', 'x', 'x', { next: [words] }), line, OPTIONS).next[0];
}

test.each([
  ['pgrepl add-standby b -p 7601 -D /srv/b', '--port 7602', 'pgrepl add-standby b -D /srv/b --port 7602'],
  ['pgrepl add-standby b --port=7601', '--port 7602', 'pgrepl add-standby b --port 7602'],
  ['pgrepl add-standby b -p7601', '--port 7602', 'pgrepl add-standby b --port 7602'],
  ['pgrepl add-standby b', '--port 7602', 'pgrepl add-standby b --port 7602'],
  ["pgrepl add-standby 'b c' -p 1", '--port 7602', "pgrepl add-standby 'b c' --port 7602"],
])('an option that was typed is replaced: %s', (line, words, whole) => {
  expect(next(line, words)).toBe(whole);
});

test('of a repeatable option the one of the same name is replaced, the others stay', () => {
  expect(next('pgrepl add-standby b --set work_mem=1MB --set shared_buffers=9TB', '--set shared_buffers=SIZE')).toBe('pgrepl add-standby b --set work_mem=1MB --set shared_buffers=SIZE');
});

test('switches, unknown options and whole commands', () => {
  expect(next('pgrepl init-primary a --restart', '--restart')).toBe('pgrepl init-primary a --restart');
  expect(next('pgrepl init-primary a', '--unheard-of X')).toBe('pgrepl init-primary a --unheard-of X');
  expect(next('pgrepl init-primary a', 'pgrepl status')).toBe('pgrepl status');
});

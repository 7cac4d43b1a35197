import { expect, test } from 'vitest';
import type { OptionSpec } from '../../../src/cli/command.ts';
import { withWholeLines } from '../../../src/cli/whole-lines.ts';
import { PgreplError } from '../../../src/errors.ts';

const OPTIONS: readonly OptionSpec[] = [
  { flags: '-p, --port <PORT>', help: '' },
  { flags: '--set <NAME=VALUE>', help: '', repeat: true },
  { flags: '--restart', help: '' },
];

function next(line: string, words: string, file: string | null = null): string | undefined {
  return withWholeLines(new PgreplError('refused', 'x', 'x', { next: [words] }), { line, options: OPTIONS, file }).next[0];
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

test.each([
  ['pgrepl status', 'pgrepl -f /srv/shop.yaml status'],
  ['pgrepl follow b --upstream a', 'pgrepl -f /srv/shop.yaml follow b --upstream a'],
  // The same command again names it already.
  ['pgrepl promote b -f /srv/shop.yaml', 'pgrepl promote b -f /srv/shop.yaml'],
  ['pgrepl promote --help', 'pgrepl promote --help'],
  ['pgrepl --help', 'pgrepl --help'],
  ['SELECT pg_wal_replay_resume()', 'SELECT pg_wal_replay_resume()'],
])('%s is for the cluster file that was typed', (words, typed) => {
  expect(next('pgrepl promote b -f /srv/shop.yaml', words, '/srv/shop.yaml')).toBe(typed);
});

test('a command that there is not is not told to anybody', () => {
  expect(next('pgrepl follow b', 'pgrepl unheard-of b')).toBeUndefined();
});

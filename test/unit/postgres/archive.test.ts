import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { archiveCommandOf, excessOfCommand, restoreCommandFor, restoreCommandOf, type Archive } from '../../../src/postgres/archive.ts';

const NAME = '000000010000000000000001';
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgrepl-archive-'));
  mkdirSync(join(folder, 'pg_wal'));
  writeFileSync(join(folder, 'pg_wal', NAME), 'what was written');
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** As the server does it: placeholders filled in (replace_percent_placeholders), then system(3) in the data directory. */
function run(command: string, path: string): number | null {
  const filled = command.replace(/%[pf%]/g, (placeholder) => (placeholder === '%p' ? path : placeholder === '%f' ? NAME : '%'));
  return spawnSync('/bin/sh', ['-c', filled], { cwd: folder }).status;
}

function archiveAt(name: string): { readonly dir: string; readonly push: string; readonly get: string } {
  const dir = join(folder, name);
  mkdirSync(dir);
  const archive: Archive = { kind: 'dir', dir };
  return { dir, push: archiveCommandOf(archive), get: restoreCommandOf(archive) ?? '' };
}

describe('the command of an archive directory', () => {
  test.each([['plain', 'archive'], ['with spaces', 'a b  c'], ['that a shell would run', '$(id) `id` $HOME; & | # \\ "x" \'y\''], ['with placeholders', '%p %f %% %d'], ['beginning with a dash', '-n é']])('K10: a name %s: the file is there, whole, and comes back', (_, name) => {
    const { dir, push, get } = archiveAt(name);
    expect(run(push, `pg_wal/${NAME}`)).toBe(0);
    expect(readdirSync(dir)).toEqual([NAME]);
    expect(run(get, 'pg_wal/RECOVERYXLOG')).toBe(0);
    expect(readFileSync(join(folder, 'pg_wal', 'RECOVERYXLOG'), 'utf8')).toBe('what was written');
  });

  test('K01, K02: an identical file is accepted, another one is refused and stays', () => {
    const { dir, push } = archiveAt('archive');
    expect(run(push, `pg_wal/${NAME}`)).toBe(0);
    expect(run(push, `pg_wal/${NAME}`)).toBe(0);
    writeFileSync(join(dir, NAME), 'of another server');
    expect(run(push, `pg_wal/${NAME}`)).toBe(1);
    expect(readFileSync(join(dir, NAME), 'utf8')).toBe('of another server');
    expect(readdirSync(dir)).toEqual([NAME]);
  });

  test('an archive that is gone, and a file that is not in it, are failures that stop nobody (K05: never above 125)', () => {
    const { dir, push, get } = archiveAt('archive');
    expect(run(get, 'pg_wal/RECOVERYXLOG')).toBe(1);
    expect(existsSync(join(folder, 'pg_wal', 'RECOVERYXLOG'))).toBe(false);
    rmSync(dir, { recursive: true });
    expect(run(push, `pg_wal/${NAME}`)).toBe(1);
    expect(existsSync(dir)).toBe(false);
  });
});

test('a command fits into the 1024 bytes of servers until 15 up to a path of some length', () => {
  const excess = (length: number): number => excessOfCommand(archiveCommandOf({ kind: 'dir', dir: `/${'d'.repeat(length)}` }));
  expect(excess(255)).toBeLessThanOrEqual(0);
  expect(excess(1000)).toBeGreaterThan(0);
});

test("a node's own restore command wins over that of the archive; a command of the user's has none", () => {
  expect(restoreCommandFor({ restoreCommand: 'cp /a/%f %p', archive: { kind: 'pgbackrest', stanza: 'main' } })).toBe('cp /a/%f %p');
  expect(restoreCommandFor({ archive: { kind: 'pgbackrest', stanza: 'main' } })).toBe('pgbackrest --stanza=main --pg1-path="$PWD" archive-get %f "%p"');
  expect(restoreCommandFor({ archive: { kind: 'command', command: 'true' } })).toBeNull();
  expect(restoreCommandFor({})).toBeNull();
});

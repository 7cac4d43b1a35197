import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startPgrepl, type Ran } from '../support/run-pgrepl.ts';

let root: string;
let folder: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pgr-code-'));
  folder = join(root, 'pgrepl', 'code');
});
afterEach(() => { rmSync(root, { recursive: true, force: true }); });

async function run(words: readonly string[], caches = root): Promise<Ran> {
  return await startPgrepl(words, { PATH: process.env['PATH'] ?? '', HOME: '/no-such/home', XDG_CACHE_HOME: caches, XDG_STATE_HOME: join(root, 'state') }).ended;
}

const kept = (): readonly string[] => readdirSync(folder).sort();
const only = (): string => join(folder, kept()[0] ?? '');

describe('the compiled code of the program', () => {
  test('is kept, for its owner alone, when a command has ended well, and is used as it is by the next', async () => {
    expect(await run(['--version'])).toMatchObject({ exit: 0, stdout: expect.stringMatching(/^pgrepl \d/) as string, stderr: '' });
    expect(kept()).toHaveLength(1);
    expect(statSync(only()).mode & 0o777).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const before = statSync(only());
    expect(await run(['--version'])).toMatchObject({ exit: 0, stderr: '' });
    expect(statSync(only())).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
    await run(['-f', 'prod', 'runs', '--help']);
    expect(kept().map((name) => name.split('-').slice(-2).join('-'))).toEqual([expect.stringMatching(/-none$/), 'runs-brief']);
  });

  test('is not kept of a command that was refused', async () => {
    expect((await run(['status', '--no-such-option'])).exit).toBe(2);
    expect(() => kept()).toThrow('ENOENT');
  });

  test.each<[string, (file: string) => void]>([
    ['that is cut', (file: string) => { writeFileSync(file, readFileSync(file).subarray(0, 1000)); }],
    ['with nothing that V8 knows', (file: string) => { writeFileSync(file, 'x'.repeat(5000)); }],
    ['that others may write', (file: string) => { chmodSync(file, 0o666); }],
    ...(process.getuid?.() === 0 ? [['of another user', (file: string) => { chownSync(file, 12_345, 12_345); }] as [string, (file: string) => void]] : []),
  ])('is not taken from a file %s, which is replaced', async (_, spoil) => {
    await run(['--version']);
    const file = only();
    const [{ ino, size }, { uid }] = [statSync(file), statSync(root)];
    spoil(file);
    expect(await run(['--version'])).toMatchObject({ exit: 0, stderr: '' });
    const now = statSync(file);
    expect(now.ino).not.toBe(ino);
    expect({ uid: now.uid, mode: now.mode & 0o777, isWhole: now.size > size / 2 }).toEqual({ uid, mode: 0o600, isWhole: true });
    expect(kept()).toHaveLength(1);
  });

  test('goes when the program has changed, and only the code of others', async () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, '0123456789abcdef-v20.0.0-x64-status'), 'old');
    await run(['--version']);
    expect(kept()).toHaveLength(1);
    expect(only()).not.toContain('0123456789abcdef');
  });

  test('is not missed where there is no place for it', async () => {
    writeFileSync(join(root, 'file'), '');
    for (const place of ['/dev/null', '/proc', join(root, 'file'), 'relative']) expect(await run(['--version'], place)).toMatchObject({ exit: 0, stderr: '' });
  });
});

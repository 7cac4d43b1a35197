import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Context } from '../../../src/cli/command.ts';
import { passwordsFor, passwordsFrom } from '../../../src/cli/passwords.ts';
import { parseNodeName, parseRoleName } from '../../../src/postgres/names.ts';
import type { NodePlace } from '../../../src/steps/world.ts';
import { fakeIo } from './in-process.ts';

const PLACE: NodePlace = {
  name: parseNodeName('node1'), cluster: 'main', host: '10.0.0.1', port: 5433, pgdata: '/srv/a', via: 'local', osUser: 'postgres', adminUser: 'boss', passfile: '/p', replicationUser: parseRoleName('replicator'),
};

async function password(content: string | Uint8Array, viaStdin = false, mode = 0o600): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'pgrepl-password-'));
  await writeFile(join(folder, 'secret'), content, { mode });
  const context: Context = {
    io: fakeIo([], { cwd: folder, ...(viaStdin && typeof content === 'string' ? { stdin: content } : {}) }).io,
    globals: { file: '/f', fileNamed: false, json: false, dryRun: false, yes: false, quiet: false, verbose: false, color: false },
    words: { arguments: [], text: (key) => (key === 'passwordFile' ? (viaStdin ? '-' : 'secret') : undefined), flag: () => false, list: () => undefined },
    name: 'init-primary',
    line: 'pgrepl init-primary',
  };
  return (await passwordsFrom(context)).givenPassword?.reveal();
}

test.each([['geheim'], ['geheim\n'], ['geheim\r\n']])('%j is a password and at most a line end', async (content) => {
  expect(await password(content)).toBe('geheim');
  expect(await password(content, true)).toBe('geheim');
});

test('blanks and backslashes belong to it', async () => {
  expect(await password(' a\\:b ')).toBe(' a\\:b ');
});

test.each([['a\nb'], ['a\n\n'], ['a\u0000b'], ['a\rb'], ['\n'], ['']])('%j is refused', async (content) => {
  await expect(password(content)).rejects.toMatchObject({ kind: 'usage' });
});

test.each([[0o640], [0o604], [0o644], [0o666]])('a file with mode %o is refused, with the line that mends it', async (mode) => {
  await expect(password('geheim', false, mode)).rejects.toMatchObject({ kind: 'usage', code: 'password-file-open', next: [expect.stringMatching(/^chmod 600 \/.*secret$/)] });
});

describe("the superuser's password in the operator's passfile", () => {
  async function admin(lines: string, env: (path: string) => Readonly<Record<string, string>>, mode = 0o600): Promise<{ readonly password: string | undefined; readonly err: string }> {
    const home = await mkdtemp(join(tmpdir(), 'pgrepl-home-'));
    await writeFile(join(home, '.pgpass'), lines, { mode });
    const { io, said } = fakeIo([], { env: { HOME: home, ...env(join(home, '.pgpass')) } });
    const context: Context = { io, globals: { file: '/f', fileNamed: false, json: false, dryRun: false, yes: false, quiet: false, verbose: false, color: false }, words: { arguments: [], text: () => undefined, flag: () => false, list: () => undefined }, name: 'init-primary', line: 'pgrepl init-primary' };
    const found = await passwordsFor(context, await passwordsFrom(context)).admin(PLACE);
    return { password: found?.reveal(), err: said().err };
  }

  test.each([
    ['10.0.0.1:5433:postgres:boss:geheim\n'],
    ['localhost:5433:*:boss:geheim\n'],
    ['*:*:*:*:geheim\n'],
  ])('%j has it, as for psql', async (lines) => {
    expect(await admin(lines, () => ({}))).toEqual({ password: 'geheim', err: '' });
  });

  test('another port or user is another one', async () => {
    expect((await admin('*:5432:*:boss:geheim\n*:*:*:other:geheim\n', () => ({}))).password).toBeUndefined();
  });

  test('PGPASSFILE names another file', async () => {
    expect((await admin('*:*:*:*:geheim\n', () => ({ PGPASSFILE: '/nonexistent/pgpass' }))).password).toBeUndefined();
    expect((await admin('*:*:*:*:geheim\n', (path) => ({ HOME: '/nonexistent', PGPASSFILE: path }))).password).toBe('geheim');
  });

  test('one that others may read is not used, and that is said', async () => {
    const { password: found, err } = await admin('*:*:*:*:geheim\n', () => ({}), 0o644);
    expect(found).toBeUndefined();
    expect(err).toMatch(/\.pgpass is not used: .*mode 0644; chmod 600 /);
    expect(err).not.toContain('geheim');
  });
});

test('bytes that are no UTF-8 are refused, and the text is not shown', async () => {
  await expect(password(new Uint8Array([0x67, 0xff, 0xfe]))).rejects.toThrow('the password from ');
  await expect(password('topsecret\nx')).rejects.not.toThrow('topsecret');
});

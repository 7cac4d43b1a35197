import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Context } from '../../../src/cli/command.ts';
import { passwordsFrom } from '../../../src/cli/passwords.ts';
import { fakeIo } from './in-process.ts';

async function password(content: string | Uint8Array, viaStdin = false): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'pgrepl-password-'));
  await writeFile(join(folder, 'secret'), content);
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

test('bytes that are no UTF-8 are refused, and the text is not shown', async () => {
  await expect(password(new Uint8Array([0x67, 0xff, 0xfe]))).rejects.toThrow('the password from ');
  await expect(password('topsecret\nx')).rejects.not.toThrow('topsecret');
});

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { usageError } from '../errors.ts';
import { Secret } from '../secret.ts';
import type { Context } from './command.ts';

/** The passwords that files (or standard input) bring; `null` where none was named. */
export interface GivenPasswords {
  readonly givenPassword: Secret | null;
  readonly adminPassword: Secret | null;
}

/** Reads `--password-file` and `--admin-password-file`. A secret is never an argument. */
export async function passwordsFrom(context: Context): Promise<GivenPasswords> {
  const replication = context.words.text('passwordFile');
  const admin = context.words.text('adminPasswordFile');
  if (replication === '-' && admin === '-') throw usageError('stdin-twice', 'standard input can hold one password, and two are asked of it');
  return {
    givenPassword: replication === undefined ? null : await passwordIn(replication, '--password-file', context),
    adminPassword: admin === undefined ? null : await passwordIn(admin, '--admin-password-file', context),
  };
}

async function passwordIn(file: string, option: string, context: Context): Promise<Secret> {
  const from = file === '-' ? 'standard input' : file;
  const bytes = file === '-' ? await allOf(context.io.stdin) : await read(resolve(context.io.cwd, file), option);
  return new Secret(onePassword(bytes, from, option));
}

/** The text without the one line end that editors and `echo` add. */
function onePassword(bytes: Uint8Array, from: string, option: string): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw usageError('password-invalid', `the password from ${from} is not UTF-8 text (${option})`);
  }
  const password = text.replace(/\r?\n$/, '');
  if (password === '') throw usageError('password-empty', `there is no password in ${from} (${option})`);
  if (/[\r\n]/.test(password) || password.includes('\0')) {
    throw usageError('password-invalid', `the password from ${from} has a line end or a zero byte inside (${option})`, {
      hint: 'A passfile has one line for each password, so such a password could not be used by a standby. The file may hold the password alone, and one line end after it.',
    });
  }
  // libpq reads passfile lines of any length from 13 on, but the SCRAM exchange is bounded; nobody means more than this.
  if (password.length > 1000) throw usageError('password-invalid', `the password from ${from} has over 1000 characters (${option})`);
  return password;
}

async function read(path: string, option: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw usageError('password-file-unreadable', `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)} (${option})`, { cause: error });
  }
}

async function allOf(stream: NodeJS.ReadableStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
  return Buffer.concat(chunks);
}

import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PgreplError, usageError } from '../errors.ts';
import { whyUnreadable } from '../host/io-error.ts';
import { findPassword, type PassTarget } from '../postgres/passfile.ts';
import type { PoolerAddress } from '../postgres/pooler.ts';
import { Secret } from '../secret.ts';
import type { NodePlace } from '../steps/world.ts';
import { askSecret, canAsk } from './ask-secret.ts';
import type { Context } from './command.ts';

/** The passwords that files (or standard input) bring; `null` where none was named. */
export interface GivenPasswords {
  readonly givenPassword: Secret | null;
  readonly adminPassword: Secret | null;
  /** Of the console of a PgBouncer. */
  readonly poolerPassword?: Secret | null;
}

/** The passwords of one command, from wherever they come. */
export interface Passwords {
  /** Of the replication role; `null` when it is to be found or generated. */
  readonly replication: Secret | null;
  /** Of the superuser: given, typed, or in the operator's passfile. To be called only where a server has asked for one. */
  admin(place: NodePlace): Promise<Secret | null>;
  /** Of the console of a PgBouncer: given, or in the operator's passfile. */
  pooler(at: PoolerAddress): Promise<Secret | null>;
  /** Decides; where a password was missing and there is a terminal, asks for it and decides again. */
  askWhenMissing<T>(decide: () => Promise<T>): Promise<T>;
}

/** Reads `--password-file` and `--admin-password-file`. A secret is never an argument. Throws a usage error for a file that is no password. */
export async function passwordsFrom(context: Context): Promise<GivenPasswords> {
  const replication = context.words.text('passwordFile');
  const admin = context.words.text('adminPasswordFile');
  const pooler = context.words.text('pgbouncerPasswordFile');
  if ([replication, admin, pooler].filter((file) => file === '-').length > 1) throw usageError('stdin-twice', 'standard input can hold one password, and two are asked of it');
  return {
    givenPassword: replication === undefined ? null : await passwordIn(replication, '--password-file', context),
    adminPassword: admin === undefined ? null : await passwordIn(admin, '--admin-password-file', context),
    poolerPassword: pooler === undefined ? null : await passwordIn(pooler, '--pgbouncer-password-file', context),
  };
}

/** What was given, and what can be asked for. */
export function passwordsFor(context: Context, given: GivenPasswords): Passwords {
  let replication = given.givenPassword;
  /** By the name of the superuser: it has one password on every node of a cluster. */
  const typed = new Map<string, Secret | null>();
  const missing = new Map<string, NodePlace>();
  let warned = false;
  const warn = (line: string): void => {
    if (!warned) context.io.stderr.write(line);
    warned = true;
  };

  const ask = async (thrown: unknown): Promise<boolean> => {
    let told = false;
    for (const [user, place] of missing) {
      const secret = await askSecret(context, `Password for user ${user} of ${place.name} (${place.host}:${place.port}):`);
      typed.set(user, secret);
      told ||= secret !== null;
    }
    if (replication === null && isUnknownPassword(thrown)) {
      replication = await askSecret(context, 'Password of the replication role:');
      if (replication !== null) checked(replication.reveal(), 'the terminal', '--password-file');
      told ||= replication !== null;
    }
    return told;
  };

  return {
    get replication() {
      return replication;
    },
    admin: async (place) => {
      const known = given.adminPassword ?? typed.get(place.adminUser) ?? (await inPassfile(context, { host: place.host, port: place.port, database: 'postgres', user: place.adminUser }, warn));
      if (known === null && !typed.has(place.adminUser)) missing.set(place.adminUser, place);
      return known;
    },
    pooler: async ({ host, port, user }) => given.poolerPassword ?? (await inPassfile(context, { host, port, database: 'pgbouncer', user }, warn)),
    askWhenMissing: async (decide) => {
      for (;;) {
        missing.clear();
        const ended = await decide().then((value) => ({ value }), (thrown: unknown) => ({ thrown }));
        if (canAsk(context) && (await ask('thrown' in ended ? ended.thrown : null))) continue;
        if ('thrown' in ended) throw ended.thrown;
        return ended.value;
      }
    },
  };
}

function isUnknownPassword(thrown: unknown): boolean {
  return thrown instanceof PgreplError && (thrown.code === 'password-unknown' || thrown.reasons.some(({ code }) => code === 'password-unknown'));
}

async function passwordIn(file: string, option: string, context: Context): Promise<Secret> {
  if (file === '-' && canAsk(context)) {
    const secret = await askSecret(context, `Password (${option}):`);
    if (secret === null) throw usageError('password-empty', `no password was given (${option})`);
    return new Secret(checked(secret.reveal(), 'the terminal', option));
  }
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
  return checked(text.replace(/\r?\n$/, ''), from, option);
}

function checked(password: string, from: string, option: string): string {
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
    const { mode } = await stat(path);
    if (isOpen(mode)) {
      throw usageError('password-file-open', `${path} may be read by others than its owner (mode ${octal(mode)}) (${option})`, {
        hint: 'As of every passfile of PostgreSQL: 0600 or less. Where its mode cannot be changed, give it as standard input.',
        next: [`chmod 600 ${path}`],
      });
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof PgreplError) throw error;
    throw usageError('password-file-unreadable', `${path} cannot be read: ${whyUnreadable(error)} (${option})`, { cause: error });
  }
}

/** A plain file that its group or the world has any right to; pipes (`<(…)`) are nobody else's. */
function isOpen(mode: number): boolean {
  return (mode & 0o170000) === 0o100000 && (mode & 0o077) !== 0;
}

function octal(mode: number): string {
  return `0${(mode & 0o777).toString(8)}`;
}

/** A password in the operator's own passfile, as psql would find it; one that others may read is not used, and that is said (fe-connect.c). */
async function inPassfile({ io }: Context, target: PassTarget, warn: (line: string) => void): Promise<Secret | null> {
  const home = io.env['HOME'] ?? '';
  const path = io.env['PGPASSFILE'] ?? (home === '' ? '' : `${home}/.pgpass`);
  if (path === '') return null;
  try {
    const { mode } = await stat(path);
    if (isOpen(mode)) {
      warn(`! ${path} is not used: it may be read by others than its owner (mode ${octal(mode)}; chmod 600 ${path})\n`);
      return null;
    }
    const text = await readFile(path, 'utf8');
    return findPassword(text, target) ?? findPassword(text, { ...target, host: 'localhost' });
  } catch {
    // There is none, or it cannot be read: as if there were none.
    return null;
  }
}

async function allOf(stream: NodeJS.ReadableStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
  return Buffer.concat(chunks);
}

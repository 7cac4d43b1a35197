import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { PgreplError } from '../errors.ts';
import type { Exit } from './host.ts';
import { runChild } from './child.ts';
import { isUserName } from './posix-host.ts';
import { cleanEnvironment } from './wrappers.ts';
import type { Account, Me, Words } from './wrappers.ts';

/** The name of the user that this process acts as; the number as text when it has no name. */
export function currentUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.geteuid?.() ?? '');
  }
}

/** The users of this machine. /etc/passwd first: no program needs to be started for the common case. */
export class Accounts {
  readonly me: Me = { user: currentUser(), uid: process.geteuid?.() ?? -1 };
  readonly #found = new Map<string, Promise<Account | null>>();

  /** `null` when there is no such user. */
  async find(user: string): Promise<Account | null> {
    const known = this.#found.get(user) ?? this.#look(user);
    this.#found.set(user, known);
    return await known;
  }

  /** Throws `no-such-user`. */
  async need(user: string): Promise<Account> {
    const account = await this.find(user);
    if (account === null) throw new PgreplError('refused', 'no-such-user', `there is no user ${user} on this machine`);
    return account;
  }

  /** Name of a uid, as text the number itself when it has none. */
  async nameOf(uid: number): Promise<string> {
    const entry = (await entries()).find((account) => account.uid === uid);
    if (entry !== undefined) return entry.user;
    const exit = await ask(['id', '-nu', String(uid)]);
    return exit.code === 0 ? exit.stdout.trim() : String(uid);
  }

  async #look(user: string): Promise<Account | null> {
    if (user === this.me.user && String(this.me.uid) === user) return { user, uid: this.me.uid, gid: process.getegid?.() ?? -1, home: process.env['HOME'] ?? '/' };
    if (!isUserName(user)) return null;
    const entry = (await entries()).find((account) => account.user === user);
    if (entry !== undefined) return entry;
    const exit = await ask(['sh', '-c', `id -u "$1" && id -g "$1" && eval "printf '%s\\n' ~$1"`, 'sh', user]);
    const [uid, gid, home] = exit.stdout.split('\n');
    return exit.code === 0 ? { user, uid: Number(uid), gid: Number(gid), home: home ?? '/' } : null;
  }
}

async function entries(): Promise<readonly Account[]> {
  return parsePasswd(await readFile('/etc/passwd', 'utf8').catch(() => ''));
}

/** The accounts of an /etc/passwd; lines that are none are left out. */
export function parsePasswd(text: string): readonly Account[] {
  return text.split('\n').flatMap((line) => {
    const [user, , uid, gid, , home] = line.split(':');
    return user === undefined || home === undefined ? [] : [{ user, uid: Number(uid), gid: Number(gid), home }];
  });
}

async function ask(argv: Words): Promise<Exit> {
  const env = cleanEnvironment({ home: '/', path: process.env['PATH'] });
  return await runChild({ argv, program: argv[0], env, effect: 'reads', deadlineMs: 10_000, lifeline: false });
}

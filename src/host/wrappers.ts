import { GUARD_SCRIPT, LIFELINE_SCRIPT } from './guard-script.ts';

export type Words = readonly [string, ...string[]];

/** A user as the machine knows it. */
export interface Account {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** Who runs the commands, and the program by which it becomes somebody else when it is root. */
export interface Me {
  readonly user: string;
  readonly uid: number;
  readonly switcher?: 'setpriv' | 'runuser' | 'sudo' | undefined;
}

/**
 * The same words with the rights of another user, supplementary groups included: Debian's server reads its TLS key as a
 * member of `ssl-cert`, so the uid and gid options of `spawn`, which keep root's groups, are not used.
 */
export function asUser(argv: Words, account: Pick<Account, 'user' | 'uid' | 'gid'>, me: Me): Words {
  switch (howToBecome(account, me)) {
    case 'already':
      return argv;
    case 'setpriv':
      // It becomes the program, so the pid and the signals that end it are those that the caller sees.
      return ['setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups', '--', ...argv];
    case 'runuser':
      return ['runuser', '-u', account.user, '--', ...argv];
    case 'sudo':
      return ['sudo', '-n', '-u', account.user, '--', ...argv];
  }
}

/** By which means `me` gets the rights of that account. */
export function howToBecome(account: Pick<Account, 'user' | 'uid'>, me: Me): 'already' | 'setpriv' | 'runuser' | 'sudo' {
  if (account.uid === me.uid) return 'already';
  return me.uid === 0 ? (me.switcher ?? 'setpriv') : 'sudo';
}

/** The same words under a guard: see `guard-script.ts`. The transport gives it a process group of its own and an open stdin. */
export function guarded(argv: Words): Words {
  return ['sh', '-c', GUARD_SCRIPT, 'pgrepl-guard', ...argv];
}

/** The same words, ended with their children when their stdin ends. The transport keeps it open. */
export function withLifeline(argv: Words): Words {
  return ['sh', '-c', LIFELINE_SCRIPT, 'pgrepl-lifeline', ...argv];
}

const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * All that a child gets to see. Nothing else is inherited: a `PGHOST` or `PGPASSWORD` of the operator's shell would lead
 * programs to another server, and a postmaster started with it would work until the next boot only.
 */
export function cleanEnvironment(
  of: { readonly home: string; readonly path?: string | undefined; readonly tmpdir?: string | undefined },
  extra: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const path = [...new Set([...(of.path ?? '').split(':').filter((part) => part.startsWith('/')), ...SYSTEM_PATH])];
  return {
    PATH: path.join(':'),
    HOME: of.home,
    LC_ALL: 'C',
    ...(of.tmpdir === undefined ? {} : { TMPDIR: of.tmpdir }),
    ...extra,
  };
}

/** The same words with exactly these variables, where something in between (sudo, docker) would add its own. */
export function withEnvironment(env: Readonly<Record<string, string>>, argv: Words): Words {
  return ['env', '-i', ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...argv];
}

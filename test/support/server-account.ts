import { spawnSync } from 'node:child_process';

/** Who runs the servers: the caller, or as root the user that scripts/with-postgres.js has chosen. */
export interface ServerAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  /** True when programs must be started with another uid than ours. */
  readonly drop: boolean;
}

let known: ServerAccount | null = null;

export function serverAccount(): ServerAccount {
  if (known !== null) return known;
  const mine = process.getuid?.() ?? -1;
  const name = mine === 0 ? (process.env['PGREPL_SERVER_USER'] ?? 'postgres') : idOf('-un');
  const home = spawnSync('sh', ['-c', 'eval echo "~$0"', name], { encoding: 'utf8' }).stdout.trim();
  known = { name, uid: Number(idOf('-u', name)), gid: Number(idOf('-g', name)), home, drop: mine === 0 };
  return known;
}

/** Options of `spawn` that run a program as the server's user. */
export function asServer(): { readonly uid?: number; readonly gid?: number } {
  const { drop, uid, gid } = serverAccount();
  return drop ? { uid, gid } : {};
}

function idOf(...words: readonly string[]): string {
  const { status, stdout } = spawnSync('id', words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`id ${words.join(' ')} failed`);
  return stdout.trim();
}

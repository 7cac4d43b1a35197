import { resolve } from 'node:path';
import { usageError } from '../errors.ts';
import { parseVia } from '../host/open-host.ts';
import type { PoolerWish } from '../operations/wants.ts';
import { isConninfoUri, parseConninfoUri } from '../postgres/conninfo-uri.ts';
import { parseConninfo } from '../postgres/conninfo.ts';
import type { PoolerAddress } from '../postgres/pooler.ts';
import type { Context, OptionSpec } from './command.ts';

/** The password of the console, for commands that go to one. */
export const POOLER_PASSWORD_OPTION: OptionSpec = { flags: '--pgbouncer-password-file <FILE>', help: 'password of the console of PgBouncer (default: your passfile)' };

export const POOLER_OPTIONS: readonly OptionSpec[] = [
  { flags: '--pgbouncer <URI>', help: 'planned: hold the clients of this PgBouncer meanwhile; postgresql://ADMIN@HOST:6432/pgbouncer (repeatable)', repeat: true },
  { flags: '--pgbouncer-config <FILE>', help: 'its file of pgrepl route pgbouncer, written again; [VIA:]PATH, one for each --pgbouncer', repeat: true },
  POOLER_PASSWORD_OPTION,
];

/** `--pgbouncer` and `--pgbouncer-config`; none without them. A password in the URI is refused: arguments are for everybody to see. */
export function poolersFrom({ words, io }: Context): readonly PoolerWish[] {
  const uris = words.list('pgbouncer') ?? [];
  const files = words.list('pgbouncerConfig') ?? [];
  if (files.length > 0 && files.length !== uris.length) throw usageError('pgbouncer-files', `${files.length} --pgbouncer-config for ${uris.length} --pgbouncer`, { hint: 'Each --pgbouncer has its own, in the same order, or none has one.' });
  return uris.map((uri, index) => {
    const file = files[index];
    return { console: consoleFrom(uri), file: file === undefined ? null : fileFrom(file, io.cwd) };
  });
}

function consoleFrom(text: string): PoolerAddress {
  const words = isConninfoUri(text) ? parseConninfoUri(text) : parseConninfo(text);
  if (words['password'] !== undefined) throw usageError('pgbouncer-password', 'a password in --pgbouncer can be seen by everybody on this machine', { hint: 'Put it into your passfile, or a file for --pgbouncer-password-file.' });
  const port = Number(words['port'] ?? '6432');
  if (words['host'] === undefined || !(port >= 1 && port <= 65_535)) throw usageError('pgbouncer-invalid', '--pgbouncer names no host, or no port that could be one', { hint: 'It looks like postgresql://ADMIN@HOST:6432/pgbouncer.' });
  return { host: words['host'], port, user: words['user'] ?? 'pgbouncer' };
}

function fileFrom(text: string, cwd: string): { readonly via: string; readonly path: string } {
  const [, via, path] = /^((?:ssh|docker):\/\/.+):(\/[^:]*)$/.exec(text) ?? [];
  if (via === undefined || path === undefined) return { via: 'local', path: resolve(cwd, text) };
  parseVia(via);
  return { via, path };
}

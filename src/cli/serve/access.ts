import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { PgreplError, usageError } from '../../errors.ts';
import { whyUnreadable } from '../../host/io-error.ts';
import { printable } from '../../postgres/names.ts';
import { Secret } from '../../secret.ts';
import type { Context } from '../command.ts';

export const DEFAULT_LISTEN = '127.0.0.1:8008';
const SHORTEST_TOKEN = 16;

/** Where it listens, and who may ask. */
export interface Access {
  readonly address: string;
  readonly port: number;
  readonly isLoopback: boolean;
  /** Asked for everything but health; `null`: nobody is asked, on loopback only. */
  readonly token: Secret | null;
  /** Absolute paths; `null`: plain HTTP, on loopback only. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

/**
 * `--listen`, `--token-file`, `--tls-cert` and `--tls-key`. Throws a usage error for what cannot be read, and `serve-open` (refused) where an address that others
 * can reach lacks the token or TLS: every flag that is missing is named.
 */
export async function accessFrom(context: Context): Promise<Access> {
  const { words, io } = context;
  const { address, port } = parseListen(words.text('listen') ?? DEFAULT_LISTEN);
  const [tokenFile, cert, key] = [words.text('tokenFile'), words.text('tlsCert'), words.text('tlsKey')];
  if ((cert === undefined) !== (key === undefined)) throw usageError('tls-half', `--tls-${cert === undefined ? 'key' : 'cert'} was given without --tls-${cert === undefined ? 'cert' : 'key'}`);
  const isLoopback = isLoopbackAddress(address);
  const missing = isLoopback ? [] : [...(tokenFile === undefined ? ['--token-file FILE'] : []), ...(cert === undefined ? ['--tls-cert FILE --tls-key FILE'] : [])];
  if (missing.length > 0) {
    throw new PgreplError('refused', 'serve-open', `${address} can be reached by others: ${missing.map((flags) => flags.replaceAll(' FILE', '').replace(' ', ' and ')).join(', and ')} must be given`, {
      hint: 'Addresses, versions and positions of all nodes would be readable by everybody on that network. On 127.0.0.1 nothing is asked.',
      next: [`${context.line} ${missing.join(' ')}`],
    });
  }
  const path = (file: string): string => resolve(io.cwd, file);
  return {
    address,
    port,
    isLoopback,
    token: tokenFile === undefined ? null : await tokenIn(path(tokenFile)),
    tls: cert === undefined || key === undefined ? null : { cert: path(cert), key: path(key) },
  };
}

/** `ADDRESS:PORT`, `[v6]:PORT`, `ADDRESS`, `PORT` or `:PORT`; a name is none of them, except localhost. Port 0 lets the system choose. */
export function parseListen(text: string): { readonly address: string; readonly port: number } {
  const [, whole = '', v6, digits = '8008'] = /^(|\[([0-9a-fA-F:.]+)\]|localhost|\d+(?:\.\d+){3})(?::?(?<=^|:)(\d{1,5}))?$/.exec(text) ?? [];
  const port = Number(digits);
  const host = v6 ?? (whole === '' || whole === 'localhost' ? '127.0.0.1' : whole);
  if (text === '' || isIP(host) === 0 || port > 65_535 || (whole === '' && digits === '8008' && !/8008$/.test(text))) {
    throw usageError('listen-invalid', `"${printable(text)}" is not ADDRESS:PORT (--listen)`, { hint: `For example ${DEFAULT_LISTEN} or [::1]:8008; an address of this machine, or 0.0.0.0 for all of them.` });
  }
  return { address: host, port };
}

/** True for an address that nobody outside of this machine can reach. Pure. */
export function isLoopbackAddress(address: string): boolean {
  return /^127\.\d+\.\d+\.\d+$/.test(address) || /^(?:0{0,4}:){2,7}0{0,3}1$/.test(address);
}

/** True where the Host of a request means this machine itself: a page of another site, whose name was made to lead here, has its own name in it. */
export function isOwnHost(host: string | undefined): boolean {
  return host === undefined || /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i.test(host);
}

/** True when the header carries the token: `Bearer TOKEN`, or `Basic` with it as the password of any user. Takes the same time whatever is wrong. */
export function carriesToken(header: string | undefined, token: Secret): boolean {
  const [, scheme = '', value = ''] = /^(Bearer|Basic) +(\S+)$/i.exec(header ?? '') ?? [];
  const decoded = scheme.toLowerCase() === 'basic' ? Buffer.from(value, 'base64').toString('utf8') : null;
  const given = decoded === null ? value : decoded.includes(':') ? decoded.slice(decoded.indexOf(':') + 1) : '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token.reveal()));
}

async function tokenIn(path: string): Promise<Secret> {
  const text = (await readPrivate(path, '--token-file')).replace(/\r?\n$/, '');
  if (text.length < SHORTEST_TOKEN || !/^[\x21-\x7e]+$/.test(text)) {
    throw usageError('token-invalid', `the token in ${path} is not one word of at least ${SHORTEST_TOKEN} characters (--token-file)`, { next: [`(umask 077 && openssl rand -hex 24 > ${path})`] });
  }
  return new Secret(text);
}

/** A file that not everybody may read: what the group may, is left to whoever made it so (systemd's credentials, root's keys). */
export async function readPrivate(path: string, option: string): Promise<string> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o007) !== 0) throw usageError('private-file-open', `${path} may be read by everybody on this machine (${option})`, { next: [`chmod 600 ${path}`] });
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (thrown instanceof PgreplError) throw thrown;
    throw usageError('private-file-unreadable', `${path} cannot be read: ${whyUnreadable(thrown)} (${option})`, { cause: thrown });
  }
}

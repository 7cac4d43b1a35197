import { PgreplError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import type { SslWay } from './ssl-login.ts';
import { SSL_MODES } from './target.ts';
import { NO_FILES, type SslWords } from './tls-files.ts';

/**
 * How a program on that machine would connect with these words. The files are read with the rights of the server's owner; a key stays in memory
 * for the handshake, as a password of a passfile does. Throws `tls-file-missing`, and what reading throws.
 */
export async function sslWayFor(host: Host, at: { readonly host: string }, words: SslWords, deadlineMs: number): Promise<SslWay> {
  const mode = SSL_MODES.find((one) => one === words.sslmode) ?? 'prefer';
  const read = async (path: string | undefined): Promise<string | null> => {
    if (path === undefined) return null;
    const text = await host.readText(path);
    if (text === null) throw new PgreplError('refused', 'tls-file-missing', `there is no ${path} on ${host.label}`, { details: ['ENOENT'] });
    return text;
  };
  const [root, cert, key] = await Promise.all([read(words.sslrootcert), read(words.sslcert), read(words.sslkey)]);
  return { mode, host: at.host, address: at.host, deadlineMs, files: { ...NO_FILES, root, cert, key } };
}

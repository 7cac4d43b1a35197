import { readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { usageError } from '../errors.ts';
import { whyUnreadable } from '../host/io-error.ts';
import type { Target } from '../postgres/target.ts';
import { keyRightsTrouble, NO_FILES, type TlsFiles } from '../postgres/tls-files.ts';

/**
 * The files that libpq would read for a connection with this target (initialize_SSL of fe-secure-openssl.c): those that are named, else those in
 * `~/.postgresql` where they exist. A missing root certificate is an error only where it must be verified against, a missing revocation list never.
 * Throws a usage error for a file that is there and cannot be used, for a key that others may read, and for a certificate without its key.
 */
export async function sslFilesOf(target: Target, home: string): Promise<TlsFiles> {
  const { sslMode, sslRootCert } = target;
  if (sslMode === 'disable') return NO_FILES;
  const folder = `${home}/.postgresql`;
  const own = await ownCertificate(target.sslCert ?? `${folder}/postgresql.crt`, target.sslKey ?? `${folder}/postgresql.key`);
  if (sslRootCert === 'system') {
    if (sslMode !== 'verify-full') throw usageError('sslmode-invalid', `sslrootcert=system goes with sslmode=verify-full alone, not with ${sslMode}`);
    return { ...NO_FILES, ...own, root: 'system' };
  }
  const path = sslRootCert ?? `${folder}/root.crt`;
  const root = await readIfThere(path, 'the root certificates');
  if (root === null && sslMode.startsWith('verify-')) throw usageError('root-certificate-missing', `the root certificates in ${path} cannot be read: there is no such file`, { hint: `sslmode=${sslMode} needs them.` });
  const crl = root === null ? null : await readIfThere(target.sslCrl ?? `${folder}/root.crl`, 'the revocation list');
  return { ...own, root, crl };
}

async function ownCertificate(certPath: string, keyPath: string): Promise<Pick<TlsFiles, 'cert' | 'key'>> {
  const cert = await readIfThere(certPath, 'the certificate');
  if (cert === null) return { cert: null, key: null };
  const found = await stat(keyPath).catch(() => null);
  if (found === null) throw usageError('client-key-missing', `there is the certificate ${certPath}, and not its key ${keyPath}`, { hint: 'sslkey=FILE names another one.' });
  const user = userInfo();
  const trouble = found.isFile() ? keyRightsTrouble({ mode: found.mode & 0o777, owner: found.uid === 0 ? 'root' : found.uid === user.uid ? user.username : String(found.uid) }, user.uid === 0 ? 'root' : user.username) : 'it must be a plain file';
  if (trouble !== null) throw usageError('client-key-open', `the key ${keyPath} cannot be used: ${trouble}`, { next: [`chmod 0600 ${keyPath}`] });
  return { cert, key: await readIfThere(keyPath, 'the key') };
}

async function readIfThere(path: string, what: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw usageError('ssl-file-unreadable', `${what} in ${path} cannot be read: ${whyUnreadable(error)}`, { cause: error });
  }
}

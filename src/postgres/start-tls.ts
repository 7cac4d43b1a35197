import type { Duplex } from 'node:stream';
import { isIP } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { PgreplError } from '../errors.ts';

/** Length and code of an SSLRequest (protocol documentation 55.7). */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

export interface Tls {
  /** The name or address that the certificate must be for; `null`: any. */
  readonly verifyHost: string | null;
  /** Certificates that may have signed it, PEM. `null`: it is encrypted and nobody is proved. `system`: those of Node. */
  readonly authorities: string | null;
  readonly host: string;
  readonly deadlineMs: number;
}

/**
 * Asks the server for TLS on an open stream, and returns the encrypted one; `null`: it offers none, and the stream can be used as it is.
 * Throws `tls-failed` with the reason, for example a certificate that is not for this host.
 */
export async function startTls(stream: Duplex, tls: Tls): Promise<Duplex | null> {
  const timer = setTimeout(() => stream.destroy(new Error(`no answer within ${tls.deadlineMs / 1000} s`)), tls.deadlineMs);
  try {
    stream.write(SSL_REQUEST);
    return (await answer(stream)) === 'N' ? null : await encrypted(stream, tls);
  } catch (thrown) {
    stream.destroy();
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new PgreplError('unreachable', 'tls-failed', `no encrypted connection to ${tls.host}: ${message}`, { cause: thrown });
  } finally {
    clearTimeout(timer);
  }
}

async function answer(stream: Duplex): Promise<'S' | 'N'> {
  const chunk = await new Promise<Buffer>((resolve, reject) => {
    stream.once('error', reject);
    stream.once('close', () => { reject(new Error('the connection was closed')); });
    // Nothing more comes before we have spoken again, and so nothing is lost without a listener.
    stream.once('data', resolve);
  });
  const word = chunk.toString('latin1');
  // More than this one byte before the handshake would be taken for encrypted data (CVE-2021-23222).
  if (word !== 'S' && word !== 'N') throw new Error('the server did not answer the request for TLS as PostgreSQL does');
  return word;
}

async function encrypted(stream: Duplex, tls: Tls): Promise<Duplex> {
  const options: ConnectionOptions = {
    socket: stream,
    rejectUnauthorized: tls.authorities !== null,
    ...(tls.authorities === null || tls.authorities === 'system' ? {} : { ca: tls.authorities }),
    ...(isIP(tls.host) === 0 ? { servername: tls.host } : {}),
    host: tls.verifyHost ?? tls.host,
    ...(tls.verifyHost === null ? { checkServerIdentity: () => undefined } : {}),
  };
  return await new Promise((resolve, reject) => {
    const secure = connectTls(options);
    secure.once('error', reject);
    secure.once('secureConnect', () => {
      secure.removeListener('error', reject);
      resolve(secure);
    });
  });
}

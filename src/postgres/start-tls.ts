import type { Duplex } from 'node:stream';
import { isIP } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { PgreplError } from '../errors.ts';
import { refuseOtherHost } from './server-identity.ts';
import type { TlsFiles } from './tls-files.ts';

/** Length and code of an SSLRequest (protocol documentation 55.7). */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

export interface Tls extends Partial<TlsFiles> {
  /** The name or address that the certificate must be for; `null`: any. */
  readonly verifyHost: string | null;
  /** The name or address that is connected to. */
  readonly host: string;
  readonly deadlineMs: number;
}

class Failed extends Error {
  readonly state: string;

  constructor(state: string, message: string) {
    super(message);
    this.state = state;
  }
}

/**
 * Asks the server for TLS on an open stream, and returns the encrypted one; `null`: it offers none, and the stream can be used as it is.
 * Throws `tls-failed` with the reason, for example a certificate that is not for this host; `details[0]` is 08P01 for an answer that is none
 * of PostgreSQL, 08001 for none in time, else 08006.
 */
export async function startTls(stream: Duplex, tls: Tls): Promise<Duplex | null> {
  const timer = setTimeout(() => stream.destroy(new Failed('08001', `no answer within ${tls.deadlineMs / 1000} s`)), tls.deadlineMs);
  try {
    stream.write(SSL_REQUEST);
    return (await answer(stream)) === 'N' ? null : await encrypted(stream, tls);
  } catch (thrown) {
    stream.destroy();
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const state = thrown instanceof Failed ? thrown.state : '08006';
    throw new PgreplError('unreachable', 'tls-failed', `no encrypted connection to ${tls.host}: ${message}`, { details: [state], cause: thrown });
  } finally {
    clearTimeout(timer);
  }
}

async function answer(stream: Duplex): Promise<'S' | 'N'> {
  // Its end may have come before anybody listened.
  if (stream.destroyed || stream.readableEnded) throw new Failed('08006', 'the connection was closed');
  const chunk = await new Promise<Buffer>((resolve, reject) => {
    stream.once('error', reject);
    // The half that the server closes is all that it will say.
    stream.once('end', () => { reject(new Failed('08006', 'the connection was closed')); });
    stream.once('close', () => { reject(new Failed('08006', 'the connection was closed')); });
    // Nothing more comes before we have spoken again, and so nothing is lost without a listener.
    stream.once('data', resolve);
  });
  const word = chunk.toString('latin1');
  // More than this one byte before the handshake would be taken for encrypted data (CVE-2021-23222).
  if (word !== 'S' && word !== 'N') throw new Failed('08P01', 'the server did not answer the request for TLS as PostgreSQL does');
  return word;
}

async function encrypted(stream: Duplex, tls: Tls): Promise<Duplex> {
  const { root = null, crl = null, cert = null, key = null, verifyHost } = tls;
  const options: ConnectionOptions = {
    socket: stream,
    rejectUnauthorized: root !== null,
    ...(root === null || root === 'system' ? {} : { ca: root }),
    ...(crl === null ? {} : { crl }),
    ...(cert === null || key === null ? {} : { cert, key }),
    ...(isIP(tls.host) === 0 ? { servername: tls.host } : {}),
    host: verifyHost ?? tls.host,
    // What libpq asks of the server too; older ones speak TLS 1.2 alone.
    minVersion: 'TLSv1.2',
    checkServerIdentity: (_, peer) => (verifyHost === null ? undefined : refuseOtherHost(verifyHost, peer)),
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

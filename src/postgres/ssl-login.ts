import type { Duplex } from 'node:stream';
import { PgreplError } from '../errors.ts';
import { startTls } from './start-tls.ts';
import type { SslMode } from './target.ts';
import type { TlsFiles } from './tls-files.ts';

/** A connection with TLS as libpq would make it. */
export interface SslWay {
  readonly mode: SslMode;
  /** As given; with `verify-full` the certificate must be for it. Empty: only an address is known, which libpq does not verify. */
  readonly host: string;
  readonly address: string;
  readonly files: TlsFiles;
  readonly deadlineMs: number;
}

type Enter<T> = (stream: Duplex, encrypted: boolean) => Promise<T>;

/**
 * Opens a stream and enters, on the ways of this sslmode in libpq's order (documentation 34.19.3, fe-connect.c): with `prefer` it comes again
 * without TLS, with `allow` with it, when the first way got no further. A root certificate that is there is verified against in every mode that
 * encrypts (initialize_SSL of fe-secure-openssl.c). Throws `tls-failed`, and what `open` and `enter` throw.
 */
export async function enterBySslMode<T>(way: SslWay, open: () => Promise<Duplex>, enter: Enter<T>): Promise<T> {
  const over = async (how: 'plain' | 'tls'): Promise<T> => {
    if (how === 'plain') return await enter(await open(), false);
    if (way.mode === 'verify-full' && way.host === '') throw new PgreplError('usage', 'sslmode-invalid', 'sslmode=verify-full needs the name of the host, and only its address was given', { hint: 'Add host=NAME to hostaddr.' });
    const stream = await open();
    const secure = await startTls(stream, { ...way.files, host: way.host === '' ? way.address : way.host, verifyHost: way.mode === 'verify-full' ? way.host : null, deadlineMs: way.deadlineMs });
    if (secure !== null) return await enter(secure, true);
    if (way.mode === 'prefer' || way.mode === 'allow') return await enter(stream, false);
    stream.destroy();
    throw new PgreplError('unreachable', 'tls-failed', `the server at ${way.host === '' ? way.address : way.host} offers no encryption, and sslmode=${way.mode} asks for it`, { details: ['08006'] });
  };
  switch (way.mode) {
    case 'disable':
      return await over('plain');
    case 'allow':
      return await firstThen(over, 'plain', 'tls');
    case 'prefer':
      return await firstThen(over, 'tls', 'plain');
    case 'require':
    case 'verify-ca':
    case 'verify-full':
      return await over('tls');
    default:
      return way.mode satisfies never;
  }
}

/** The error of the second way is told: libpq tells both, and the last one decided. */
async function firstThen<T>(over: (how: 'plain' | 'tls') => Promise<T>, first: 'plain' | 'tls', second: 'plain' | 'tls'): Promise<T> {
  try {
    return await over(first);
  } catch (thrown) {
    if (!(thrown instanceof PgreplError) || !gotNoFurther(thrown)) throw thrown;
    return await over(second).catch((again: unknown) => {
      // A server without TLS, or one that only takes it: what the first way said is the reason.
      throw again instanceof PgreplError && again.code === 'tls-failed' ? thrown : again;
    });
  }
}

/**
 * libpq tries the other way after a failed handshake and after whatever error the server sends before it lets somebody in; not where nobody
 * answers, or what answers is no PostgreSQL server ("received invalid response to SSL negotiation" of fe-connect.c).
 */
function gotNoFurther({ code, details }: PgreplError): boolean {
  return code === 'tls-failed' ? details[0] !== '08001' && details[0] !== '08P01' : code === 'login-refused';
}

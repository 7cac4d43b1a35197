import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import { Secret } from '../secret.ts';
import { saslprep } from './saslprep.ts';

/** `SCRAM_SHA_256_DEFAULT_ITERATIONS` of scram-common.h, and its salt length. */
const ITERATIONS = 4096;
const SALT_BYTES = 16;

const VERIFIER = /^SCRAM-SHA-256\$([1-9][0-9]{0,9}):([A-Za-z0-9+/]+={0,2})\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)$/;

/**
 * What pg_authid holds for a password, `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey` (RFC 5803), made here so that the server and its
 * log never see the password. Throws `password-invalid` for characters that `saslprep` is not sure of.
 */
export function scramVerifier(password: Secret, options: { readonly iterations?: number; readonly salt?: Uint8Array } = {}): Secret {
  const iterations = options.iterations ?? ITERATIONS;
  const salt = options.salt ?? randomBytes(SALT_BYTES);
  const { stored, server } = keys(password, salt, iterations);
  return new Secret(`SCRAM-SHA-256$${iterations}:${Buffer.from(salt).toString('base64')}$${stored.toString('base64')}:${server.toString('base64')}`);
}

/** Whether this verifier was made from this password; false for other forms such as md5. Throws as `scramVerifier`. */
export function verifierMatches(verifier: Secret, password: Secret): boolean {
  const match = VERIFIER.exec(verifier.reveal());
  if (match?.[1] === undefined || match[2] === undefined || match[3] === undefined || match[4] === undefined) return false;
  const { stored, server } = keys(password, Buffer.from(match[2], 'base64'), Number(match[1]));
  return timingSafeEqual(stored, Buffer.from(match[3], 'base64')) && timingSafeEqual(server, Buffer.from(match[4], 'base64'));
}

/** Whether the server would store this text as it is instead of hashing it as a password (`parse_scram_secret` of auth-scram.c). */
export function isScramVerifier(text: string): boolean {
  return VERIFIER.test(text);
}

/** 32 characters of `A-Z a-z 0-9 _ -`, 192 random bits: needs no escape in a passfile, a connection string or a URI. */
export function generatePassword(): Secret {
  return new Secret(randomBytes(24).toString('base64url'));
}

/** RFC 5802, section 3. */
function keys(password: Secret, salt: Uint8Array, iterations: number): { readonly stored: Buffer; readonly server: Buffer } {
  const salted = pbkdf2Sync(saslprep(password.reveal()), salt, iterations, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  return { stored: createHash('sha256').update(hmac('Client Key')).digest(), server: hmac('Server Key') };
}

import { usageError } from '../errors.ts';

/** RFC 3454 C.1.2, non-ASCII spaces: they become a space. Looked at before the next table, as in saslprep.c. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;
/** RFC 3454 B.1, commonly mapped to nothing: soft hyphen, joiners, variation selectors, byte-order mark. */
const NOTHING = /[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/gu;
/**
 * What the result may consist of: letters and signs that are assigned in Unicode 3.2, not forbidden and written from left to right. In
 * any other case saslprep.c may refuse and then takes the password raw; to know when, it takes the whole tables.
 */
const KNOWN =
  /^[\u0020-\u007e\u00a1-\u0220\u0222-\u0233\u0250-\u02ad\u0391-\u03a1\u03a3-\u03ce\u0400-\u0482\u048a-\u04ce\u04d0-\u04f5\u04f8\u04f9\u1e00-\u1e9b\u1ea0-\u1ef9\u2010-\u2027\u2030-\u2037\u20a0-\u20b1\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fa5\uac00-\ud7a3]+$/;

/**
 * A password in the form that PostgreSQL hashes (SASLprep, RFC 4013, `pg_saslprep` of saslprep.c). ASCII stays as it is. Throws
 * `password-invalid` for characters for which it is not certain here what the server and libpq make of them, instead of
 * writing a verifier that nobody can log in with.
 */
export function saslprep(password: string): string {
  // eslint-disable-next-line no-control-regex -- all of ASCII, as pg_is_ascii
  if (/^[\u0000-\u007f]*$/.test(password)) return password;
  const prepared = password.replace(SPACES, ' ').replace(NOTHING, '').normalize('NFKC');
  if (!KNOWN.test(prepared)) {
    throw usageError('password-invalid', 'the password has characters that not every client prepares in the same way', {
      hint: 'Letters, digits and signs of ASCII always work; so do most letters of European and East Asian scripts.',
    });
  }
  return prepared;
}

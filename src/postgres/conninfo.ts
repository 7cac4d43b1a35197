import { usageError } from '../errors.ts';
import { printable } from './names.ts';

/** Every keyword of libpq looks like this; anything else could smuggle a second keyword into the text. */
const KEYWORD = /^[a-z][a-z0-9_]*$/;

/**
 * A libpq connection string of keyword/value pairs, in the given order (PostgreSQL documentation 34.1.1.1). Values are quoted
 * where needed; `parseConninfo` reads the same pairs back. Throws a usage error for a keyword that cannot be one and for NUL, CR
 * and LF in a value.
 */
export function renderConninfo(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([keyword, value]) => {
      if (!KEYWORD.test(keyword)) throw usageError('conninfo-invalid', `"${printable(keyword)}" cannot be a connection keyword`);
      return `${keyword}=${quoteConninfo(keyword, value)}`;
    })
    .join(' ');
}

function quoteConninfo(keyword: string, value: string): string {
  // eslint-disable-next-line no-control-regex -- these three end the line of a file or the text itself
  if (/[\u0000\r\n]/.test(value)) throw usageError('conninfo-invalid', `the value of ${keyword} has a line end or a NUL in it`);
  if (/^[^\s'\\]+$/.test(value)) return value;
  return `'${value.replace(/['\\]/g, '\\$&')}'`;
}

/**
 * Reads a keyword/value connection string by the rules of `conninfo_parse` (fe-connect.c): blanks around `=`, quotes,
 * backslashes; a keyword given twice has its last value. Whether libpq knows a keyword is not asked. Throws a usage error
 * where libpq would refuse, and for the URI form, which drivers and libpq read differently.
 */
export function parseConninfo(text: string): Readonly<Record<string, string>> {
  if (/^postgres(?:ql)?:\/\//.test(text)) {
    throw usageError('conninfo-uri', 'a connection URI is not read here', { hint: 'Write it as keywords and values, such as host=10.0.0.1 port=5432.' });
  }
  const pairs = new Map<string, string>();
  let at = skipBlanks(text, 0);
  while (at < text.length) {
    const [, keyword = ''] = /^([^=\s]*)/.exec(text.slice(at)) ?? [];
    // The word itself is not shown: of a password with a blank in it, it would be a part.
    const place = `at character ${at + 1} of the connection string`;
    at = skipBlanks(text, at + keyword.length);
    if (text[at] !== '=') throw usageError('conninfo-invalid', `missing "=" after the word ${place}`);
    if (!KEYWORD.test(keyword)) throw usageError('conninfo-invalid', `the word ${place} cannot be a connection keyword`);
    const value = readValue(text, skipBlanks(text, at + 1));
    pairs.set(keyword, value.value);
    at = skipBlanks(text, value.end);
  }
  return Object.fromEntries(pairs);
}

function readValue(text: string, start: number): { readonly value: string; readonly end: number } {
  const quoted = text[start] === "'";
  let value = '';
  let at = quoted ? start + 1 : start;
  for (;;) {
    const char = text[at];
    if (char === undefined) {
      if (quoted) throw usageError('conninfo-invalid', 'unterminated quoted string in the connection string');
      return { value, end: at };
    }
    if (quoted ? char === "'" : isBlank(char)) return { value, end: at + 1 };
    // A backslash takes the next character as it is; one at the very end of the text is dropped (fe-connect.c).
    if (char === '\\') at += 1;
    value += text[at] ?? '';
    at += 1;
  }
}

function skipBlanks(text: string, start: number): number {
  let at = start;
  while (isBlank(text[at])) at += 1;
  return at;
}

/** isspace() of the C locale. */
function isBlank(char: string | undefined): boolean {
  return char !== undefined && ' \t\n\v\f\r'.includes(char);
}

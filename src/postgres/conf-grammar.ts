import { usageError } from '../errors.ts';
import { printable } from './names.ts';

/** One setting or include directive of a postgresql.conf. */
export interface ConfEntry {
  /** Lower case: names are compared without case. `include`, `include_if_exists` and `include_dir` are entries too. */
  readonly name: string;
  /** Without quotes and escapes. */
  readonly value: string;
  /** From 1. */
  readonly line: number;
  /** Offsets into the text of the whole line, line end included. */
  readonly start: number;
  readonly end: number;
}

interface Line extends Omit<ConfEntry, 'name' | 'value'> {
  readonly setting: { readonly name: string; readonly value: string } | 'none' | 'error';
}

// The rules of guc-file.l; flex takes the longest match, the earlier rule on equal length.
const LETTER = 'A-Za-z_\\u0080-\\u{10ffff}';
const ID = `[${LETTER}][${LETTER}0-9]*`;
const RULES: readonly (readonly [token: string, rule: RegExp])[] = [
  ['blank', /[ \t\r]+/uy],
  ['comment', /#.*/suy],
  ['id', new RegExp(ID, 'uy')],
  ['qualified', new RegExp(`${ID}\\.${ID}`, 'uy')],
  ['string', /'(?:[^'\\]|\\.|'')*'/suy],
  ['unquoted', new RegExp(`[${LETTER}][${LETTER}0-9._:/-]*`, 'uy')],
  ['integer', /[-+]?(?:0x[0-9a-fA-F]+|[0-9]+)[a-zA-Z]*/uy],
  ['real', /[-+]?[0-9]*\.[0-9]*(?:[Ee][-+]?[0-9]+)?/uy],
  ['equals', /=/uy],
];
// A qualified name is no value: `search_path = a.b` without quotes is a syntax error in the server too.
const VALUES = new Set(['id', 'string', 'integer', 'real', 'unquoted']);

/**
 * The settings and includes of a text in the grammar of postgresql.conf (guc-file.l), in file order; of a name that is there
 * twice the server takes the last. Lines that do not parse are left out: `confErrors` has them.
 */
export function parseConf(text: string): readonly ConfEntry[] {
  return lines(text).flatMap(({ setting, ...place }) => (typeof setting === 'string' ? [] : [{ ...setting, ...place }]));
}

/** The lines at which the server would say "syntax error": it does not start with any, and ignores the whole file at a reload. */
export function confErrors(text: string): readonly { readonly line: number }[] {
  return lines(text).flatMap(({ setting, line }) => (setting === 'error' ? [{ line }] : []));
}

/**
 * A text as a string of postgresql.conf; the server reads exactly this text back. Throws a usage error for NUL, CR and LF: the
 * first two do not survive, the third would start another setting.
 */
export function quoteConf(value: string): string {
  // eslint-disable-next-line no-control-regex -- these three cannot be in a line of the file
  if (/[\u0000\r\n]/.test(value)) throw usageError('setting-invalid', `"${printable(value)}" cannot be a value: it has a line end or a NUL in it`);
  return `'${value.replace(/\\/g, '\\\\').replace(/'/g, "''")}'`;
}

function lines(text: string): readonly Line[] {
  const found: Line[] = [];
  for (let start = 0, line = 1; start < text.length; line += 1) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline + 1;
    found.push({ setting: parseLine(text.slice(start, newline === -1 ? text.length : newline)), line, start, end });
    start = end;
  }
  return found;
}

function parseLine(line: string): Line['setting'] {
  const tokens: (readonly [token: string, text: string])[] = [];
  for (let at = 0; at < line.length; ) {
    let best: readonly [string, string] = ['error', ''];
    for (const [token, rule] of RULES) {
      rule.lastIndex = at;
      const text = rule.exec(line)?.[0] ?? '';
      if (text.length > best[1].length) best = [token, text];
    }
    if (best[0] === 'error') return 'error';
    if (best[0] !== 'blank' && best[0] !== 'comment') tokens.push(best);
    at += best[1].length;
  }
  const [name, ...rest] = tokens;
  if (name === undefined) return 'none';
  const [value, more] = rest[0]?.[0] === 'equals' ? rest.slice(1) : rest;
  if ((name[0] !== 'id' && name[0] !== 'qualified') || value === undefined || more !== undefined || !VALUES.has(value[0])) return 'error';
  return { name: name[1].toLowerCase(), value: value[0] === 'string' ? unquote(value[1]) : value[1] };
}

const ESCAPES: Readonly<Record<string, number>> = { b: 8, f: 12, n: 10, r: 13, t: 9 };

/** `DeescapeQuotedString` of guc-file.l. Octal escapes are bytes, so the text is put together as bytes. */
function unquote(quoted: string): string {
  const bytes: Uint8Array[] = [];
  for (const [part] of quoted.slice(1, -1).matchAll(/''|\\[0-7]{1,3}|\\.|[^'\\]+/gsu)) {
    if (part === "''") bytes.push(Buffer.from("'"));
    else if (/^\\[0-7]/.test(part)) bytes.push(Uint8Array.of(Number.parseInt(part.slice(1), 8) & 0xff));
    else if (part.startsWith('\\')) bytes.push(part[1] !== undefined && part[1] in ESCAPES ? Uint8Array.of(ESCAPES[part[1]] ?? 0) : Buffer.from(part.slice(1)));
    else bytes.push(Buffer.from(part));
  }
  return Buffer.concat(bytes).toString();
}

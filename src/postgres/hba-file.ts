import { PgreplError, usageError } from '../errors.ts';
import { parseCidr } from './address.ts';
import { hasControlCharacter, printable } from './names.ts';

export { parseHba, type HbaLine } from './hba-grammar.ts';
export { firstRejecting, matchHba, uncertainHba, type HbaRequest } from './hba-match.ts';

/**
 * A name as a quoted word of pg_hba.conf or pg_ident.conf, so that it is no keyword, list, group or file. Throws a usage error for
 * an empty name, for control characters (a line feed would start another rule) and for a leading slash, which makes a
 * regular expression of even a quoted name (16 and later).
 */
export function quoteHba(name: string): string {
  if (name === '' || hasControlCharacter(name) || name.startsWith('/')) throw usageError('hba-name-invalid', `"${printable(name)}" cannot be a name in pg_hba.conf`);
  return `"${name.replace(/"/g, '""')}"`;
}

/** How a role comes in over TCP: with or without TLS and by password, with TLS alone, or by its certificate as a map of pg_ident.conf knows it. */
export interface Door {
  readonly onlyTls: boolean;
  /** `null`: by password. */
  readonly certMap: string | null;
}

const OPEN: Door = { onlyTls: false, certMap: null };

/** The rule that lets this role replicate from this range, in the columns of the sample file. Throws as `quoteHba` and `parseCidr`. */
export function replicationRule(role: string, cidr: string, door: Door = OPEN): string {
  return columns(door.onlyTls ? 'hostssl' : 'host', 'replication', quoteHba(role), parseCidr(cidr), methodOf(door));
}

/** The rule that lets this role into one database from this range. Throws as `replicationRule`. */
export function databaseRule(database: string, role: string, cidr: string, door: Door = OPEN): string {
  return columns(door.onlyTls ? 'hostssl' : 'host', database, quoteHba(role), parseCidr(cidr), methodOf(door));
}

/** The rule that turns replication of this role away where it is not encrypted, whatever the rules below say. Throws as `quoteHba`. */
export function plainRefused(role: string): string {
  return columns('hostnossl', 'replication', quoteHba(role), 'all', 'reject');
}

/** Whether two rules let the same in, however they do it: the way in may change, that there is one may not. */
export function sameDoor(a: string, b: string): boolean {
  const who = (line: string): string => line.trim().split(/\s+/).slice(1).join(' ').replace(/ (?:scram-sha-256|cert map=\S+)$/, '');
  return who(a) === who(b);
}

/** The method `cert` alone asks for a certificate of an authority that the server trusts, and compares its common name (documentation 20.12). */
function methodOf({ certMap }: Door): string {
  return certMap === null ? 'scram-sha-256' : `cert map=${certMap}`;
}

/** The rule that lets this role in over the Unix socket when the pg_ident map says so. Throws as `quoteHba`. */
export function localPeerRule(role: string, map: string): string {
  if (!/^[A-Za-z0-9_]+$/.test(map)) throw usageError('hba-name-invalid', `"${printable(map)}" cannot be the name of a map`);
  return columns('local', 'all', quoteHba(role), '', `peer map=${map}`);
}

function columns(type: string, database: string, user: string, address: string, method: string): string {
  const pad = (text: string, width: number): string => (text.length < width ? text.padEnd(width) : `${text} `);
  return `${pad(type, 8)}${pad(database, 16)}${pad(user, 16)}${pad(address, 24)}${method}`;
}

interface Block {
  readonly start: number;
  readonly end: number;
  readonly lines: readonly string[];
}

/**
 * The text with these lines in a marked block at the very top, where they come before every rule of the user. A block of this label
 * is replaced: in its place when nothing but other blocks of ours is above it. Every other byte is kept; line ends are CR LF
 * where the first one is. Throws when the text begins with a byte-order mark (the server would read it as part of the first
 * word), has a block without its end, or a line is none.
 */
export function putBlock(text: string, label: string, lines: readonly string[]): string {
  if (text.startsWith('\ufeff')) throw new PgreplError('refused', 'file-has-bom', 'the file begins with a byte-order mark', { hint: 'Save it as UTF-8 without one: the server reads it as part of the first word.' });
  for (const line of lines) {
    // A backslash at the end would join the line with the next one.
    if (hasControlCharacter(line.replace(/\t/g, '')) || line.endsWith('\\')) throw usageError('hba-line-invalid', `"${printable(line)}" cannot be a line of the block`);
  }
  const present = findBlock(text, label);
  const eol = /^[^\n]*\r\n/.test(text) ? '\r\n' : '\n';
  const block = [beginMark(label), ...lines, endMark(label)].map((line) => line + eol).join('');
  if (present === null) return block + text;
  const [above, below] = [text.slice(0, present.start), text.slice(present.end)];
  return onlyBlocks(above) ? above + block + below : block + above + below;
}

/** The text without the block of this label, and unchanged when it has none: takes back what `putBlock` put into a text without it. */
export function removeBlock(text: string, label: string): string {
  const block = findBlock(text, label);
  return block === null ? text : text.slice(0, block.start) + text.slice(block.end);
}

/** The lines inside the block of this label; `null` when there is none. Throws when its end is missing. */
export function blockLines(text: string, label: string): readonly string[] | null {
  return findBlock(text, label)?.lines ?? null;
}

function beginMark(label: string): string {
  if (!/^[A-Za-z0-9_.:-]+$/.test(label)) throw usageError('block-label-invalid', `"${printable(label)}" cannot be the label of a block`);
  return `# pgrepl begin ${label} - rendered from the cluster file, do not edit`;
}

function endMark(label: string): string {
  return `# pgrepl end ${label}`;
}

function findBlock(text: string, label: string): Block | null {
  const begin = beginMark(label);
  const end = endMark(label);
  const inside: string[] = [];
  let start: number | null = null;
  let at = 0;
  for (const raw of text.split(/(?<=\n)/)) {
    const line = raw.replace(/\r*\n?$/, '');
    if (start !== null && line === end) return { start, end: at + raw.length, lines: inside };
    if (start !== null) inside.push(line);
    if (line === begin) start ??= at;
    at += raw.length;
  }
  if (start === null) return null;
  throw new PgreplError('refused', 'block-damaged', `the block "${label}" has no end`, { hint: `Put the line "${end}" back under the last line of the block.` });
}

function onlyBlocks(text: string): boolean {
  let open: string | null = null;
  for (const raw of text.split('\n').slice(0, -1)) {
    const line = raw.replace(/\r+$/, '');
    if (open === null) open = /^# pgrepl begin (\S+) - /.exec(line)?.[1] ?? '';
    else if (line === endMark(open)) open = null;
    if (open === '') return false;
  }
  return open === null;
}

import { usageError } from '../errors.ts';
import { Secret } from '../secret.ts';
import { printable } from './names.ts';

/** One line of a passfile; a field `*` matches everything. */
export interface PassEntry {
  readonly host: string;
  readonly port: string;
  readonly database: string;
  readonly user: string;
  readonly password: Secret;
}

export interface PassTarget {
  /** The literal host of the connection; empty or a directory for a Unix socket. */
  readonly host: string;
  readonly port: number;
  /** `replication` for physical replication. */
  readonly database: string;
  readonly user: string;
  /** The default socket directory of the installed libpq; `/var/run/postgresql` in the packages of Debian and Red Hat. */
  readonly socketDirectory?: string;
}

type Fields = readonly [host: string, port: string, database: string, user: string];

/**
 * The password that libpq takes for this connection (`passwordFromFile` of fe-connect.c): the first line that matches wins, also
 * when its password is empty (`null`, as when no line matches). An empty host and the default socket directory are looked up
 * as `localhost`.
 */
export function findPassword(text: string, target: PassTarget): Secret | null {
  const isDefault = target.host === '' || target.host === (target.socketDirectory ?? '/var/run/postgresql');
  return firstMatch(text, [isDefault ? 'localhost' : target.host, String(target.port), target.database, target.user]);
}

function firstMatch(text: string, wanted: Fields): Secret | null {
  for (const line of text.split('\n')) {
    const rest = line.startsWith('#') ? null : wanted.reduce<string | null>((left, field) => (left === null ? null : afterMatch(left, field)), stripLineEnd(line));
    if (rest !== null) {
      const password = readField(rest).text;
      return password === '' ? null : new Secret(password);
    }
  }
  return null;
}

/**
 * The text with which libpq finds this password for this entry. Unchanged when it does already. Otherwise our line becomes the
 * first one, because the first match wins, and takes the place of a line with exactly these four fields; all other lines stay byte
 * for byte. Throws a usage error for a password or field that a line cannot hold.
 */
export function putEntry(text: string, entry: PassEntry): string {
  checkPassword(entry.password.reveal());
  const line = `${fieldsOf(entry).map(renderField).join(':')}:${escape(entry.password.reveal())}`;
  if (firstMatch(text, fieldsOf(entry))?.reveal() === entry.password.reveal()) return text;
  return `${line}\n${removeEntry(text, entry)}`;
}

/** The text without the lines of exactly these four fields, whatever their password; others stay byte for byte. */
export function removeEntry(text: string, entry: Omit<PassEntry, 'password'>): string {
  const wanted = fieldsOf(entry);
  return text
    .split(/(?<=\n)/)
    .filter((line) => {
      if (line.startsWith('#')) return true;
      let rest = stripLineEnd(line.replace(/\n$/, ''));
      for (const field of wanted) {
        const read = readField(rest);
        // `*` alone is the wildcard and `\*` a star.
        if (read.rest === null || (read.raw === '*') !== (field === '*') || read.text !== field) return true;
        rest = read.rest;
      }
      return false;
    })
    .join('');
}

/** Throws `password-invalid` when the password is empty or has a NUL, LF or CR in it: a passfile cannot hold it (libpq cuts a CR at the end). */
export function checkPassword(password: string): void {
  if (password === '') throw usageError('password-invalid', 'the password is empty');
  // eslint-disable-next-line no-control-regex -- these three cannot be in a line of the file
  if (/[\u0000\r\n]/.test(password)) throw usageError('password-invalid', 'the password has a line end or a NUL in it');
}

function fieldsOf(entry: Omit<PassEntry, 'password'>): Fields {
  return [entry.host, entry.port, entry.database, entry.user];
}

function renderField(field: string, index: number): string {
  // eslint-disable-next-line no-control-regex -- these three cannot be in a line of the file
  if (field === '' || /[\u0000\r\n]/.test(field)) throw usageError('passfile-field-invalid', `"${printable(field)}" cannot be a field of a passfile`);
  // A line that begins with # is a comment.
  return field === '*' ? field : index === 0 && field.startsWith('#') ? `\\${escape(field)}` : escape(field);
}

function escape(text: string): string {
  return text.replace(/[:\\]/g, '\\$&');
}

/** pg_strip_crlf: all of them, not only one. */
function stripLineEnd(line: string): string {
  return line.replace(/\r+$/, '');
}

/** `pwdfMatchesString`: what follows the field when it is `*` or this token; else `null`. */
function afterMatch(text: string, token: string): string | null {
  const { raw, text: field, rest } = readField(text);
  return raw === '*' || field === token ? rest : null;
}

/** The first field, unescaped; `rest` is `null` when no colon ends it. */
function readField(text: string): { readonly raw: string; readonly text: string; readonly rest: string | null } {
  const raw = /^(?:[^:\\]|\\.|\\$)*/su.exec(text)?.[0] ?? '';
  return { raw, text: raw.replace(/\\(.)/gsu, '$1'), rest: raw.length < text.length ? text.slice(raw.length + 1) : null };
}

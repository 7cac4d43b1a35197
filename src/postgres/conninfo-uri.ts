import { usageError } from '../errors.ts';
import { printable } from './names.ts';

/** Whether libpq would read this text as a connection URI. */
export function isConninfoUri(text: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(text);
}

/**
 * Reads a connection URI into the keywords of the other form, by the rules of `conninfo_uri_parse` (fe-connect.c): everything is
 * percent-decoded, a plus stays a plus, an IPv6 address stands in brackets, a socket directory is percent-encoded or comes as `?host=`.
 * Throws a usage error where libpq would refuse, and for several hosts. The text itself is never shown: it may hold a password.
 */
export function parseConninfoUri(text: string): Readonly<Record<string, string>> {
  const [, rest = '', query] = /^postgres(?:ql)?:\/\/([^?]*)(?:\?(.*))?$/s.exec(text) ?? [];
  const slash = rest.indexOf('/');
  const authority = slash === -1 ? rest : rest.slice(0, slash);
  const pairs = new Map<string, string>();
  const put = (keyword: string, raw: string): void => {
    if (raw !== '') pairs.set(keyword, decoded(raw, keyword));
  };
  // The first @ ends the user, as in libpq: one in a password must be encoded.
  const at = authority.indexOf('@');
  const [user = '', ...password] = at === -1 ? [] : authority.slice(0, at).split(':');
  put('user', user);
  put('password', password.join(':'));
  const places = authority.slice(at + 1).split(',').map(hostAndPort);
  if (places.length > 1) throw severalHosts();
  put('host', places[0]?.host ?? '');
  put('port', places[0]?.port ?? '');
  put('dbname', slash === -1 ? '' : rest.slice(slash + 1));
  for (const parameter of query === undefined || query === '' ? [] : query.split('&')) {
    const [keyword = '', value, more] = parameter.split('=');
    if (value === undefined) throw wrong('a parameter has no "="');
    if (more !== undefined) throw wrong('a parameter has more than one "="');
    const name = decoded(keyword, 'a parameter');
    // What JDBC writes, libpq reads too.
    if (name === 'ssl' && value === 'true') pairs.set('sslmode', 'require');
    else if (/^[a-z][a-z0-9_]*$/.test(name)) pairs.set(name, decoded(value, name));
    else throw wrong('a parameter has a name that cannot be a connection keyword');
  }
  return Object.fromEntries(pairs);
}

/** Several servers in one text are a list to try: which of them answers would differ from one session to the next (hazard G17). */
export function severalHosts(): Error {
  return usageError('conninfo-several', 'the connection string names several hosts', { hint: 'Name the one server that is meant; a cluster file names several.' });
}

function hostAndPort(text: string): { readonly host: string; readonly port: string } {
  const [, bracketed, plain = '', port = ''] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(text) ?? [];
  if (text !== '' && bracketed === undefined && plain === '' && port === '') throw wrong('the host cannot be read');
  if (bracketed === '') throw wrong('the address in brackets is empty');
  return { host: bracketed ?? plain, port };
}

function decoded(text: string, keyword: string): string {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) throw wrong(`a percent sign in ${printable(keyword)} is not followed by two hexadecimal digits`);
  if (text.includes('%00')) throw wrong(`${printable(keyword)} has %00 in it`);
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong(`${printable(keyword)} is not UTF-8`);
  }
}

function wrong(why: string): Error {
  return usageError('conninfo-invalid', `the connection URI cannot be read: ${why}`, { hint: 'It looks like postgresql://USER@HOST:5432/DATABASE.' });
}

import { isIP } from 'node:net';
import { cidrContains, cidrOfMask, cidrOverlaps, isLoopback, parseCidr } from './address.ts';
import type { HbaLine, HbaToken } from './hba-grammar.ts';

/** A connection as the server sees it arrive. */
export interface HbaRequest {
  readonly type: 'local' | 'host';
  /** A database, also of logical replication; or `replication-physical`, which has none and matches only the bare word `replication`. */
  readonly database: string;
  readonly user: string;
  /** The client's; `null` for `local`. */
  readonly address: string | null;
  /** Whether it is encrypted; unknown matches `hostssl` and `hostnossl` alike. */
  readonly ssl?: boolean;
}

type Match = 'yes' | 'no' | 'maybe';

/**
 * The rule that decides about a connection: the first that matches in file order (`check_hba` of hba.c). Rules whose match hangs on what
 * only the server knows (membership in a role, names of hosts, its networks, included files, regular expressions) are passed over;
 * `uncertainHba` has them. `null`: no rule matches and the server refuses.
 */
export function matchHba(lines: readonly HbaLine[], request: HbaRequest): HbaLine | null {
  return lines.find((line) => judge(line, request) === 'yes') ?? null;
}

/** The rules before the one that `matchHba` finds that may match, so that one of them may decide instead. */
export function uncertainHba(lines: readonly HbaLine[], request: HbaRequest): readonly HbaLine[] {
  const verdicts = lines.map((line) => judge(line, request));
  const end = verdicts.indexOf('yes');
  return lines.filter((_, index) => verdicts[index] === 'maybe' && (end === -1 || index < end));
}

/**
 * The first `reject` rule that would turn physical replication of this role away from some address of these ranges: someone
 * meant it, and a rule of ours above it would undo that. Throws a usage error for a range that is none.
 */
export function firstRejecting(lines: readonly HbaLine[], role: string, cidrs: readonly string[]): { readonly line: HbaLine; readonly cidr: string } | null {
  for (const line of lines) {
    if (line.error !== null || line.method !== 'reject' || !line.type.startsWith('host') || line.type === 'hostgssenc') continue;
    if (judgeDatabase(line, 'replication-physical', role) !== 'yes' || judgeUser(line, role) !== 'yes') continue;
    const cidr = cidrs.find((range) => meets(line, range));
    if (cidr !== undefined) return { line, cidr };
  }
  return null;
}

function judge(line: HbaLine, request: HbaRequest): Match {
  if (line.error !== null) return 'no';
  if (line.type.startsWith('include')) return 'maybe';
  return all([judgeType(line, request), judgeDatabase(line, request.database, request.user), judgeUser(line, request.user), judgeAddress(line, request)]);
}

function all(matches: readonly Match[]): Match {
  return matches.includes('no') ? 'no' : matches.includes('maybe') ? 'maybe' : 'yes';
}

function any(matches: readonly Match[]): Match {
  return matches.includes('yes') ? 'yes' : matches.includes('maybe') ? 'maybe' : 'no';
}

function judgeType(line: HbaLine, request: HbaRequest): Match {
  switch (line.type) {
    case 'hostssl':
      return request.type === 'host' && request.ssl !== false ? 'yes' : 'no';
    case 'hostnossl':
      return request.type === 'host' && request.ssl !== true ? 'yes' : 'no';
    case 'hostgssenc':
      return 'no';
    default:
      return (line.type === 'local') === (request.type === 'local') ? 'yes' : 'no';
  }
}

/** `check_db`. */
function judgeDatabase(line: HbaLine, database: string, user: string): Match {
  const physical = database === 'replication-physical';
  return any(
    line.databases.map((token): Match => {
      if (isFile(token)) return 'maybe';
      if (physical) return isKeyword(token, 'replication') ? 'yes' : 'no';
      if (isKeyword(token, 'all')) return 'yes';
      if (isKeyword(token, 'sameuser')) return database === user ? 'yes' : 'no';
      if (isKeyword(token, 'samerole') || isKeyword(token, 'samegroup')) return 'maybe';
      if (isKeyword(token, 'replication')) return 'no';
      return judgeName(token, database);
    }),
  );
}

/** `check_role`. */
function judgeUser(line: HbaLine, user: string): Match {
  return any(
    line.users.map((token): Match => {
      if (isFile(token) || (!token.quoted && token.text.startsWith('+'))) return 'maybe';
      return isKeyword(token, 'all') ? 'yes' : judgeName(token, user);
    }),
  );
}

/** From 16 on a name that starts with a slash is a regular expression, quoted or not; it is not run here. */
function judgeName(token: HbaToken, name: string): Match {
  if (token.text === name) return 'yes';
  return token.text.startsWith('/') && token.text.length > 1 ? 'maybe' : 'no';
}

function judgeAddress(line: HbaLine, request: HbaRequest): Match {
  if (line.type === 'local' || line.address === 'all') return 'yes';
  if (request.address === null || line.address === null) return 'no';
  // Which other addresses and networks the server's host has is known there only.
  if (line.address === 'samehost' || line.address === 'samenet') return isLoopback(request.address) ? 'yes' : 'maybe';
  const range = rangeOf(line);
  return range === null ? 'maybe' : cidrContains(range, request.address) ? 'yes' : 'no';
}

function meets(line: HbaLine, cidr: string): boolean {
  if (line.address === 'all') return true;
  if (line.address === 'samehost' || line.address === 'samenet') return cidrOverlaps(cidr, '127.0.0.0/8') || cidrOverlaps(cidr, '::1/128');
  const range = rangeOf(line);
  return range !== null && cidrOverlaps(range, cidr);
}

/** `null` for a host name and for a mask with holes. */
function rangeOf(line: HbaLine): string | null {
  if (line.address === null) return null;
  if (line.mask !== null) return cidrOfMask(line.address, line.mask);
  return line.address.includes('/') || isIP(line.address) !== 0 ? parseCidr(line.address) : null;
}

function isKeyword(token: HbaToken, keyword: string): boolean {
  return !token.quoted && token.text === keyword;
}

function isFile(token: HbaToken): boolean {
  return !token.quoted && token.text.startsWith('@') && token.text.length > 1;
}

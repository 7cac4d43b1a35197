import { isIPv4, SocketAddress } from 'node:net';
import { usageError } from '../errors.ts';
import { printable } from './names.ts';

/** An address range as numbers: the first and the last address of it. */
interface Range {
  readonly bits: 32 | 128;
  readonly prefix: number;
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * An address or a range in one canonical form: `10.0.0.7/24` → `10.0.0.0/24`, `10.0.0.1` → `10.0.0.1/32`, `2001:DB8:0::1` →
 * `2001:db8::1/128`. PostgreSQL ignores the host bits of a range too. Throws a usage error for a host name: pg_hba.conf would need
 * reverse and forward DNS for it.
 */
export function parseCidr(text: string): string {
  const { bits, prefix, first } = parseRange(text);
  return `${bits === 32 ? renderV4(first) : renderV6(first)}/${prefix}`;
}

/**
 * A range that is to be let in, in its canonical form. Throws as `parseCidr`, and for every address at once: then a guessed password is all
 * that keeps anyone from copying the databases (hazard C22).
 */
export function parseAllowed(text: string): string {
  const cidr = parseCidr(text);
  if (!cidr.endsWith('/0')) return cidr;
  throw usageError('address-everybody', `"${printable(text)}" is every address there is, and pgrepl opens replication to nobody unnamed`, { hint: 'Name the networks of the standbys, such as 10.0.0.0/24.' });
}

/** Whether any address is in both ranges. IPv4 and IPv6 never meet, as in pg_hba.conf. Throws as `parseCidr`. */
export function cidrOverlaps(a: string, b: string): boolean {
  const [left, right] = [parseRange(a), parseRange(b)];
  return left.bits === right.bits && left.first <= right.last && right.first <= left.last;
}

/** Whether the address is in the range. Throws as `parseCidr`. */
export function cidrContains(cidr: string, address: string): boolean {
  const [range, one] = [parseRange(cidr), parseRange(hostCidr(address))];
  return range.bits === one.bits && range.first <= one.first && one.first <= range.last;
}

/** 127.0.0.0/8 and ::1, also mapped into IPv6. False for a name, even for `localhost`. */
export function isLoopback(address: string): boolean {
  if (isIPv4(address)) return cidrContains('127.0.0.0/8', address);
  return isIPv6(address) && (cidrContains('::1/128', address) || cidrContains('::ffff:127.0.0.0/104', address));
}

/** The range of exactly one address. Throws a usage error for a range and for a host name. */
export function hostCidr(address: string): string {
  if (address.includes('/')) throw usageError('address-invalid', `"${printable(address)}" is a range, not an address`);
  return parseCidr(address);
}

/** The range that an address and a netmask mean (`255.255.255.0`); `null` when the mask is none or is not of one piece. */
export function cidrOfMask(address: string, mask: string): string | null {
  if (isIPv4(address) !== isIPv4(mask) || isIPv6(address) !== isIPv6(mask) || mask.includes('%')) return null;
  const bits = isIPv4(mask) ? 32 : 128;
  const ones = /^(1*)0*$/.exec(parseRange(mask).first.toString(2).padStart(bits, '0'))?.[1];
  return ones === undefined ? null : parseCidr(`${address}/${ones.length}`);
}

/** Without a zone. By the system's parser: Node's own `isIPv6` is an expression that takes 9 ms to compile at its first use. */
function isIPv6(address: string): boolean {
  if (!address.includes(':') || address.includes('%')) return false;
  try {
    return new SocketAddress({ address, family: 'ipv6' }).family === 'ipv6';
  } catch {
    return false;
  }
}

function parseRange(text: string): Range {
  const [address = '', prefixText, ...more] = text.split('/');
  const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : null;
  if (bits === null) {
    throw usageError('address-invalid', `"${printable(text)}" is not an address, and names are not taken`, {
      hint: 'An address looks like 10.0.0.5 or 2001:db8::5, a range like 10.0.0.0/24.',
    });
  }
  const prefix = prefixText === undefined ? bits : /^(?:0|[1-9][0-9]{0,2})$/.test(prefixText) ? Number(prefixText) : Number.NaN;
  if (!(prefix <= bits) || more.length > 0) {
    throw usageError('address-invalid', `"${printable(text)}" is not an address range`, { hint: `The number after the slash is 0 to ${bits}.` });
  }
  const size = 1n << BigInt(bits - prefix);
  const value = bits === 32 ? parseV4(address) : parseV6(address);
  const first = value - (value % size);
  return { bits, prefix, first, last: first + size - 1n };
}

function parseV4(address: string): bigint {
  return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

function parseV6(address: string): bigint {
  // The last four bytes may be written as in IPv4.
  const dotted = /^(.*:)([0-9.]+\.[0-9]+)$/.exec(address);
  const tail = dotted?.[2] === undefined ? null : parseV4(dotted[2]);
  const text = tail === null ? address : `${dotted?.[1] ?? ''}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`;
  const [left = '', right] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(left), groups(right ?? '')];
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].reduce((sum, group) => (sum << 16n) + BigInt(`0x${group}`), 0n);
}

function renderV4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
}

/** RFC 5952: lower case, no leading zeros, the longest (first) run of two or more zero groups as `::`. */
function renderV6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  const runs = [...groups.join(':').matchAll(/(?<![0-9a-f])0(?::0(?![0-9a-f]))+/g)].map(([run]) => run);
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '');
  if (longest === '') return groups.join(':');
  const text = groups.join(':');
  const at = text.search(new RegExp(`(?<![0-9a-f])${longest}(?![0-9a-f])`));
  return `${text.slice(0, at).replace(/:$/, '')}::${text.slice(at + longest.length).replace(/^:/, '')}`;
}

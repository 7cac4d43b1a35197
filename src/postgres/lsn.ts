import { usageError } from '../errors.ts';

declare const lsnBrand: unique symbol;

/** A position in the write-ahead log, in bytes from its beginning. Made only by `parseLsn` and `addBytes`. */
export type Lsn = bigint & { readonly [lsnBrand]: true };

/**
 * Reads `16/B374D848`: two hexadecimal numbers, the upper and lower 32 bits (pg_lsn, PostgreSQL documentation 8.20).
 * Throws a usage error on anything else.
 */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw usageError('lsn-invalid', `"${text}" is not a WAL position`, { hint: 'A WAL position looks like 0/5000148.' });
  }
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn;
}

/** `null` stays `null`: PostgreSQL reports unknown positions as null. */
export function parseLsnOrNull(text: string | null | undefined): Lsn | null {
  return text === null || text === undefined || text === '' ? null : parseLsn(text);
}

/** As PostgreSQL prints it: upper-case hexadecimal, no leading zeros. */
export function renderLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;
}

/** Bytes from `from` to `to`; negative when `to` is before `from`. Exact up to 2^53, more than any log. */
export function bytesBetween(from: Lsn, to: Lsn): number {
  return Number(to - from);
}

export function addBytes(lsn: Lsn, bytes: number | bigint): Lsn {
  return (lsn + BigInt(bytes)) as Lsn;
}

/** The greater one; unknown loses. After a restart of a standby the received position is behind the replayed one, so both are asked. */
export function laterLsn(a: Lsn | null, b: Lsn | null): Lsn | null {
  if (a === null) return b;
  if (b === null) return a;
  return a > b ? a : b;
}

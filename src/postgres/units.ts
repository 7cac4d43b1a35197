import { PgreplError, usageError } from '../errors.ts';
import { printable } from './names.ts';

/** As in postgresql.conf: the multiplier is 1024 and the case matters (PostgreSQL documentation 20.1.1). */
const BYTES: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['kB', 1024],
  ['MB', 1024 ** 2],
  ['GB', 1024 ** 3],
  ['TB', 1024 ** 4],
]);

const SECONDS: ReadonlyMap<string, number> = new Map([
  ['us', 0.000_001],
  ['ms', 0.001],
  ['s', 1],
  ['min', 60],
  ['h', 3600],
  ['d', 86_400],
]);

const AMOUNT = /^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)$/;

/** Whole bytes of `16MB`, `1.5 GB` or a bare number of bytes. Throws a usage error on anything else. */
export function parseBytes(text: string): number {
  const match = AMOUNT.exec(text.trim());
  const factor = BYTES.get(match?.[2] === '' ? 'B' : (match?.[2] ?? '?'));
  const bytes = factor === undefined ? Number.NaN : Math.round(Number(match?.[1]) * factor);
  if (!Number.isSafeInteger(bytes)) {
    throw usageError('size-invalid', `"${printable(text)}" is not a size`, { hint: 'A size looks like 512MB; the units are B, kB, MB, GB and TB.' });
  }
  return bytes;
}

/** For people: `0 B`, `1.2 GB`, `340 MB`; one decimal below 100 of a unit, where it is not 0. */
export function renderBytes(bytes: number): string {
  if (bytes < 0) return `-${renderBytes(-bytes)}`;
  const units = [...BYTES.keys()];
  let amount = bytes;
  let unit = 0;
  // 1023.96 kB would be shown as 1024 kB.
  while (Math.round(amount) >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${amount < 100 ? Number(amount.toFixed(1)) : Math.round(amount)} ${units[unit] ?? ''}`;
}

/**
 * A transfer rate for `pg_basebackup --max-rate`: 32 kB to 1024 MB per second, `k`, `M` or a bare number of kB, as the program
 * takes it. Normalised to `32M` or `1500k`. Throws a usage error.
 */
export function parseRate(text: string): string {
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*([kM]?)$/.exec(text.trim());
  const kilobytes = match === null ? Number.NaN : Math.round(Number(match[1]) * (match[2] === 'M' ? 1024 : 1));
  if (!(kilobytes >= 32 && kilobytes <= 1_048_576)) {
    throw usageError('rate-invalid', `"${printable(text)}" is not a transfer rate`, { hint: 'A rate is between 32k and 1024M (bytes per second), such as 50M.' });
  }
  return kilobytes % 1024 === 0 ? `${kilobytes / 1024}M` : `${kilobytes}k`;
}

/** Seconds of `90`, `90s`, `1.5min`, `2h`, `500ms`; a bare number is seconds. Throws a usage error. */
export function parseSeconds(text: string): number {
  const match = AMOUNT.exec(text.trim());
  const factor = SECONDS.get(match?.[2] === '' ? 's' : (match?.[2] ?? '?'));
  const seconds = factor === undefined ? Number.NaN : Number(match?.[1]) * factor;
  if (!Number.isFinite(seconds)) throw durationError(text);
  return seconds;
}

/**
 * A duration as a time setting of PostgreSQL takes it, without blanks: `1h`, `30min`, `500ms`. The unit must be there, because a
 * bare number means another one in each setting; only `0` and `-1` need none. Throws a usage error.
 */
export function parseInterval(text: string): string {
  const trimmed = text.trim();
  if (trimmed === '0' || trimmed === '-1') return trimmed;
  const match = AMOUNT.exec(trimmed);
  if (match?.[1] === undefined || match[2] === undefined || !SECONDS.has(match[2])) throw durationError(text);
  return `${match[1]}${match[2]}`;
}

function durationError(text: string): PgreplError {
  return usageError('duration-invalid', `"${printable(text)}" is not a duration`, { hint: 'A duration looks like 30s, 5min or 1h; the units are us, ms, s, min, h and d.' });
}

/**
 * Bytes of a size in pg_settings, whose `unit` is `B`, `kB`, `8kB`, `MB`, `16MB` and so on; without a unit the value itself. `-1`
 * (no limit, or automatic) stays -1. Throws `setting-unreadable` when it is not a size.
 */
export function settingBytes(value: string, unit: string | null): number {
  if (value === '-1') return -1;
  const match = /^([0-9]*)([A-Za-z]+)$/.exec(unit ?? 'B');
  const factor = (match?.[1] === '' ? 1 : Number(match?.[1])) * (BYTES.get(match?.[2] ?? '') ?? Number.NaN);
  const bytes = /^[0-9]+$/.test(value) ? Number(value) * factor : Number.NaN;
  if (Number.isNaN(bytes)) throw new PgreplError('unfinished', 'setting-unreadable', `"${printable(value)}" in units of ${printable(unit ?? 'bytes')} is not a size`);
  return bytes;
}

import { PgreplError } from '../errors.ts';
import { printable } from './names.ts';

/**
 * The major of a `server_version_num`: 150018 → 15. Before 10 it is the first of the two parts (90624 → 9), which is enough
 * to say that it is too old.
 */
export function majorOf(versionNumber: number): number {
  return Math.floor(versionNumber / 10_000);
}

/** `150018` → `15.18`, `90624` → `9.6.24`: the text that PostgreSQL itself prints for a released version. */
export function renderVersionNumber(versionNumber: number): string {
  const major = majorOf(versionNumber);
  const rest = versionNumber % 10_000;
  // Since 10 a version has two parts and the last four digits are the minor (PostgreSQL documentation, libpq PQserverVersion).
  return major < 10 ? `${major}.${Math.floor(rest / 100)}.${rest % 100}` : `${major}.${rest}`;
}

/**
 * Reads what a program prints for `--version` (`postgres (PostgreSQL) 15.18 (Debian 15.18-1)`, `pg_ctl (PostgreSQL) 18beta1`) as
 * a `server_version_num`; a pre-release counts as minor 0, as in the server. Distribution suffixes are ignored.
 * Throws `version-unreadable` when there is no version in it.
 */
export function parseProgramVersion(text: string): number {
  const match = /^(?:\S+ \([^)]*\) )?([0-9]{1,3})(?:\.([0-9]{1,4}))?(?:\.([0-9]{1,2}))?(?![0-9])/.exec(text.trim());
  if (match?.[1] === undefined) throw new PgreplError('unfinished', 'version-unreadable', `"${printable(text.trim())}" does not name a PostgreSQL version`);
  const [major, second, third] = [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)];
  return major < 10 ? major * 10_000 + second * 100 + third : major * 10_000 + second;
}

import { majorOf } from './version.ts';

/** A bug of replication that old minors have. */
export interface KnownBug {
  readonly hazard: string;
  /** The first minor of each major without it; a major that is not named never had it. */
  readonly fixed: Readonly<Record<number, number>>;
  readonly says: string;
}

/** From the release notes of the minors that are named. */
const BUGS: readonly KnownBug[] = [
  { hazard: 'J24', fixed: { 13: 2 }, says: 'pg_rewind may say that nothing is to be done where it is' },
  { hazard: 'H22', fixed: { 13: 8, 14: 4 }, says: 'a restartpoint that runs during a promotion may leave a server that cannot start again' },
  { hazard: 'L09', fixed: { 13: 8, 14: 5 }, says: 'a standby may stop at the replay of CREATE DATABASE after a crash' },
  { hazard: 'M19', fixed: { 13: 18, 14: 15, 15: 10, 16: 6, 17: 2 }, says: 'pg_rewind may delete WAL that it needs itself' },
  { hazard: 'E16', fixed: { 13: 22, 14: 19, 15: 14, 16: 10, 17: 6 }, says: 'after a crash a slot may point to WAL that was removed' },
];

/** Those that a server of this `server_version_num` has. Pure. */
export function knownBugsOf(versionNumber: number): readonly KnownBug[] {
  const [major, minor] = [majorOf(versionNumber), versionNumber % 10_000];
  return BUGS.filter(({ fixed }) => minor < (fixed[major] ?? 0));
}

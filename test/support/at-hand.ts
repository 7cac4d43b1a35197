import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** One major that is at hand on this machine. */
export interface Installation {
  readonly major: number;
  readonly binDir: string;
}

/** Every major at hand, oldest first; PGREPL_MAJORS=15,17 takes only some. */
export function everyInstallation(): readonly Installation[] {
  const given = process.env['PGREPL_TEST_INSTALLATIONS'];
  if (given === undefined) throw new Error('no PostgreSQL was handed over: run the tests through "npm run test:integration" or scripts/with-postgres.js');
  const wanted = (process.env['PGREPL_MAJORS'] ?? '').split(',').filter((word) => word !== '').map(Number);
  const all = JSON.parse(given) as readonly Installation[];
  return wanted.length === 0 ? all : all.filter(({ major }) => wanted.includes(major));
}

/** True in the short run of `npm test`: only acceptance cases, and only on one major. */
export function isBrief(): boolean {
  return (process.env['PGREPL_STORIES'] ?? '') === '';
}

/** A story that the short run tells too: it is one of the numbered acceptance cases. */
export function isToldBriefly(name: string): boolean {
  return /^cases? \d/.test(name);
}

/** The majors that stories are told on: the oldest at hand, and with PGREPL_STORIES=spread, wide or all every one. */
export function installations(): readonly Installation[] {
  const all = everyInstallation();
  return isBrief() ? all.slice(0, 1) : all;
}

/**
 * True where a story is told on this major. With PGREPL_STORIES=spread an acceptance case is told on every one and any other story on one,
 * by its name and PGREPL_SPREAD: over many runs each comes to each. Otherwise on all that were asked for.
 */
export function isToldOn(name: string, major: number, where: 'every' | 'once' = 'every'): boolean {
  if (isBrief()) return isToldBriefly(name);
  if (where === 'once' || process.env['PGREPL_STORIES'] !== 'spread' || isToldBriefly(name)) return true;
  const majors = installations();
  const turn = createHash('sha256').update(`${process.env['PGREPL_SPREAD'] ?? ''} ${name}`).digest().readUInt32BE();
  return majors[turn % majors.length]?.major === major;
}

/** For stories in which the major plays no part. Throws when PGREPL_MAJORS leaves none. */
export function oldest(): Installation {
  const [first] = installations();
  if (first === undefined) throw new Error('PGREPL_MAJORS leaves no major');
  return first;
}

/** What a program of this installation needs besides its path: relocated installations load their own libraries. */
export function programEnv({ binDir }: Installation): Readonly<Record<string, string>> {
  const lib = join(dirname(binDir), 'lib');
  const base = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };
  return existsSync(join(lib, 'libpq.so.5')) ? { ...base, LD_LIBRARY_PATH: lib } : base;
}

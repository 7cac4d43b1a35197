import { majorOf } from '../../../postgres/version.ts';
import type { Rule, RuleFinding } from '../rule.ts';

interface Bug {
  readonly hazard: string;
  /** The first minor of each major without it; a major that is not named never had it. */
  readonly fixed: Readonly<Record<number, number>>;
  readonly says: string;
}

/** Bugs of replication that old minors have (release notes of the minors that are named). */
const BUGS: readonly Bug[] = [
  { hazard: 'J24', fixed: { 13: 2 }, says: 'pg_rewind may say that nothing is to be done where it is' },
  { hazard: 'H22', fixed: { 13: 8, 14: 4 }, says: 'a restartpoint that runs during a promotion may leave a server that cannot start again' },
  { hazard: 'L09', fixed: { 13: 8, 14: 5 }, says: 'a standby may stop at the replay of CREATE DATABASE after a crash' },
  { hazard: 'M19', fixed: { 13: 18, 14: 15, 15: 10, 16: 6, 17: 2 }, says: 'pg_rewind may delete WAL that it needs itself' },
  { hazard: 'E16', fixed: { 13: 22, 14: 19, 15: 14, 16: 10, 17: 6 }, says: 'after a crash a slot may point to WAL that was removed' },
];

/** Minors that are known for what they do to replication. */
export const minors: Rule = {
  id: 'minors',
  hazards: ['E16', 'H22', 'J24', 'L09', 'M19'],
  about: 'no server runs a minor with a known bug of replication',
  needs: [],
  judge: ({ view }) =>
    view.nodes.flatMap((node): readonly RuleFinding[] => {
      const number = node.server?.versionNumber ?? null;
      if (number === null || node.server === null) return [];
      const [major, minor] = [majorOf(number), number % 10_000];
      const bugs = BUGS.filter(({ fixed }) => minor < (fixed[major] ?? 0));
      if (bugs.length === 0) return [];
      const needed = Math.max(...bugs.map(({ fixed }) => fixed[major] ?? 0));
      return [{ id: 'minor-old', level: 'warning', node: node.name, hazard: bugs[0]?.hazard ?? null, says: `${node.name} runs PostgreSQL ${node.server.version}, which has known bugs of replication; ${major}.${needed} has none of these`, evidence: bugs.map(({ hazard, fixed, says }) => `${hazard}: ${says} (fixed in ${major}.${fixed[major] ?? '?'})`), hint: 'Update the programs and restart: standbys first, the primary last, or after a switchover.', next: [] }];
    }),
};

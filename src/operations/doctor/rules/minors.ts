import { knownBugsOf } from '../../../postgres/known-bugs.ts';
import { majorOf } from '../../../postgres/version.ts';
import type { Rule, RuleFinding } from '../rule.ts';

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
      const major = majorOf(number);
      const bugs = knownBugsOf(number);
      if (bugs.length === 0) return [];
      const needed = Math.max(...bugs.map(({ fixed }) => fixed[major] ?? 0));
      return [{ id: 'minor-old', level: 'warning', node: node.name, hazard: bugs[0]?.hazard ?? null, says: `${node.name} runs PostgreSQL ${node.server.version}, which has known bugs of replication; ${major}.${needed} has none of these`, evidence: bugs.map(({ hazard, fixed, says }) => `${hazard}: ${says} (fixed in ${major}.${fixed[major] ?? '?'})`), hint: 'Update the programs and restart: standbys first, the primary last, or after a switchover.', next: [] }];
    }),
};

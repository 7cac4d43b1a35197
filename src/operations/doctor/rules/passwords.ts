import { looked } from '../looked.ts';
import { quoteIdentifier } from '../../../postgres/sql-text.ts';
import type { Rule } from '../rule.ts';
import { nameList } from '../wording.ts';

/** Roles are the same on every node: the primary is asked. */
export const passwords: Rule = {
  id: 'passwords',
  hazards: ['C06'],
  about: 'no role that may log in has its password as MD5',
  needs: ['health'],
  judge: (facts) =>
    looked(facts).flatMap(({ node, extras, inRecovery }) => {
      const roles = extras.files?.md5Roles ?? [];
      if (inRecovery || roles.length === 0) return [];
      const replicates = roles.includes(node.facts.place.replicationUser);
      return [
        {
          id: 'password-md5',
          level: replicates ? ('warning' as const) : ('info' as const),
          node: node.name,
          hazard: 'C06',
          says: `the password of ${nameList(roles.map((role) => `"${role}"`))} is kept as MD5: a rule with scram-sha-256 refuses ${roles.length === 1 ? 'it' : 'them'}`,
          evidence: [],
          hint: 'PostgreSQL 18 warns of it, and a later one will not take it. Setting the password again keeps it as SCRAM where password_encryption is scram-sha-256.',
          next: replicates ? [`pgrepl init-primary ${node.name}`] : [`\\password ${quoteIdentifier(roles[0] ?? '')}`],
        },
      ];
    }),
};

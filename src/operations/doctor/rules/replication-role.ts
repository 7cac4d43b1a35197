import { quoteIdentifier } from '../../../postgres/sql-text.ts';
import type { Rule, RuleFinding } from '../rule.ts';

/** What would stop replication at the next reconnect, seen before that: every node has the same roles, so the primary is asked. */
export const replicationRole: Rule = {
  id: 'replication-role',
  hazards: ['C11', 'C23'],
  about: 'the replication role exists, may log in and replicate, and is not expired',
  needs: ['servers'],
  judge: ({ view, servers }) => {
    const primary = view.primary;
    const role = primary === null ? undefined : servers.get(primary.name)?.role;
    if (primary === null || role === undefined) return [];
    const user = primary.facts.place.replicationUser;
    const alter = `ALTER ROLE ${quoteIdentifier(user)}`;
    const of = (id: string, level: RuleFinding['level'], says: string, next: readonly string[], hint: string | null = 'Standbys go on streaming until their connection breaks, and cannot come back then.'): RuleFinding => ({ id, level, node: primary.name, hazard: 'C11', says, evidence: [], hint, next });
    if (role === null) return [of('role-missing', 'critical', `there is no role "${user}" on ${primary.name}`, [`pgrepl init-primary ${primary.name}`])];
    const lacks = [role.login ? [] : ['LOGIN'], role.replication || role.superuser ? [] : ['REPLICATION']].flat();
    return [
      ...(lacks.length === 0 ? [] : [of('role-rights', 'critical', `role "${user}" lacks ${lacks.join(' and ')}`, [`${alter} ${lacks.join(' ')}`])]),
      ...(role.expired ? [of('role-expired', 'critical', `role "${user}" is past its VALID UNTIL`, [`${alter} VALID UNTIL 'infinity'`])] : []),
      ...(role.superuser ? [{ ...of('role-superuser', 'info', `role "${user}" is a superuser`, [`${alter} NOSUPERUSER`], 'LOGIN and REPLICATION are enough for a standby.'), hazard: 'C23' }] : []),
    ];
  },
};

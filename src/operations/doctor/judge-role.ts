import { quoteIdentifier } from '../../postgres/sql-text.ts';
import type { DoctorFacts, LoginAttempt } from './facts.ts';
import type { Failure, LoginReason } from './judge-login.ts';

/** Whether the role itself is why it was refused, by what the other server knows about it (hazard C11). `null`: it is not, or that is unknown. Pure. */
export function judgeRoleRefusal(attempt: LoginAttempt, state: string, facts: DoctorFacts): Failure | null {
  const role = facts.servers.get(attempt.to)?.role;
  const server = facts.view.nodes.find(({ name }) => name === attempt.to)?.server ?? null;
  const name = `role "${attempt.user}"`;
  const alter = `ALTER ROLE ${quoteIdentifier(attempt.user)}`;
  const of = (reason: LoginReason, says: string, next: readonly string[], hint: string | null = null): Failure => ({ reason, says, hazard: 'C11', evidence: [`SQLSTATE ${state}`], hint, next });
  const onPrimary = 'To be run on the primary.';
  if (state.startsWith('28') || state === '42501') {
    if (role === null) return of('role-missing', `there is no ${name} on ${attempt.to}`, facts.view.primary === null ? [] : [`pgrepl init-primary ${facts.view.primary.name}`]);
    if (role === undefined) return null;
    const lacks = [role.login ? [] : ['LOGIN'], role.replication || role.superuser ? [] : ['REPLICATION']].flat();
    if (lacks.length > 0) return of('role-rights', `${name} lacks ${lacks.join(' and ')}`, [`${alter} ${lacks.join(' ')}`], onPrimary);
    if (role.expired && state === '28P01') return of('role-expired', `${name} is past its VALID UNTIL`, [`${alter} VALID UNTIL 'infinity'`], onPrimary);
    return null;
  }
  // CONNECTION LIMIT of a role is not held against connections for physical replication (tried on 15, 17 and 18 with a limit of 0).
  if (state !== '53300') return null;
  const senders = Number(server?.settings['max_wal_senders']?.value ?? Number.NaN);
  if (server !== null && server.senders.length >= senders) {
    return { ...of('wal-senders', `all ${senders} WAL senders of ${attempt.to} are in use`, []), hazard: 'A07', hint: 'Raise max_wal_senders; that needs a restart.' };
  }
  return { ...of('too-many-clients', `${attempt.to} has no connection left for it`, []), hazard: null };
}

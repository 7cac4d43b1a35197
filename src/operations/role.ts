import { PgreplError, type Reason } from '../errors.ts';
import { isScramVerifier, verifierMatches } from '../postgres/scram.ts';
import { passwordIn } from '../steps/write-passfile.ts';
import type { NodePlace, World } from '../steps/world.ts';

export interface RoleVerdict {
  readonly reasons: readonly Reason[];
  readonly notices: readonly string[];
}

/**
 * Whether the replication role of a running server can be used (hazards C11, C23). An existing one keeps its password, so the password
 * must be known; `prove-login` shows later that it is the right one. Reads only.
 */
export async function judgeRole(world: World, place: NodePlace): Promise<RoleVerdict> {
  const role = await (await world.node(place.name).server()).role(place.replicationUser);
  if (role === null) return { reasons: [], notices: [] };
  const refuse = (code: string, message: string, hint?: string, next?: readonly string[]): Reason => ({ code, node: place.name, message, hint, next });
  const name = `role "${role.name}"`;
  const quoted = `"${role.name.replaceAll('"', '""')}"`;
  const reasons: Reason[] = [];
  if (!role.login || !role.replication) reasons.push(refuse('role-rights', `${name} exists and lacks ${[role.login ? [] : ['LOGIN'], role.replication ? [] : ['REPLICATION']].flat().join(' and ')}`, undefined, [`ALTER ROLE ${quoted} LOGIN REPLICATION`]));
  if (role.expired) reasons.push(refuse('role-expired', `${name} is past its VALID UNTIL`, undefined, [`ALTER ROLE ${quoted} VALID UNTIL 'infinity'`]));
  if (role.connectionLimit >= 0 && role.connectionLimit < 2) reasons.push(refuse('role-limit', `${name} may have ${role.connectionLimit} connections; a copy needs 2`, undefined, [`ALTER ROLE ${quoted} CONNECTION LIMIT -1`]));
  if (role.verifier !== null) {
    const password = await knownPassword(world, place);
    if (password === null) {
      reasons.push(refuse('password-unknown', `${name} exists and its password is not known here`, `It is not in ${place.passfile} for ${place.host}:${place.port}, and pgrepl never resets a password that others may use.`, ['--password-file FILE', '--replication-user NAME']));
    } else if (isScramVerifier(role.verifier.reveal()) && !verifierMatches(role.verifier, password)) {
      reasons.push(refuse('password-wrong', `the password known for ${name} is not the one it has`, 'Give the right one; pgrepl never resets a password that others may use.', ['--password-file FILE']));
    }
  }
  return { reasons, notices: role.superuser ? [`${name} is a superuser; LOGIN and REPLICATION are enough`] : [] };
}

/** The replication password: given by the operator, or in the passfile of that node; `null` when neither has one. */
export async function knownPassword(world: World, place: NodePlace): Promise<Awaited<ReturnType<typeof passwordIn>>> {
  if (world.givenPassword !== null) return world.givenPassword;
  try {
    return await passwordIn(world, { node: place.name, path: place.passfile, host: place.host, port: place.port }, place.replicationUser);
  } catch (error) {
    if (error instanceof PgreplError && error.kind !== 'bug') return null;
    throw error;
  }
}

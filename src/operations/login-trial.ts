import { asPgreplError, type PgreplError, type Reason } from '../errors.ts';
import { blockLines } from '../postgres/hba-file.ts';
import type { World } from '../steps/world.ts';
import { blockLabel, hbaRules } from './access.ts';
import type { AddStandbyFacts } from './add-standby.ts';
import { hasMap } from './open-for-standbys.ts';
import { knownPassword } from './role.ts';
import { certificateRules, sslBetween, takesOnlyTls } from './tls.ts';

/**
 * One replication login and one question at the upstream's address, from the machine of the new node (hazards D10, D35): a name that does
 * not resolve, a closed port, another cluster behind the address, a password that is not the one are found before anything is touched.
 * That no rule of pg_hba.conf lets the node in is no reason yet where the plan is about to write that rule. Reads only.
 */
export async function loginTrial(world: World, facts: AddStandbyFacts, ranges: readonly string[]): Promise<readonly Reason[]> {
  const { upstream, primary, standby } = facts;
  const { place } = standby.facts;
  const password = await knownPassword(world, primary.facts.place);
  if (password === null) return [];
  const { host, port } = upstream.spec;
  try {
    const found = await world.node(place.name).proveLogin({ host, port }, place.replicationUser, password, sslBetween(standby, upstream));
    const wanted = primary.facts.server?.systemIdentifier;
    if (found === wanted) return [];
    return [{ code: 'another-cluster', node: upstream.spec.name, message: `from the machine of ${place.name}, ${host}:${port} leads to another cluster (system identifier ${found}, not ${wanted ?? 'known'})`, hint: `host and port of ${upstream.spec.name} in the cluster file must lead to it from every node.`, next: ['pgrepl status'] }];
  } catch (thrown) {
    return reasonsFor(asPgreplError(thrown), facts, await opensLater(world, facts, ranges));
  }
}

function reasonsFor(error: PgreplError, { upstream, standby }: AddStandbyFacts, opens: boolean): readonly Reason[] {
  const { place } = standby.facts;
  const node = upstream.spec.name;
  const at = `${upstream.spec.host}:${upstream.spec.port}`;
  const [detail] = error.details;
  const from = `from the machine of ${place.name}`;
  if (error.code === 'connect-failed') {
    const unresolved = detail === 'ENOTFOUND' || detail === 'EAI_AGAIN';
    const look = unresolved ? `getent hosts ${upstream.spec.host}` : `pg_isready -h ${upstream.spec.host} -p ${upstream.spec.port}`;
    return [{
      code: unresolved ? 'host-unresolved' : 'upstream-unreachable',
      node,
      message: `${node} cannot be reached ${from}: ${error.message}`,
      hint: unresolved ? `host of ${node} in the cluster file must be a name that every node can resolve, or its address.` : `It runs, so its listen_addresses, a firewall, or host and port of ${node} in the cluster file is in the way.`,
      next: [look],
    }];
  }
  if (error.code === 'login-refused') {
    if (detail === '28P01') return [{ code: 'password-wrong', node, message: `${at} refuses the password known for role "${place.replicationUser}"`, hint: 'Give the right one; pgrepl never resets a password that others may use.', next: ['--password-file FILE'] }];
    if (opens) return [];
    return [{ code: 'login-refused', node, message: `${node} does not let role "${place.replicationUser}" in ${from}: ${error.message}`, hint: `The address that ${place.name} connects from may be another than host in the cluster file: --allow opens for it.`, next: ['--allow CIDR'] }];
  }
  if (error.kind === 'bug' || error.kind === 'interrupted') throw error;
  return [{ code: error.code, node, message: `a replication login at ${at} ${from} failed: ${error.message}`, hint: error.hint, next: error.next.length > 0 ? error.next : ['pgrepl status'] }];
}

/** The block in pg_hba.conf of the upstream is not what the plan makes it, or is not in force yet. */
async function opensLater(world: World, { upstream, view }: AddStandbyFacts, ranges: readonly string[]): Promise<boolean> {
  const { place } = upstream.facts;
  if (upstream.config === null) return false;
  const present = blockLines(upstream.config.hba ?? '', blockLabel(place.cluster));
  if (present === null || present.join('\n') !== hbaRules(place, ranges, hasMap(upstream), takesOnlyTls(view, upstream)).join('\n')) return true;
  // A node that is new has a certificate that the map does not know yet.
  const names = certificateRules(view, place);
  if (names.length > 0 && !names.every((line) => blockLines(upstream.config?.ident ?? '', blockLabel(place.cluster))?.includes(line) === true)) return true;
  return !(await (await world.node(place.name).server()).hasLoaded(upstream.config.hbaFile));
}

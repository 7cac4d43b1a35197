import { unfinishedNodeAt } from '../operations/places.ts';
import { loadTopology } from '../topology/load.ts';
import { parseRoleName } from '../postgres/names.ts';
import { usageError } from '../errors.ts';
import type { NodeSpec } from '../topology/topology.ts';
import { lineAgain } from './again-line.ts';
import type { Context, OptionSpec, Parsed } from './command.ts';
import { withMachines } from './machines.ts';
import { nodeFrom } from './node-words.ts';
import { passwordsFrom } from './passwords.ts';

/** What the words of `init-primary` and `add-standby` have in common: the node, the cluster file, the passwords. */
export async function parseNewNode(context: Context, options: readonly OptionSpec[]): Promise<Omit<Parsed<never>, 'want' | 'locks'> & { readonly node: NodeSpec }> {
  const { io, globals, words } = context;
  const cluster = words.text('cluster');
  if (cluster !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(cluster)) {
    throw usageError('cluster-invalid', `"${cluster}" is not the name of a cluster`, { hint: 'A name has letters, digits, _, . and -, and at most 63 of them.' });
  }
  const user = words.text('replicationUser');
  const auth = words.text('auth');
  const topology = await loadTopology(globals.file, { cluster, replicationUser: user === undefined ? undefined : parseRoleName(user), auth: auth === 'cert' || auth === 'password' ? auth : undefined }, io.env);
  const node = await nodeFrom(context, topology, async (via, pgdata, ofCluster) => await withMachines(async (machines) => await unfinishedNodeAt(machines, via, pgdata, ofCluster)));
  if (topology.auth === 'cert' && node.tls === undefined) throw usageError('tls-missing', `${node.name} has no certificate, and the standbys are to prove themselves by theirs`, { node: node.name, hint: 'All three are files on its own machine.', next: [`${context.line} --tls-cert FILE --tls-key FILE --tls-ca FILE`] });
  const nodes = topology.nodes.some((other) => other.name === node.name) ? topology.nodes.map((other) => (other.name === node.name ? node : other)) : [...topology.nodes, node];
  const again = lineAgain(context, options, {
    name: node.name,
    // The file does not have them before the run has ended; $PGDATA and $PGPORT may be others by then.
    options: topology.nodes.some((other) => other.name === node.name) ? {} : { pgdata: node.pgdata, port: String(node.port), ...(words.text('binDir') === undefined ? {} : { binDir: node.binDir }) },
  });
  return { node, nodes, topology, again, ...(await passwordsFrom(context)) };
}

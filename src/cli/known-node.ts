import { usageError } from '../errors.ts';
import { readRuns, stateDirectory } from '../plan/journal.ts';
import { isUnfinished } from '../plan/record.ts';
import { printable, type NodeName } from '../postgres/names.ts';
import { parseSeconds } from '../postgres/units.ts';
import { loadTopology } from '../topology/load.ts';
import type { Topology } from '../topology/topology.ts';
import { lineAgain } from './again-line.ts';
import type { Context, OptionSpec, Parsed } from './command.ts';
import { knownNode, needsNodes } from './node-words.ts';
import { passwordsFrom } from './passwords.ts';

/** Options of commands whose nodes the cluster file knows. */
export const ADMIN_OPTIONS: readonly OptionSpec[] = [
  { flags: '--admin-password-file <FILE>', help: "password of pgrepl's own sessions, where one is asked for; - is standard input" },
];

export const BUDGET_OPTION: OptionSpec = { flags: '--budget <SECONDS>', help: 'planned: longest time without a writable primary before going back (default: 30)' };

/** The cluster file and the passwords: what every change of known nodes starts from. All nodes are locked. */
export async function parseKnown(context: Context, options: readonly OptionSpec[]): Promise<Omit<Parsed<never>, 'want'>> {
  const { io, globals } = context;
  const topology = await loadTopology(globals.file, {}, io.env);
  needsNodes(topology);
  return {
    topology,
    nodes: topology.nodes,
    locks: topology.nodes.map((node) => node.name),
    again: lineAgain(context, options),
    ...(await passwordsFrom(context)),
  };
}

/** What a role change starts from: the node that is to be the primary, and the line again with the name of whichever it turns out to be. */
export async function parseRoleChange(context: Context, options: readonly OptionSpec[]): Promise<Omit<Parsed<never>, 'want'> & { readonly name: NodeName | null }> {
  const parsed = await parseKnown(context, options);
  const [typed] = context.words.arguments;
  if (typed !== undefined) return { ...parsed, name: knownNode(typed, parsed.topology) };
  const againWith = (name: string): string => lineAgain(context, options, { name });
  return { ...parsed, againWith, name: unfinishedTarget(context, parsed.topology, againWith) };
}

/**
 * The node that the last role change was about, when that one is not finished and was the same line: once its promote was sent, the
 * best candidate is another standby, and a rerun that chose anew would hand over to that one as well.
 */
function unfinishedTarget({ io }: Context, topology: Topology, againWith: (name: string) => string): NodeName | null {
  const last = readRuns(stateDirectory(topology.cluster, io.env)).findLast(({ header }) => header.clusterFile === topology.file && header.title.startsWith('promote '));
  if (last === undefined || !isUnfinished(last) || last.left.length === 0) return null;
  return topology.nodes.find((node) => againWith(node.name) === last.header.command)?.name ?? null;
}

/** `--budget` in milliseconds. */
export function budgetFrom(context: Context): number {
  const text = context.words.text('budget');
  if (text === undefined) return 30_000;
  const ms = Math.round(parseSeconds(text) * 1000);
  if (ms >= 1000 && ms <= 3_600_000) return ms;
  throw usageError('budget-invalid', `"${printable(text)}" is not between one second and one hour (--budget)`);
}

import { decideRemoveStandby } from '../../operations/remove-standby.ts';
import type { RemoveStandby } from '../../operations/wants.ts';
import { change } from '../change.ts';
import { readRuns, stateDirectory } from '../../plan/journal.ts';
import { parseNodeName } from '../../postgres/names.ts';
import type { Topology } from '../../topology/topology.ts';
import type { Command, Context, OptionSpec } from '../command.ts';
import { ADMIN_OPTIONS, parseKnown } from '../known-node.ts';
import { knownNode } from '../node-words.ts';

const OPTIONS: readonly OptionSpec[] = ADMIN_OPTIONS;

/** `pgrepl remove-standby NAME` */
export const removeStandby: Command = change<RemoveStandby>({
  name: 'remove-standby',
  summary: 'take a standby out; its data directory is kept',
  arguments: [{ name: '<NAME>', help: 'the standby' }],
  options: OPTIONS,
  examples: ['pgrepl remove-standby node3'],
  parse: async (context) => {
    const parsed = await parseKnown(context, OPTIONS);
    const typed = context.words.arguments[0] ?? '';
    const removedBy = parsed.topology.nodes.some(({ name }) => name === typed) ? null : removalOf(typed, context, parsed.topology);
    if (removedBy !== null) return { ...parsed, want: { name: parseNodeName(typed), removedBy } };
    return { ...parsed, want: { name: knownNode(typed, parsed.topology) } };
  },
  decide: decideRemoveStandby,
});

/** The run that took this name out of the cluster file, when the journal tells of nothing later about it; `null` otherwise. */
function removalOf(name: string, { io }: Context, topology: Topology): NonNullable<RemoveStandby['removedBy']> | null {
  const titles = [`remove standby ${name}`, `add standby ${name}`, `init primary ${name}`];
  const last = readRuns(stateDirectory(topology.cluster, io.env)).findLast(({ header }) => header.clusterFile === topology.file && titles.includes(header.title));
  return last?.header.title === titles[0] && last?.end?.outcome === 'done' ? { run: last.run, at: last.end.at } : null;
}

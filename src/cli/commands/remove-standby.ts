import { decideRemoveStandby } from '../../operations/remove-standby.ts';
import type { RemoveStandby } from '../../operations/wants.ts';
import { change } from '../change.ts';
import type { Command, OptionSpec } from '../command.ts';
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
    return { ...parsed, want: { name: knownNode(context.words.arguments[0] ?? '', parsed.topology) } };
  },
  decide: decideRemoveStandby,
});

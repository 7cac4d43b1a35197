import type { Promote } from '../../operations/wants.ts';
import { change, type Command, type OptionSpec } from '../command.ts';
import { ADMIN_OPTIONS, BUDGET_OPTION, budgetFrom, parseKnown } from '../known-node.ts';
import { knownNode } from '../node-words.ts';

const OPTIONS: readonly OptionSpec[] = [BUDGET_OPTION, ...ADMIN_OPTIONS];

/** `pgrepl switchover [NAME]` */
export const switchover: Command = change<Promote>({
  name: 'switchover',
  summary: 'promote that is only ever planned',
  arguments: [{ name: '[NAME]', help: 'the standby (default: the best candidate)' }],
  options: OPTIONS,
  examples: ['pgrepl switchover --dry-run', 'pgrepl switchover node2'],
  parse: async (context) => {
    const budgetMs = budgetFrom(context);
    const parsed = await parseKnown(context, OPTIONS);
    const [typed] = context.words.arguments;
    const name = typed === undefined ? null : knownNode(typed, parsed.topology);
    return { ...parsed, want: { name, mode: 'planned', fenced: null, acceptLoss: null, budgetMs } };
  },
  decide: async () => (await import('../../operations/promote.ts')).decidePromote,
});

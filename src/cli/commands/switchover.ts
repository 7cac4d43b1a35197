import { decidePromote } from '../../operations/promote.ts';
import type { Promote } from '../../operations/wants.ts';
import { change } from '../change.ts';
import type { Command, OptionSpec } from '../command.ts';
import { ADMIN_OPTIONS, BUDGET_OPTION, budgetFrom, parseRoleChange } from '../known-node.ts';
import { POOLER_OPTIONS, poolersFrom } from '../pooler-words.ts';

const OPTIONS: readonly OptionSpec[] = [BUDGET_OPTION, ...POOLER_OPTIONS, ...ADMIN_OPTIONS];

/** `pgrepl switchover [NAME]` */
export const switchover: Command = change<Promote>({
  name: 'switchover',
  summary: 'promote that is only ever planned',
  arguments: [{ name: '[NAME]', help: 'the standby (default: the best candidate)' }],
  options: OPTIONS,
  examples: ['pgrepl switchover --dry-run', 'pgrepl switchover node2'],
  parse: async (context) => {
    const budgetMs = budgetFrom(context);
    const poolers = poolersFrom(context);
    const { name, ...parsed } = await parseRoleChange(context, OPTIONS);
    return { ...parsed, want: { name, mode: 'planned', fenced: null, acceptLoss: null, budgetMs, poolers } };
  },
  decide: decidePromote,
});

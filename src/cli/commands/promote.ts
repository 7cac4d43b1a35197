import { usageError } from '../../errors.ts';
import { decidePromote } from '../../operations/promote.ts';
import type { Promote } from '../../operations/wants.ts';
import { hasControlCharacter, printable } from '../../postgres/names.ts';
import { parseBytes } from '../../postgres/units.ts';
import { change } from '../change.ts';
import type { Command, Context, OptionSpec } from '../command.ts';
import { ADMIN_OPTIONS, BUDGET_OPTION, budgetFrom, parseRoleChange } from '../known-node.ts';
import { POOLER_OPTIONS, poolersFrom } from '../pooler-words.ts';

const OPTIONS: readonly OptionSpec[] = [
  { flags: '--failover', help: 'never a planned switchover: refused while the primary runs' },
  { flags: '--fenced <HOW>', help: 'states how the old primary was shut off, when it cannot be reached' },
  { flags: '--accept-loss <BYTES>', help: 'the loss that the preview named, or unknown' },
  BUDGET_OPTION,
  ...POOLER_OPTIONS,
  ...ADMIN_OPTIONS,
];

/** `pgrepl promote [NAME]` */
export const promote: Command = change<Promote>({
  name: 'promote',
  summary: 'make a standby the primary: a switchover or a failover, whichever is proved right',
  arguments: [{ name: '[NAME]', help: 'the standby (default: the best candidate)' }],
  options: OPTIONS,
  examples: ['pgrepl promote --dry-run', 'pgrepl promote node2', 'pgrepl promote node2 --fenced "power cut at the PDU" --accept-loss unknown'],
  parse: async (context) => {
    const fenced = fencedFrom(context);
    const acceptLoss = lossFrom(context.words.text('acceptLoss'));
    const budgetMs = budgetFrom(context);
    const poolers = poolersFrom(context);
    const { name, ...parsed } = await parseRoleChange(context, OPTIONS);
    return { ...parsed, want: { name, mode: context.words.flag('failover') ? 'failover' : 'either', fenced, acceptLoss, budgetMs, poolers } };
  },
  decide: decidePromote,
});

function fencedFrom(context: Context): string | null {
  const text = context.words.text('fenced');
  if (text === undefined) return null;
  if (text.trim() === '' || hasControlCharacter(text)) throw usageError('fenced-empty', '--fenced needs a line that says how the old primary was shut off');
  return text.trim();
}

function lossFrom(text: string | undefined): number | 'unknown' | null {
  if (text === undefined || text === 'unknown') return text ?? null;
  if (/^[0-9]/.test(text)) return parseBytes(text);
  throw usageError('loss-invalid', `"${printable(text)}" is neither a number of bytes nor unknown (--accept-loss)`);
}

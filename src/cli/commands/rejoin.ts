import { decideRejoin } from '../../operations/rejoin.ts';
import type { Rejoin } from '../../operations/wants.ts';
import { parseRate } from '../../postgres/units.ts';
import { change } from '../change.ts';
import type { Command, OptionSpec } from '../command.ts';
import { ADMIN_OPTIONS, parseKnown } from '../known-node.ts';
import { knownNode } from '../node-words.ts';

const OPTIONS: readonly OptionSpec[] = [
  { flags: '--discard', help: 'data that only this node has may go; the preview counts it, and it is kept aside' },
  { flags: '--copy', help: 'a copy anew, also where a rewind would do; the old directory is moved aside' },
  { flags: '--restore-target-wal', help: 'pg_rewind may fetch older WAL of this node by its restore_command (default: when it has one)' },
  { flags: '--max-rate <RATE>', help: 'of a copy: at most this many bytes per second, such as 50M' },
  ...ADMIN_OPTIONS,
];

/** `pgrepl rejoin NAME` */
export const rejoin: Command = change<Rejoin>({
  name: 'rejoin',
  summary: 'bring a fallen-out node back as a standby: nothing needed, rewind, or copy anew',
  arguments: [{ name: '<NAME>', help: 'the node that fell out' }],
  options: OPTIONS,
  examples: ['pgrepl rejoin node1 --dry-run', 'pgrepl rejoin node1', 'pgrepl rejoin node1 --discard', 'pgrepl rejoin node1 --copy --discard'],
  parse: async (context) => {
    const { words } = context;
    const maxRate = words.text('maxRate');
    const parsed = await parseKnown(context, OPTIONS);
    const name = knownNode(words.arguments[0] ?? '', parsed.topology);
    return { ...parsed, want: { name, discard: words.flag('discard'), copy: words.flag('copy'), restoreTargetWal: words.flag('restoreTargetWal'), maxRate: maxRate === undefined ? null : parseRate(maxRate) } };
  },
  decide: decideRejoin,
});

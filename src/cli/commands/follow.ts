import { usageError } from '../../errors.ts';
import { decideFollow } from '../../operations/follow.ts';
import type { Follow } from '../../operations/wants.ts';
import { change } from '../change.ts';
import type { Command, OptionSpec } from '../command.ts';
import { ADMIN_OPTIONS, parseKnown } from '../known-node.ts';
import { knownNode } from '../node-words.ts';

const OPTIONS: readonly OptionSpec[] = [{ flags: '--upstream <NODE>', help: 'the node to stream from' }, ...ADMIN_OPTIONS];

/** `pgrepl follow NAME --upstream NODE` */
export const follow: Command = change<Follow>({
  name: 'follow',
  summary: 're-point a running standby at another upstream',
  arguments: [{ name: '<NAME>', help: 'the standby' }],
  options: OPTIONS,
  examples: ['pgrepl follow node3 --upstream node2'],
  parse: async (context) => {
    const parsed = await parseKnown(context, OPTIONS);
    const name = knownNode(context.words.arguments[0] ?? '', parsed.topology);
    const typed = context.words.text('upstream');
    if (typed === undefined) throw usageError('upstream-missing', `--upstream is missing: the node that ${name} is to stream from`, { node: name, next: [`pgrepl follow ${name} --upstream NODE`] });
    const upstream = knownNode(typed, parsed.topology);
    if (upstream === name) throw usageError('upstream-self', `${name} cannot stream from itself`, { node: name });
    return { ...parsed, want: { name, upstream } };
  },
  decide: decideFollow,
});

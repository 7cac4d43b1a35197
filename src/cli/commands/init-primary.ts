import { usageError } from '../../errors.ts';
import { printable } from '../../postgres/names.ts';
import { decideInitPrimary } from '../../operations/init-primary.ts';
import type { InitPrimary } from '../../operations/wants.ts';
import { change } from '../change.ts';
import type { Command, OptionSpec } from '../command.ts';
import { NODE_OPTIONS } from '../node-words.ts';
import { parseNewNode } from '../new-node.ts';

const OPTIONS: readonly OptionSpec[] = [
  ...NODE_OPTIONS,
  { flags: '--replication-user <NAME>', help: 'role of the standbys (default: replicator)' },
  { flags: '--restart', help: 'may restart a running server; without it a needed restart is exit 5' },
  { flags: '--start', help: 'may start a stopped server' },
  { flags: '--over-reject <LINE>', help: 'accepts this line of pg_hba.conf although it rejects replication (repeatable)', repeat: true },
  { flags: '--replace-edits', help: 'replaces files of pgrepl that were edited by hand; a dated copy is kept' },
];

/** `pgrepl init-primary [NAME]` */
export const initPrimary: Command = change<InitPrimary>({
  name: 'init-primary',
  summary: 'a primary ready for standbys: a new one, or an existing server as it is',
  arguments: [{ name: '[NAME]', help: 'name of the node (default: that of its data directory in the cluster file, else the next free node1, node2, …)' }],
  options: OPTIONS,
  examples: ['pgrepl init-primary -D /srv/pg/a', 'pgrepl init-primary db1 --via ssh://admin@db1 -h 10.0.0.1 -D /var/lib/postgresql/17/main --restart'],
  parse: async (context) => {
    const overReject = (context.words.list('overReject') ?? []).map(lineFrom);
    const parsed = await parseNewNode(context, OPTIONS);
    return {
      ...parsed,
      // The others are not touched by it, and may not exist yet.
      locks: [parsed.node.name],
      want: { node: parsed.node, restart: context.words.flag('restart'), start: context.words.flag('start'), overReject, replaceEdits: context.words.flag('replaceEdits') },
    };
  },
  decide: decideInitPrimary,
});

function lineFrom(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw usageError('line-invalid', `"${printable(text)}" is not a line number (--over-reject)`);
}

import { usageError } from '../../errors.ts';
import type { Archive } from '../../postgres/archive.ts';
import { hasControlCharacter, printable } from '../../postgres/names.ts';
import { decideInitPrimary } from '../../operations/init-primary.ts';
import type { InitPrimary } from '../../operations/wants.ts';
import { change } from '../change.ts';
import type { NodeSpec } from '../../topology/topology.ts';
import type { Command, Context, OptionSpec } from '../command.ts';
import { directoryFrom, NODE_OPTIONS } from '../node-words.ts';
import { parseNewNode } from '../new-node.ts';

const ARCHIVE = 'Where finished WAL is kept besides (one of them):';

const OPTIONS: readonly OptionSpec[] = [
  ...NODE_OPTIONS,
  { flags: '--replication-user <NAME>', help: 'role of the standbys (default: replicator)' },
  { flags: '--auth <HOW>', help: "how standbys prove who they are: by the role's password, or by the certificate of their node, which needs --tls-… on every node (default: password)", choices: ['password', 'cert'] },
  { flags: '--restart', help: 'may restart a running server; without it a needed restart is exit 5' },
  { flags: '--start', help: 'may start a stopped server' },
  { flags: '--over-reject <LINE>', help: 'accepts this line of pg_hba.conf although it rejects replication (repeatable)', repeat: true },
  { flags: '--archive-dir <DIR>', help: 'archives WAL into this directory, which every node reaches under this path', heading: ARCHIVE },
  { flags: '--archive-command <CMD>', help: 'archives WAL by this command of your own', heading: ARCHIVE },
  { flags: '--pgbackrest <STANZA>', help: 'archives WAL by pgbackrest, as its own configuration says', heading: ARCHIVE },
  { flags: '--replace-archive', help: 'the archive_command that the server has may go', heading: ARCHIVE },
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
    const archive = archiveFrom(context, parsed.node.via) ?? parsed.topology.archive;
    const node: NodeSpec = { ...parsed.node, ...(archive === undefined ? {} : { archive }) };
    return {
      ...parsed,
      nodes: parsed.nodes.map((other) => (other.name === node.name ? node : other)),
      // The others are not touched by it, and may not exist yet.
      locks: [node.name],
      want: { node, replaceArchive: context.words.flag('replaceArchive'), restart: context.words.flag('restart'), start: context.words.flag('start'), overReject, replaceEdits: context.words.flag('replaceEdits') },
    };
  },
  decide: decideInitPrimary,
});

/** The archive that the words name; `undefined`: what the cluster file says. */
function archiveFrom({ words, io }: Context, via: string): Archive | undefined {
  const [dir, command, stanza] = [words.text('archiveDir'), words.text('archiveCommand'), words.text('pgbackrest')];
  const typed = [['--archive-dir', dir], ['--archive-command', command], ['--pgbackrest', stanza]].filter(([, value]) => value !== undefined).map(([flag]) => flag);
  if (typed.length > 1) throw usageError('archive-twice', `${typed.join(' and ')} name two archives`, { hint: 'A cluster has one: choose.' });
  if (dir !== undefined) return { kind: 'dir', dir: directoryFrom(dir, via, io.cwd, '--archive-dir') };
  if (stanza !== undefined) {
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(stanza)) throw usageError('stanza-invalid', `"${printable(stanza)}" is not the name of a stanza (--pgbackrest)`);
    return { kind: 'pgbackrest', stanza };
  }
  if (command === undefined) return undefined;
  if (command.trim() === '' || hasControlCharacter(command)) throw usageError('archive-command-invalid', 'the archive command must be one line of text');
  return { kind: 'command', command };
}

function lineFrom(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw usageError('line-invalid', `"${printable(text)}" is not a line number (--over-reject)`);
}

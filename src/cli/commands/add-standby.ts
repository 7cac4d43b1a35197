import { usageError } from '../../errors.ts';
import { decideAddStandby } from '../../operations/add-standby.ts';
import type { AddStandby } from '../../operations/wants.ts';
import { hasControlCharacter, printable } from '../../postgres/names.ts';
import { parseInterval, parseRate } from '../../postgres/units.ts';
import type { NodeSpec } from '../../topology/topology.ts';
import { change } from '../change.ts';
import type { Command, Context, OptionSpec } from '../command.ts';
import { directoryFrom, knownNode, NODE_OPTIONS } from '../node-words.ts';
import { parseNewNode } from '../new-node.ts';

const CHECKPOINTS = ['fast', 'spread'] as const;
const SOURCES = ['upstream', 'pgbackrest'] as const;
const COMPRESSIONS = ['auto', 'none', 'gzip', 'lz4', 'zstd'] as const;

const OPTIONS: readonly OptionSpec[] = [
  { flags: '--upstream <NODE>', help: 'node to stream from: the primary (default), or a standby to cascade from' },
  { flags: '--source <WHAT>', help: 'what is copied: the upstream (default), or pgbackrest: the newest backup of the stanza of the cluster file', choices: SOURCES },
  { flags: '--checkpoint <MODE>', help: 'fast (default): the upstream writes out its dirty buffers at once; spread: gently', choices: CHECKPOINTS },
  { flags: '--compress <METHOD>', help: 'of the copy on its way (default: auto)', choices: COMPRESSIONS },
  { flags: '--max-rate <RATE>', help: 'at most this many bytes per second, such as 50M' },
  { flags: '--delay <INTERVAL>', help: 'replays each commit this much later, such as 1h (recovery_min_apply_delay)' },
  { flags: '--sync', help: 'joins the synchronous set once it has caught up: commits then wait for it' },
  { flags: '--tablespace <OLD=NEW>', help: 'another place for a tablespace (repeatable)', repeat: true },
  { flags: '--waldir <DIR>', help: 'another place for pg_wal' },
  { flags: '--restore-command <CMD>', help: 'fetches WAL from an archive where streaming cannot give it' },
  { flags: '--no-verify', help: 'skips the check of every copied file against the manifest' },
  ...NODE_OPTIONS,
];

/** `pgrepl add-standby [NAME]` */
export const addStandby: Command = change<AddStandby>({
  name: 'add-standby',
  summary: 'copy, attach and prove a standby',
  arguments: [{ name: '[NAME]', help: 'name of the node (default: that of its data directory in the cluster file, else the next free node1, node2, …)' }],
  options: OPTIONS,
  examples: ['pgrepl add-standby -D /srv/pg/b -p 5433', 'pgrepl add-standby db2 --via ssh://admin@db2 -h 10.0.0.2 -D /var/lib/postgresql/17/main'],
  parse: async (context) => {
    const { words } = context;
    const maxRate = words.text('maxRate');
    const parsed = await parseNewNode(context, OPTIONS);
    const typed = words.text('upstream');
    const upstream = typed === undefined ? (parsed.node.upstream ?? null) : knownNode(typed, parsed.topology);
    if (upstream === parsed.node.name) throw usageError('upstream-self', `${upstream} cannot stream from itself`, { node: upstream });
    const node: NodeSpec = { ...parsed.node, ...standbyShape(context, parsed.node), upstream: upstream ?? undefined };
    return {
      ...parsed,
      nodes: parsed.nodes.map((other) => (other.name === node.name ? node : other)),
      locks: parsed.nodes.map((other) => other.name),
      want: {
        node,
        upstream,
        checkpoint: CHECKPOINTS.find((mode) => mode === words.text('checkpoint')) ?? 'fast',
        compress: COMPRESSIONS.find((method) => method === words.text('compress')) ?? 'auto',
        maxRate: maxRate === undefined ? null : parseRate(maxRate),
        verify: words.flag('verify'),
        sync: words.flag('sync'),
        ...(words.text('source') === 'pgbackrest' ? { source: 'pgbackrest' as const } : {}),
      },
    };
  },
  decide: decideAddStandby,
});

function standbyShape(context: Context, node: NodeSpec): Partial<NodeSpec> {
  const { words, io } = context;
  const delay = words.text('delay');
  const waldir = words.text('waldir');
  const restoreCommand = words.text('restoreCommand');
  const tablespaces = words.list('tablespace');
  if (restoreCommand !== undefined && (restoreCommand === '' || hasControlCharacter(restoreCommand))) throw usageError('restore-command-invalid', 'the restore command must be one line of text');
  return {
    ...(delay === undefined ? {} : { delay: parseInterval(delay) }),
    ...(waldir === undefined ? {} : { waldir: directoryFrom(waldir, node.via, io.cwd, '--waldir') }),
    ...(restoreCommand === undefined ? {} : { restoreCommand }),
    ...(tablespaces === undefined ? {} : { tablespaces: Object.fromEntries(tablespaces.map(tablespaceFrom)) }),
  };
}

/** As pg_basebackup takes it: a `=` inside a path is written `\=`. */
function tablespaceFrom(pair: string): readonly [string, string] {
  const parts = pair.split(/(?<!\\)=/).map((part) => part.replaceAll('\\=', '=').replace(/(.)\/+$/, '$1'));
  const [from, to] = parts;
  if (parts.length === 2 && from?.startsWith('/') === true && to?.startsWith('/') === true && !hasControlCharacter(pair)) return [from, to];
  throw usageError('tablespace-invalid', `"${printable(pair)}" is not OLD=NEW with two absolute paths (--tablespace)`, { hint: 'A = inside a path is written \\=' });
}

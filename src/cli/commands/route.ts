import { usageError } from '../../errors.ts';
import type { RouteKind } from '../../operations/route/file.ts';
import type { HealthWay } from '../../operations/route/haproxy.ts';
import { seeRoute, type RouteWish } from '../../operations/route/route.ts';
import { hasControlCharacter, parseRoleName, printable } from '../../postgres/names.ts';
import { parseBytes } from '../../postgres/units.ts';
import { didYouMean } from '../../topology/did-you-mean.ts';
import { loadTopology } from '../../topology/load.ts';
import { query, type Command, type Words } from '../command.ts';
import { ADMIN_OPTIONS } from '../known-node.ts';
import { needsNodes } from '../node-words.ts';
import { withQueryWorld } from '../query-world.ts';
import { deliverRoute, deliveryFrom } from '../route-file.ts';
import { secondsOf } from '../seconds.ts';

const KINDS: readonly RouteKind[] = ['libpq', 'haproxy', 'pgbouncer'];
const DEFAULT_TIMEOUT = '5';
const FOR_HAPROXY = 'For haproxy:';

/** `pgrepl route libpq|haproxy|pgbouncer` */
export const route: Command = query({
  name: 'route',
  summary: 'client configuration: writes to the primary, reads spread over the standbys',
  arguments: [{ name: '<FOR>', help: 'libpq (connection strings and a service file), haproxy or pgbouncer' }],
  options: [
    { flags: '-d, --dbname <NAME>', help: 'database (default: postgres); for pgbouncer repeatable: NAME leads to the primary, NAME_ro to the standbys', repeat: true },
    { flags: '--write <FILE>', help: 'writes it to this file of this machine, in one piece; mode and owner stay' },
    { flags: '--check [FILE]', help: 'exit 7 with the difference when FILE, or that of --write, is not what would be written; writes nothing' },
    { flags: '--replace-edits', help: 'with --write: replaces a file that pgrepl did not write, or that was edited; a dated copy is kept' },
    { flags: '--max-lag <SIZE>', help: 'haproxy, pgbouncer: a standby further behind is not read from (default: 16MB)' },
    { flags: '--libpq <MAJOR>', help: 'libpq: the oldest version among the clients (default: the oldest of the servers)' },
    { flags: '--timeout <SECONDS>', help: `how long each node may take to answer (default: ${DEFAULT_TIMEOUT})` },
    { flags: '--bind <ADDRESS>', help: 'where HAProxy listens (default: *)', heading: FOR_HAPROXY },
    { flags: '--write-port <PORT>', help: 'port that leads to the primary (default: 5000)', heading: FOR_HAPROXY },
    { flags: '--read-port <PORT>', help: 'port that leads to the standbys (default: 5001)', heading: FOR_HAPROXY },
    { flags: '--health <HOW>', help: 'sql: HAProxy asks PostgreSQL itself (default); serve: it asks pgrepl serve', choices: ['sql', 'serve'], heading: FOR_HAPROXY },
    { flags: '--health-user <ROLE>', help: 'with sql: the role that is let in without a password (default: haproxy)', heading: FOR_HAPROXY },
    { flags: '--serve-at <HOST:PORT>', help: 'with serve: where HAProxy finds it (default: 127.0.0.1:8008)', heading: FOR_HAPROXY },
    ...ADMIN_OPTIONS,
  ],
  examples: ['pgrepl route libpq --dbname shop', 'pgrepl route haproxy --write /etc/haproxy/pgrepl.cfg', 'pgrepl route pgbouncer --dbname shop --write /etc/pgbouncer/pgrepl.ini', 'pgrepl route haproxy --check /etc/haproxy/pgrepl.cfg'],
  run: async (context) => {
    const { words, globals, io } = context;
    const wish = wishFrom(words);
    const delivery = deliveryFrom(context);
    const timeoutMs = secondsOf('--timeout', words.text('timeout') ?? DEFAULT_TIMEOUT, 0.1) * 1_000;
    const topology = await loadTopology(globals.file, {}, io.env);
    needsNodes(topology);
    const found = await withQueryWorld(context, topology, timeoutMs, async (world, leftMs) => await seeRoute(world, topology, wish, { timeoutMs: leftMs, signal: io.signal }));
    return await deliverRoute(found, delivery, context);
  },
});

function wishFrom(words: Words): RouteWish {
  const [typed = ''] = words.arguments;
  const kind = KINDS.find((one) => one === typed);
  if (kind === undefined) {
    const meant = didYouMean(typed, KINDS);
    throw usageError('route-unknown', `"${printable(typed)}" is not something that pgrepl can route for`, { hint: meant === null ? `It is ${KINDS.join(', ')}.` : `Did you mean "${meant}"?` });
  }
  const [first = 'postgres', ...more] = words.list('dbname') ?? [];
  for (const name of [first, ...more]) if (name === '' || hasControlCharacter(name)) throw usageError('database-invalid', `"${printable(name)}" cannot be the name of a database (--dbname)`);
  if (more.length > 0 && kind !== 'pgbouncer') throw usageError('database-several', `${kind} takes one database, and ${more.length + 1} are named (--dbname)`, { hint: 'With pgbouncer each is a database of its own.' });
  const libpq = words.text('libpq');
  return {
    kind,
    databases: [first, ...more],
    maxLagBytes: parseBytes(words.text('maxLag') ?? '16MB'),
    libpqVersion: libpq === undefined ? null : majorFrom(libpq) * 10_000,
    haproxy: { bind: bindFrom(words.text('bind') ?? '*'), writePort: portFrom(words, 'writePort', '--write-port', '5000'), readPort: portFrom(words, 'readPort', '--read-port', '5001'), health: healthFrom(words, first) },
  };
}

function healthFrom(words: Words, database: string): HealthWay {
  if (words.text('health') === 'serve') return { kind: 'serve', ...serveFrom(words.text('serveAt') ?? '127.0.0.1:8008') };
  return { kind: 'sql', user: parseRoleName(words.text('healthUser') ?? 'haproxy'), database };
}

function serveFrom(text: string): { readonly host: string; readonly port: number } {
  const [, host = '', digits = ''] = /^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9_.-]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host !== '' && port >= 1 && port <= 65_535) return { host, port };
  throw usageError('bind-invalid', `"${printable(text)}" is not HOST:PORT (--serve-at)`);
}

function majorFrom(text: string): number {
  if (/^[1-9][0-9]$/.test(text)) return Number(text);
  throw usageError('libpq-invalid', `"${printable(text)}" is not a major version of libpq, such as 14 (--libpq)`);
}

function bindFrom(text: string): string {
  if (/^[A-Za-z0-9_.:*[\]-]+$/.test(text)) return text;
  throw usageError('bind-invalid', `"${printable(text)}" is not an address to listen at (--bind)`);
}

function portFrom(words: Words, name: string, option: string, otherwise: string): number {
  const text = words.text(name) ?? otherwise;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw usageError('port-invalid', `"${printable(text)}" is not a port (${option})`);
}

import { resolve } from 'node:path';
import { PgreplError, usageError } from '../errors.ts';
import { parseAllowed } from '../postgres/address.ts';
import { hasControlCharacter, parseNodeName, printable, type NodeName } from '../postgres/names.ts';
import { didYouMean } from '../topology/did-you-mean.ts';
import { DEFAULT_PORT, type LoadedTopology } from '../topology/merge.ts';
import type { NodeSpec, Topology } from '../topology/topology.ts';
import { VIA } from '../topology/via.ts';
import type { Context, OptionSpec } from './command.ts';

const WHERE = 'Where the node lives:';
const TLS = 'Encryption, all three or none:';

/** Options that say where a node lives. */
export const NODE_OPTIONS: readonly OptionSpec[] = [
  { flags: '-D, --pgdata <DIR>', help: 'data directory ($PGDATA)', heading: WHERE },
  { flags: '-p, --port <PORT>', help: 'port of the server ($PGPORT; default: 5432)', heading: WHERE },
  { flags: '-h, --host <ADDRESS>', help: 'address at which other nodes and clients reach it (default: 127.0.0.1 for a local node only)', heading: WHERE },
  { flags: '--via <WHERE>', help: 'how pgrepl reaches the machine: local, ssh://[user@]host[:port], docker://container, ssh://host/docker/container (default: local)', heading: WHERE },
  { flags: '--os-user <NAME>', help: 'who owns the server (default: owner of the data directory; else postgres when run as root, else you)', heading: WHERE },
  { flags: '--bin-dir <DIR>', help: 'PostgreSQL programs (default: found)', heading: WHERE },
  { flags: '-U, --username <ROLE>', help: "superuser of pgrepl's own sessions (default: postgres)", heading: WHERE },
  { flags: '--admin-password-file <FILE>', help: 'its password, where one is asked for; - is standard input', heading: WHERE },
  { flags: '--cluster <NAME>', help: 'names the cluster on its first run (default: main)', heading: WHERE },
  { flags: '--tls-cert <FILE>', help: "certificate of the node: files on its own machine, readable by the server's owner", heading: TLS },
  { flags: '--tls-key <FILE>', help: 'its key', heading: TLS },
  { flags: '--tls-ca <FILE>', help: 'authorities that the nodes trust', heading: TLS },
  { flags: '--set <NAME=VALUE>', help: 'a setting of the server (repeatable)', repeat: true },
  { flags: '--allow <CIDR>', help: 'addresses that may connect for replication (repeatable; default: the nodes of the cluster file)', repeat: true },
  { flags: '--password-file <FILE>', help: 'the replication password, instead of a generated one; - is standard input' },
];

/** Finds the node whose unfinished run made this directory. Asks the machine, and so only when nothing else names the node. */
export type FindUnfinished = (via: string, pgdata: string, cluster: string) => Promise<string | null>;

/**
 * The node that the words mean, with everything they and the cluster file say of it. Flags win over the file, except where the
 * file knows the node at another place: that is a usage error which names both.
 */
export async function nodeFrom(context: Context, topology: LoadedTopology, findUnfinished: FindUnfinished): Promise<NodeSpec> {
  const { words, io } = context;
  const [typedName] = words.arguments;
  const given = {
    via: viaFrom(words.text('via')),
    pgdata: words.text('pgdata'),
    port: portFrom(words.text('port'), '--port'),
    host: hostFrom(words.text('host')),
  };
  const name = typedName === undefined ? null : parseNodeName(typedName);
  const named = name === null ? undefined : topology.nodes.find((node) => node.name === name);
  const via = given.via ?? named?.via ?? topology.defaults.via ?? 'local';
  const typedData = given.pgdata === undefined ? undefined : directoryFrom(given.pgdata, via, io.cwd, '--pgdata');
  // What the file says of a node that it knows is more than an environment that was made for another server.
  const pgdata = typedData ?? named?.pgdata ?? fromEnvironment(io.env['PGDATA'], via, io.cwd) ?? topology.defaults.pgdata;
  if (pgdata === undefined) throw noDirectory(context, topology, name);
  const known = named ?? (name === null ? topology.nodes.find((node) => node.via === via && trimmed(node.pgdata) === pgdata) : undefined);
  if (known !== undefined) {
    contradicts(known, topology, { via: given.via, pgdata: typedData, port: given.port, host: given.host });
    return { ...known, ...shapeFrom(context, known) };
  }
  const host = given.host ?? topology.defaults.host ?? (via === 'local' ? '127.0.0.1' : undefined);
  if (host === undefined) {
    throw usageError('host-missing', `the address of the node at ${via} is missing`, {
      hint: 'It is the address at which other nodes and clients reach it, and is never guessed.',
      next: [`${context.line} --host ADDRESS`],
    });
  }
  const port = given.port ?? portFrom(nonEmpty(io.env['PGPORT']), '$PGPORT') ?? topology.defaults.port ?? DEFAULT_PORT;
  const chosen = name ?? (await nameFor(via, pgdata, topology, findUnfinished));
  const { pgdata: _, via: __, host: ___, port: ____, ...defaults } = topology.defaults;
  const spec: NodeSpec = { ...defaults, name: chosen, host, port, pgdata, via, ...shapeFrom(context, null) };
  meetsNobody(spec, topology, context);
  return spec;
}

/** A node that the cluster file knows; a usage error with what was probably meant otherwise. */
export function knownNode(text: string, topology: Topology): NodeName {
  const known = topology.nodes.find((node) => node.name === text);
  if (known !== undefined) return known.name;
  const meant = didYouMean(text.toLowerCase(), topology.nodes.map((node) => node.name));
  const names = topology.nodes.map((node) => node.name).join(', ');
  throw usageError('node-unknown', `"${printable(text)}" is not a node of ${topology.file}`, {
    hint: names === '' ? undefined : `${meant === null ? '' : `Did you mean "${meant}"? `}Its nodes are ${names}.`,
  });
}

/** For commands that make no sense without a cluster file. */
export function needsNodes(topology: Topology): void {
  if (topology.exists && topology.nodes.length > 0) return;
  throw usageError('cluster-file-missing', topology.exists ? `the cluster file ${topology.file} has no nodes` : `there is no cluster file ${topology.file}`, {
    hint: 'The first init-primary writes it; --file names another one.',
    next: ['pgrepl init-primary -D DIR'],
  });
}

/** The options that shape a node and may change what the file says. */
function shapeFrom(context: Context, known: NodeSpec | null): Partial<NodeSpec> {
  const { words, io } = context;
  const osUser = words.text('osUser');
  const adminUser = words.text('username');
  const binDir = words.text('binDir');
  const allow = words.list('allow');
  const set = words.list('set');
  return {
    ...(osUser === undefined ? {} : { osUser: oneLine(osUser, '--os-user') }),
    ...(adminUser === undefined ? {} : { adminUser: oneLine(adminUser, '--username') }),
    ...(binDir === undefined ? {} : { binDir: directoryFrom(binDir, known?.via ?? words.text('via') ?? 'local', io.cwd, '--bin-dir') }),
    ...tlsFrom(context, known),
    ...(allow === undefined ? {} : { allow: allow.map(parseAllowed) }),
    ...(set === undefined ? {} : { set: { ...known?.set, ...settingsFrom(set) } }),
  };
}

/** Paths of the node's machine, never of this one unless the node is here. */
function tlsFrom({ words, io }: Context, known: NodeSpec | null): Partial<NodeSpec> {
  const typed = { cert: words.text('tlsCert'), key: words.text('tlsKey'), ca: words.text('tlsCa') };
  const names = ['cert', 'key', 'ca'] as const;
  if (names.every((name) => typed[name] === undefined)) return {};
  const missing = names.filter((name) => typed[name] === undefined && known?.tls === undefined);
  if (missing.length > 0) throw usageError('tls-incomplete', `${missing.map((name) => `--tls-${name}`).join(' and ')} ${missing.length === 1 ? 'is' : 'are'} missing: certificate, key and authorities go together`);
  const via = known?.via ?? words.text('via') ?? 'local';
  const path = (name: (typeof names)[number]): string => (typed[name] === undefined ? (known?.tls?.[name] ?? '') : directoryFrom(typed[name], via, io.cwd, `--tls-${name}`));
  return { tls: { cert: path('cert'), key: path('key'), ca: path('ca') } };
}

function settingsFrom(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, value] = /^([A-Za-z_][A-Za-z0-9_$.]*)\s*=(\P{Cc}*)$/u.exec(pair) ?? [];
      if (name === undefined || value === undefined) throw usageError('setting-invalid', `"${printable(pair)}" is not NAME=VALUE on one line`, { hint: 'For example --set shared_buffers=2GB' });
      return [name.toLowerCase(), value.trim()] as const;
    }),
  );
}

function contradicts(known: NodeSpec, topology: Topology, given: { readonly via: string | undefined; readonly pgdata: string | undefined; readonly port: number | undefined; readonly host: string | undefined }): void {
  const pairs = (['via', 'pgdata', 'port', 'host'] as const).filter((key) => given[key] !== undefined && (key === 'pgdata' ? given.pgdata !== trimmed(known.pgdata) : given[key] !== known[key]));
  if (pairs.length === 0) return;
  const each = pairs.map((key) => `${key} is ${given[key] ?? ''} on the command line and ${known[key]} in ${topology.file}`);
  throw usageError('node-contradicts', `${known.name}: ${each.join('; ')}`, {
    node: known.name,
    hint: 'Leave the option out, choose another name, or correct the cluster file.',
  });
}

function meetsNobody(spec: NodeSpec, topology: Topology, context: Context): void {
  const twin = topology.nodes.find((node) => node.name !== spec.name && node.via === spec.via && trimmed(node.pgdata) === spec.pgdata);
  if (twin !== undefined) throw new PgreplError('refused', 'directory-taken', `${spec.name} would have the data directory of ${twin.name}: ${spec.pgdata}`, { node: spec.name, hint: 'Two nodes cannot share one.' });
  const sharer = topology.nodes.find((node) => node.name !== spec.name && node.host === spec.host && node.port === spec.port);
  if (sharer === undefined) return;
  const free = freePort(spec.host, topology);
  throw usageError('address-taken', `${spec.name} would have the address of ${sharer.name}: ${spec.host}:${spec.port}`, {
    hint: 'Two nodes cannot share one.',
    next: context.words.text('port') === undefined ? [`${context.line} -p ${free}`] : [],
  });
}

function freePort(host: string, topology: Topology): number {
  return Math.max(...topology.nodes.filter((node) => node.host === host).map((node) => node.port)) + 1;
}

async function nameFor(via: string, pgdata: string, topology: Topology, findUnfinished: FindUnfinished): Promise<NodeName> {
  const unfinished = await findUnfinished(via, pgdata, topology.cluster);
  if (unfinished !== null && !topology.nodes.some((node) => node.name === unfinished)) return parseNodeName(unfinished);
  for (let number = 1; ; number += 1) if (!topology.nodes.some((node) => node.name === `node${number}`)) return parseNodeName(`node${number}`);
}

function noDirectory(context: Context, topology: Topology, name: string | null): Error {
  const known = topology.nodes.map((node) => node.name);
  return usageError('pgdata-missing', name === null ? 'no data directory was named' : `no data directory was named for ${name}`, {
    hint: known.length === 0 || name !== null ? 'Name it with -D, $PGDATA, or in the cluster file.' : `Name it with -D or $PGDATA, or name a node of the cluster file: ${known.join(', ')}.`,
    next: [`pgrepl ${context.name}${name === null ? '' : ` ${name}`} -D DIR`],
  });
}

function viaFrom(text: string | undefined): string | undefined {
  if (text === undefined || VIA.test(text)) return text;
  throw usageError('via-invalid', `"${printable(text)}" is not a way to reach a machine`, { hint: 'It is local, ssh://[user@]host[:port], docker://container or ssh://host/docker/container.' });
}

function portFrom(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined;
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw usageError('port-invalid', `"${printable(text)}" is not a port (${what})`, { hint: 'A port is a whole number from 1 to 65535.' });
}

function hostFrom(text: string | undefined): string | undefined {
  if (text === undefined || /^[^\s\p{Cc},/@]+$/u.test(text)) return text;
  throw usageError('host-invalid', `"${printable(text)}" is not one address or name (--host)`);
}

/** An absolute path without a trailing slash. A relative one is taken from here, which makes sense on this machine only. */
export function directoryFrom(text: string, via: string, cwd: string, what: string): string {
  if (text === '') throw usageError('path-invalid', `the path is empty (${what})`);
  if (hasControlCharacter(text)) throw usageError('path-invalid', `"${printable(text)}" is not a path (${what})`);
  if (via !== 'local' && !text.startsWith('/')) throw usageError('path-relative', `"${printable(text)}" must be an absolute path, because it is on ${via} (${what})`);
  return resolve(cwd, text);
}

function fromEnvironment(text: string | undefined, via: string, cwd: string): string | undefined {
  // $PGDATA is of this machine.
  return via !== 'local' || text === undefined || text === '' ? undefined : directoryFrom(text, via, cwd, '$PGDATA');
}

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function oneLine(text: string, what: string): string {
  if (text !== '' && !hasControlCharacter(text)) return text;
  throw usageError('text-invalid', `"${printable(text)}" is not one line of text (${what})`);
}

import type { Archive } from '../postgres/archive.ts';
import { parseNodeName, parseRoleName } from '../postgres/names.ts';
import { didYouMean } from './did-you-mean.ts';
import type { ClusterFile, Flaw, NodeEntry } from './schema.ts';
import type { NodeSpec, ReplicationAuth, Topology } from './topology.ts';

export const DEFAULT_PORT = 5432;
export const DEFAULT_CLUSTER = 'main';
export const DEFAULT_REPLICATION_USER = 'replicator';

/** What a command line may say about the cluster as a whole; the file, where it speaks, has to agree. */
export interface ClusterWords {
  readonly cluster?: string | undefined;
  readonly replicationUser?: string | undefined;
  readonly auth?: ReplicationAuth | undefined;
}

/** Everything that is wrong with the nodes taken together: what is missing, what is there twice, what leads nowhere. */
export function flawsOfNodes(content: ClusterFile): readonly Flaw[] {
  const flaws: Flaw[] = [];
  const entries = Object.entries(content.nodes ?? {}).map(([name, entry]) => ({ name, says: merged(content, entry) }));
  const names = entries.map((entry) => entry.name);
  const places = new Map<string, string>();
  const addresses = new Map<string, string>();
  const flaw = (name: string, key: string | null, says: string): void => {
    flaws.push({ path: key === null ? ['nodes', name] : ['nodes', name, key], says, unknownKey: null });
  };
  for (const { name, says } of entries) {
    const via = says.via ?? 'local';
    const host = says.host ?? (via === 'local' ? '127.0.0.1' : undefined);
    if (says.pgdata === undefined) flaw(name, null, 'has no pgdata');
    if (host === undefined) flaw(name, null, `has no host: the address at which others reach it is never guessed from ${via}`);
    const place = says.pgdata === undefined ? null : `${via} ${says.pgdata.replace(/\/+$/, '')}`;
    const twin = place === null ? undefined : places.get(place);
    if (twin !== undefined) flaw(name, 'pgdata', `is the data directory of ${twin}, too`);
    else if (place !== null) places.set(place, name);
    const address = host === undefined ? null : `${host}:${says.port ?? DEFAULT_PORT}`;
    const sharer = address === null ? undefined : addresses.get(address);
    if (sharer !== undefined) flaw(name, says.port === undefined ? null : 'port', `has the address ${address ?? ''}, which is that of ${sharer}, too`);
    else if (address !== null) addresses.set(address, name);
    if (says.upstream !== undefined) {
      const upstream = says.upstream;
      const meant = didYouMean(upstream, names.filter((other) => other !== name));
      if (upstream === name) flaw(name, 'upstream', 'is the node itself');
      else if (!names.includes(upstream)) flaw(name, 'upstream', `is "${upstream}", which is no node of this file${meant === null ? '' : `; did you mean "${meant}"?`}`);
      else if (leadsBack(name, content)) flaw(name, 'upstream', `leads back to ${name}`);
    }
  }
  if (content.replication?.auth === 'cert') for (const { name, says } of entries) if (says.tls === undefined) flaw(name, null, 'has no tls, and replication.auth is cert');
  return [...flaws, ...flawsOfSync(content.replication?.sync ?? 'off', names), ...flawsOfArchive(content)];
}

/** A server has one archive_command. */
function flawsOfArchive({ archive }: ClusterFile): readonly Flaw[] {
  if (archive === undefined || Object.values(archive).filter((value) => value !== undefined).length === 1) return [];
  return [{ path: ['archive'], says: 'must say exactly one of dir, command and pgbackrest', unknownKey: null }];
}

/** Names that are no nodes never acknowledge, and more standbys than are named never do: every commit would wait. */
function flawsOfSync(sync: string, nodes: readonly string[]): readonly Flaw[] {
  const [, needed = '0', list] = /^[a-z]+ ([0-9]+) ?\((.*)\)$/.exec(sync) ?? [];
  if (list === undefined) return [];
  const names = list.split(/, ?/);
  const flaw = (says: string): Flaw => ({ path: ['replication', 'sync'], says, unknownKey: null });
  return [
    ...names.filter((name) => !nodes.includes(name)).map((name) => {
      const meant = didYouMean(name, nodes);
      return flaw(`names "${name}", which is no node of this file${meant === null ? '' : `; did you mean "${meant}"?`}`);
    }),
    ...names.filter((name, index) => names.indexOf(name) !== index).map((name) => flaw(`names ${name} twice`)),
    ...(Number(needed) > names.length ? [flaw(`needs ${needed} standbys and names ${names.length}`)] : []),
  ];
}

function leadsBack(start: string, content: ClusterFile): boolean {
  const seen = new Set<string>();
  let at: string | undefined = start;
  while (at !== undefined && !seen.has(at)) {
    seen.add(at);
    at = merged(content, content.nodes?.[at] ?? null).upstream;
  }
  return at === start;
}

function merged(content: ClusterFile, entry: NodeEntry | null): NodeEntry {
  return { ...content.defaults, ...entry };
}

/** What the file says for every node that does not say otherwise; a new node takes it, too. */
export type NodeDefaults = Partial<Omit<NodeSpec, 'name'>>;

/** The topology with what only the commands that add a node need. */
export interface LoadedTopology extends Topology {
  readonly defaults: NodeDefaults;
}

/** The wanted topology that the file's content comes to, with its defaults filled in. */
export function topologyOf(content: ClusterFile, file: string, exists: boolean, words: ClusterWords): LoadedTopology {
  const archive = archiveOf(content);
  return {
    file,
    exists,
    cluster: content.cluster ?? words.cluster ?? DEFAULT_CLUSTER,
    replicationUser: parseRoleName(content.replication?.user ?? words.replicationUser ?? DEFAULT_REPLICATION_USER),
    sync: content.replication?.sync ?? 'off',
    ...(archive === undefined ? {} : { archive }),
    auth: content.replication?.auth ?? words.auth ?? 'password',
    nodes: Object.entries(content.nodes ?? {}).map(([name, entry]) => specOf(name, merged(content, entry), archive)),
    defaults: defaultsOf(content.defaults ?? {}, archive),
  };
}

function archiveOf({ archive }: ClusterFile): Archive | undefined {
  if (archive?.dir !== undefined) return { kind: 'dir', dir: archive.dir.replace(/(.)\/+$/, '$1') };
  if (archive?.command !== undefined) return { kind: 'command', command: archive.command };
  return archive?.pgbackrest === undefined ? undefined : { kind: 'pgbackrest', stanza: archive.pgbackrest };
}

function defaultsOf(says: NodeEntry, archive: Archive | undefined): NodeDefaults {
  const { name: _name, host, port, pgdata, via, ...rest } = specOf('defaults', says, archive);
  return {
    ...rest,
    ...(says.host === undefined ? {} : { host }),
    ...(says.port === undefined ? {} : { port }),
    ...(says.pgdata === undefined ? {} : { pgdata }),
    ...(says.via === undefined ? {} : { via }),
  };
}

function specOf(name: string, says: NodeEntry, archive: Archive | undefined): NodeSpec {
  return {
    name: parseNodeName(name),
    host: says.host ?? '127.0.0.1',
    port: says.port ?? DEFAULT_PORT,
    pgdata: says.pgdata ?? '',
    via: says.via ?? 'local',
    connect: says.connect,
    service: says.service,
    osUser: says['os-user'],
    adminUser: says['admin-user'],
    binDir: says['bin-dir'],
    passfile: says.passfile,
    tls: says.tls,
    allow: says.allow,
    set: says.set === undefined ? undefined : Object.fromEntries(Object.entries(says.set).map(([key, value]) => [key, settingText(value)])),
    delay: says.delay === undefined ? undefined : String(says.delay),
    restoreCommand: says['restore-command'],
    ...(archive === undefined ? {} : { archive }),
    waldir: says.waldir,
    tablespaces: says.tablespaces,
    upstream: says.upstream === undefined ? undefined : parseNodeName(says.upstream),
    fenced: says.fenced,
  };
}

/** As PostgreSQL writes it: YAML's `true` is its `on`. */
function settingText(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value);
}

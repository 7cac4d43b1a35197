import { renderConninfo } from '../../postgres/conninfo.ts';
import { features } from '../../postgres/features.ts';
import type { RouteNode } from './choose.ts';

export interface LibpqWords {
  readonly cluster: string;
  readonly database: string;
  /** Of the oldest libpq that will read it, as `server_version_num`. */
  readonly libpqVersion: number;
}

/** One of the two ways in: the same thing said twice. */
export interface Way {
  readonly uri: string;
  readonly conninfo: string;
}

export interface LibpqRoute {
  readonly readWrite: Way;
  readonly readOnly: Way;
  /** Both as sections of a connection service file, the other forms in comments. */
  readonly body: string;
}

/** A machine that is gone must not hold a client for minutes: the next host is tried after so many seconds (2 is the least that libpq takes). */
const CONNECT_SECONDS = '3';

/**
 * Connection strings that find the primary, or a standby, by themselves (docs: libpq-connect, "Specifying Multiple Hosts"). All nodes are in
 * both: libpq asks each what it is, so that nothing is to be changed after a switchover. Pure.
 */
export function renderLibpq(nodes: readonly RouteNode[], { cluster, database, libpqVersion }: LibpqWords): LibpqRoute {
  const can = features(libpqVersion);
  const all = nodes.filter(({ writes }) => writes);
  const readable = all.filter(({ reads }) => reads);
  const common = { dbname: database, connect_timeout: CONNECT_SECONDS };
  const readWrite = wayOf(all, { ...common, target_session_attrs: 'read-write' });
  // One that cannot ask for a standby takes the first that answers.
  const standbysFirst = [...readable].sort((a, b) => Number(a.role === 'primary') - Number(b.role === 'primary'));
  const readOnly = can.prefersStandby
    ? wayOf(readable, { ...common, target_session_attrs: 'prefer-standby', ...(can.balancesHosts ? { load_balance_hosts: 'random' } : {}) })
    : wayOf(standbysFirst, { ...common, target_session_attrs: 'any' });
  const name = cluster;
  const how = can.prefersStandby
    ? can.balancesHosts ? 'a standby chosen at random, else the primary' : 'the first standby in the list that answers, else the primary (libpq 16 spreads them: --libpq 16)'
    : 'the first that answers, the standbys of now first (libpq 14 asks which are standbys: --libpq 14)';
  const body = [
    '# A connection service file: PGSERVICEFILE=this psql service=NAME, or ~/.pg_service.conf.',
    '',
    '# Writes: whichever of them is the primary.',
    `#   ${readWrite.uri}`,
    `#   ${readWrite.conninfo}`,
    ...section(name, all, readWrite.words),
    '',
    `# Reads: ${how}.`,
    `#   ${readOnly.uri}`,
    `#   ${readOnly.conninfo}`,
    ...section(`${name}_ro`, can.prefersStandby ? readable : standbysFirst, readOnly.words),
    '',
  ].join('\n');
  const bare = ({ uri, conninfo }: Way): Way => ({ uri, conninfo });
  return { readWrite: bare(readWrite), readOnly: bare(readOnly), body };
}

interface WayWith extends Way {
  readonly words: Readonly<Record<string, string>>;
}

function wayOf(nodes: readonly RouteNode[], words: Readonly<Record<string, string>>): WayWith {
  const { dbname = '', ...parameters } = words;
  const places = nodes.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
  const query = Object.entries(parameters).map(([keyword, value]) => `${keyword}=${encodeURIComponent(value)}`).join('&');
  return { uri: `postgresql://${places}/${encodeURIComponent(dbname)}?${query}`, conninfo: renderConninfo({ ...hostsOf(nodes), ...words }), words };
}

function hostsOf(nodes: readonly RouteNode[]): Readonly<Record<string, string>> {
  return { host: nodes.map(({ host }) => host).join(','), port: nodes.map(({ port }) => String(port)).join(',') };
}

/** In a service file a value goes on to the end of its line, without quotes (parseServiceFile of fe-connect.c). */
function section(name: string, nodes: readonly RouteNode[], words: Readonly<Record<string, string>>): readonly string[] {
  return [`[${name}]`, ...Object.entries({ ...hostsOf(nodes), ...words }).map(([keyword, value]) => `${keyword}=${value}`)];
}

import type { RouteNode } from './choose.ts';

/** A database that clients ask PgBouncer for. */
export interface PooledDatabase {
  readonly name: string;
  readonly database: string;
  readonly hosts: readonly string[];
  readonly port: number;
}

/**
 * The databases of a PgBouncer: NAME at the primary, NAME_ro at the standbys that are fit to be read from, else at the primary. PgBouncer asks
 * nobody for a role and has one port for all hosts of a database (its manual, "host"), so that the text is to be rendered again after a
 * change of roles, and standbys at other ports than the most of them are left out. Pure. `primary` must be one of the nodes.
 */
export function pooledDatabases(nodes: readonly RouteNode[], primary: RouteNode, databases: readonly string[]): { readonly pooled: readonly PooledDatabase[]; readonly leftOut: readonly RouteNode[] } {
  const fresh = nodes.filter((node) => node.fresh);
  const port = commonPort(fresh) ?? primary.port;
  const used = fresh.filter((node) => node.port === port);
  const pooled = databases.flatMap((database): PooledDatabase[] => [
    { name: database, database, hosts: [primary.host], port: primary.port },
    { name: `${database}_ro`, database, hosts: used.length === 0 ? [primary.host] : used.map(({ host }) => host), port: used.length === 0 ? primary.port : port },
  ]);
  return { pooled, leftOut: fresh.filter((node) => !used.includes(node)) };
}

/** The file that pgbouncer.ini includes. How clients and servers are let in stays with pgbouncer.ini. Pure. */
export function renderPgbouncer(nodes: readonly RouteNode[], primary: RouteNode, databases: readonly string[]): string {
  const { pooled, leftOut } = pooledDatabases(nodes, primary, databases);
  const stale = nodes.filter((node) => node.role !== 'primary' && !node.fresh);
  return [
    '# In pgbouncer.ini: %include THIS-FILE (a file that is included is read at the place of that line).',
    '# PgBouncer looks for no roles itself: write it again after a change of roles, and RELOAD; promote and switchover do that with --pgbouncer.',
    ...stale.map(({ name, why }) => `# ${name} is not read from: ${why ?? 'it is no standby'}`),
    ...leftOut.map(({ name, port }) => `# ${name} is not read from: it has port ${port}, and PgBouncer takes one port for all hosts of a database`),
    '[databases]',
    ...pooled.map(({ name, database, hosts, port }) => `${quoteName(name)} = host=${hosts.join(',')} port=${port} dbname=${quoteValue(database)}`),
    '',
  ].join('\n');
}

/** The databases that such a file was rendered for, in its order. Pure. */
export function databasesIn(text: string): readonly string[] {
  const names = [...text.matchAll(/^(?:"((?:[^"]|"")+)"|([0-9A-Za-z_.-]+)) = host=/gm)].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '');
  // Each comes first as itself, then with _ro.
  return names.filter((_, index) => index % 2 === 0);
}

/** The port that most of them have; among equals that of the first. */
function commonPort(nodes: readonly RouteNode[]): number | null {
  const counts = new Map<number, number>();
  for (const { port } of nodes) counts.set(port, (counts.get(port) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  return [...counts].find(([, count]) => count === most)?.[0] ?? null;
}

function quoteName(name: string): string {
  return /^[0-9A-Za-z_.-]+$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** Values are quoted with ' doubled inside (its manual, "databases"). */
function quoteValue(value: string): string {
  return /^[0-9A-Za-z_.-]+$/.test(value) ? value : `'${value.replaceAll("'", "''")}'`;
}

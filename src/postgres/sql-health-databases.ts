import type { DatabaseHealth } from './health.ts';
import type { OpenDatabase } from './sql-inventory.ts';
import type { Session } from './session.ts';

/** Sessions in other databases at a time, and of how many databases at most: what is seen of more would not be read. */
const AT_ONCE = 3;
const AT_MOST = 40;

/**
 * Tables to which autovacuum has not come although twice as many rows are dead as it waits for, or whose oldest transaction is past the age
 * at which it must come; the threshold as autovacuum reckons it (relation_needs_vacanalyze of autovacuum.c), with what the table itself says.
 */
const DATABASE_QUERY = `
SELECT json_build_object('name', current_database(),
  'tables', (SELECT coalesce(json_agg(t ORDER BY (t ->> 'deadRows')::bigint DESC), '[]'::json) FROM (
      SELECT json_build_object('name', n.nspname || '.' || c.relname, 'deadRows', s.n_dead_tup, 'liveRows', s.n_live_tup, 'threshold', round(o.base + o.scale * greatest(c.reltuples, 0)), 'xidAge', age(c.relfrozenxid),
        'vacuumedSeconds', extract(epoch FROM clock_timestamp() - greatest(s.last_autovacuum, s.last_vacuum))::float8, 'isOff', o.off) AS t
      FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid,
        LATERAL (SELECT coalesce(max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold'), current_setting('autovacuum_vacuum_threshold'))::float8 AS base,
          coalesce(max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor'), current_setting('autovacuum_vacuum_scale_factor'))::float8 AS scale,
          coalesce(bool_or(option_name = 'autovacuum_enabled' AND option_value IN ('false', 'off', 'no', '0', 'f', 'n')), false) AS off FROM pg_options_to_table(c.reloptions)) AS o
      WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't'
        AND ((s.n_dead_tup >= 10000 AND s.n_dead_tup > 2 * (o.base + o.scale * greatest(c.reltuples, 0))) OR age(c.relfrozenxid) > 1.2 * current_setting('autovacuum_freeze_max_age')::float8)
      ORDER BY s.n_dead_tup DESC LIMIT 10) AS behind (t)),
  'unlogged', (SELECT coalesce(json_agg(u), '[]'::json) FROM (SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'm') ORDER BY 1 LIMIT 20) AS one (u)),
  'extensions', (SELECT json_agg(json_build_object('name', extname, 'version', extversion) ORDER BY extname) FROM pg_catalog.pg_extension),
  'libraries', (SELECT coalesce(json_agg(DISTINCT regexp_replace(substr(p.probin, 9), '\\.(so|dylib|dll)$', '')), '[]'::json) FROM pg_catalog.pg_proc AS p WHERE p.probin LIKE '$libdir/%')
)::text AS health`;

/** Names of the databases that let clients in, without the templates. */
export async function askDatabaseNames(session: Session, signal: AbortSignal | undefined): Promise<readonly string[]> {
  const rows = await session.query('SELECT datname AS name FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname', { deadlineMs: 10_000, signal });
  return rows.flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
}

/** Looks into each database that lets us in, a few at a time; one that does not is passed over. Ends early when `signal` fires. */
export async function askDatabases(session: Session, openDatabase: OpenDatabase, signal: AbortSignal | undefined): Promise<readonly DatabaseHealth[]> {
  const waiting = (await askDatabaseNames(session, signal)).slice(0, AT_MOST);
  const found: DatabaseHealth[] = [];
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined && signal?.aborted !== true; name = waiting.shift()) {
      const one = await askDatabase(name, openDatabase, signal).catch(() => null);
      if (one !== null) found.push(one);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function askDatabase(name: string, openDatabase: OpenDatabase, signal: AbortSignal | undefined): Promise<DatabaseHealth> {
  const session = await openDatabase(name);
  try {
    const rows = await session.query(DATABASE_QUERY, { deadlineMs: 10_000, signal });
    return JSON.parse(rows[0]?.['health'] ?? '{}') as DatabaseHealth;
  } finally {
    await session.close();
  }
}

import type { CommitLevel, Demands, Inventory, Tablespace } from './server.ts';
import type { Session } from './session.ts';
import { FAILING_FILE, READY_FILES } from './sql-archiver.ts';

/** Where other managers leave their marks. */
const MARKS = `
  'preload', current_setting('shared_preload_libraries'),
  'applications', (SELECT coalesce(json_agg(DISTINCT application_name), '[]'::json) FROM pg_catalog.pg_stat_activity WHERE application_name <> ''),
  'roles', (SELECT coalesce(json_agg(rolname), '[]'::json) FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_'),
  'slots', (SELECT coalesce(json_agg(slot_name), '[]'::json) FROM pg_catalog.pg_replication_slots)`;

/** Each synchronous_commit that sessions get instead of the server's, with whose it is. */
const COMMIT_LEVELS = `(SELECT coalesce(json_agg(json_build_object('of', concat_ws(' in ', 'role ' || r.rolname, 'database ' || d.datname), 'value', split_part(c.line, '=', 2)) ORDER BY d.datname NULLS FIRST, r.rolname NULLS FIRST), '[]'::json)
      FROM pg_catalog.pg_db_role_setting AS s CROSS JOIN LATERAL unnest(s.setconfig) AS c (line)
        LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
      WHERE c.line LIKE 'synchronous\\_commit=%')`;

/** What a change needs on top of the facts; one statement in the session's own database. */
const INVENTORY_QUERY = `
SELECT json_build_object(
  'bytes', (SELECT coalesce(sum(pg_tablespace_size(oid)), 0) FROM pg_catalog.pg_tablespace),
  'tablespaces', (SELECT coalesce(json_agg(json_build_object('name', spcname, 'oid', oid::bigint, 'location', pg_tablespace_location(oid),
      'sizeBytes', pg_tablespace_size(oid)) ORDER BY oid), '[]'::json)
      FROM pg_catalog.pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')),
  'archiveReady', CASE WHEN current_setting('archive_mode') = 'off' THEN 0 ELSE ${READY_FILES} END,
  'archiveFailing', (SELECT ${FAILING_FILE} IS NOT NULL FROM pg_catalog.pg_stat_archiver),
  'prepared', (SELECT count(*) FROM pg_catalog.pg_prepared_xacts),
  'backups', (SELECT count(*) FROM pg_catalog.pg_stat_progress_basebackup),
  'long', (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
      AND xact_start < clock_timestamp() - interval '10 seconds'),
  'waiting', (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE wait_event = 'SyncRep'
      AND query_start < clock_timestamp() - interval '5 seconds'),
  'commitLevels', ${COMMIT_LEVELS},
  -- A standby shows the same tables as its primary, and is not asked about them.
  'databases', CASE WHEN pg_is_in_recovery() THEN '[]'::json ELSE (SELECT coalesce(json_agg(datname ORDER BY datname), '[]'::json) FROM pg_catalog.pg_database
      WHERE datallowconn AND NOT datistemplate) END,
  'demands', json_build_object(
    'locales', (SELECT coalesce(json_agg(json_build_object('name', l.name, 'of', l.of, 'setting', l.setting) ORDER BY l.setting, l.of, l.name), '[]'::json) FROM (
        SELECT datname AS of, l.name, false AS setting FROM pg_catalog.pg_database, LATERAL (VALUES (datcollate::text), (datctype::text)) AS l (name) WHERE datallowconn
        UNION SELECT name, reset_val, true FROM pg_catalog.pg_settings WHERE name IN ('lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time')) AS l),
    'preload', (SELECT json_object_agg(name, reset_val) FROM pg_catalog.pg_settings WHERE name LIKE '%\\_preload\\_libraries'),
    'libraryPath', current_setting('dynamic_library_path'),
    'sharedMemoryBytes', (SELECT sum(allocated_size) FROM pg_catalog.pg_shmem_allocations),
    'sharedBuffersBytes', pg_size_bytes(current_setting('shared_buffers')),
    'hugePages', current_setting('huge_pages'),
    'hugePageSize', coalesce((SELECT setting FROM pg_catalog.pg_settings WHERE name = 'huge_page_size'), '0')),
  -- A segment is last written when the next one begins; those after the current one are old ones that wait for their turn.
  'walRate', CASE WHEN pg_is_in_recovery() THEN NULL ELSE (SELECT ((count(*) - 1) * pg_size_bytes(current_setting('wal_segment_size')) / nullif(extract(epoch FROM clock_timestamp() - min(modification)), 0))::float8
      FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$' AND name <= pg_walfile_name(pg_current_wal_lsn())) END,
  ${MARKS}
)::text AS inventory`;

const MANAGERS_QUERY = `SELECT json_build_object(${MARKS})::text AS marks`;

const UNLOGGED_QUERY = `
SELECT n.nspname || '.' || c.relname AS name FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'm') ORDER BY 1 LIMIT 20`;

const AT_MOST_TABLES = 20;

interface RawMarks {
  readonly preload: string;
  readonly applications: readonly string[];
  readonly roles: readonly string[];
  readonly slots: readonly string[];
}

interface RawInventory extends RawMarks {
  readonly bytes: number;
  readonly tablespaces: readonly Tablespace[];
  readonly archiveReady: number;
  readonly archiveFailing: boolean;
  readonly prepared: number;
  readonly backups: number;
  readonly long: number;
  readonly waiting: number;
  readonly commitLevels: readonly CommitLevel[];
  readonly databases: readonly string[];
  readonly demands: Demands;
  readonly walRate: number | null;
}

/** Opens a session in another database of the same server. */
export type OpenDatabase = (database: string) => Promise<Session>;

/** Asks for the inventory; unlogged tables need a session in every database and are left out where one cannot be had. */
export async function askInventory(session: Session, openDatabase: OpenDatabase, signal: AbortSignal | undefined): Promise<Inventory> {
  const rows = await session.query(INVENTORY_QUERY, { deadlineMs: 60_000, signal });
  const raw = JSON.parse(rows[0]?.['inventory'] ?? '{}') as RawInventory;
  return {
    databaseBytes: raw.bytes,
    tablespaces: raw.tablespaces,
    archiveReady: raw.archiveReady,
    archiveFailing: raw.archiveFailing,
    preparedTransactions: raw.prepared,
    runningBackups: raw.backups,
    unloggedTables: await unloggedTables(raw.databases, openDatabase, signal),
    otherManagers: otherManagers(raw),
    longTransactions: raw.long,
    waitingForSync: raw.waiting,
    commitLevels: raw.commitLevels,
    demands: raw.demands,
    walBytesPerSecond: raw.walRate,
  };
}

/** Asks for the marks of other managers alone: no file is measured and no other database opened. */
export async function askManagers(session: Session, signal: AbortSignal | undefined): Promise<readonly string[]> {
  const rows = await session.query(MANAGERS_QUERY, { deadlineMs: 30_000, signal });
  return otherManagers(JSON.parse(rows[0]?.['marks'] ?? '{}') as RawMarks);
}

/** Asks for these alone. */
export async function askCommitLevels(session: Session, signal: AbortSignal | undefined): Promise<readonly CommitLevel[]> {
  const rows = await session.query(`SELECT ${COMMIT_LEVELS}::text AS levels`, { deadlineMs: 30_000, signal });
  return JSON.parse(rows[0]?.['levels'] ?? '[]') as readonly CommitLevel[];
}

/** How long an emergency may wait for a notice; databases that were not asked by then are passed over. */
const NOTICE_MS = 1_000;

/** Unlogged tables of every database, as far as they are told in time. */
export async function askUnloggedTables(session: Session, openDatabase: OpenDatabase, signal: AbortSignal | undefined): Promise<readonly string[]> {
  const rows = await session.query('SELECT datname AS name FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1', { signal });
  return await unloggedTables(rows.flatMap(({ name }) => (typeof name === 'string' ? [name] : [])), openDatabase, signal, NOTICE_MS);
}

async function unloggedTables(databases: readonly string[], openDatabase: OpenDatabase, signal: AbortSignal | undefined, withinMs = Infinity): Promise<readonly string[]> {
  const found: string[] = [];
  const until = performance.now() + withinMs;
  for (const database of databases) {
    if (found.length >= AT_MOST_TABLES || signal?.aborted === true || performance.now() > until) break;
    try {
      const session = await openDatabase(database);
      try {
        for (const row of await session.query(UNLOGGED_QUERY, { deadlineMs: 10_000, signal })) found.push(`${database}.${row['name'] ?? ''}`);
      } finally {
        await session.close();
      }
    } catch {
      // A notice for the operator, not a decision: a database that lets nobody in is passed over.
    }
  }
  return found.slice(0, AT_MOST_TABLES);
}

/** Who else may be steering this server, by the marks that each of them leaves. */
function otherManagers(raw: RawMarks): readonly string[] {
  const runs = (word: string): boolean => raw.applications.some((name) => name.toLowerCase().startsWith(word));
  const preloads = (library: string): boolean => raw.preload.split(',').some((name) => name.trim() === library);
  const marks: readonly (readonly [string, boolean])[] = [
    ['repmgr', preloads('repmgr') || runs('repmgr') || raw.slots.some((name) => name.startsWith('repmgr_slot_'))],
    ['pg_auto_failover', preloads('pgautofailover') || raw.roles.includes('pgautofailover_replicator') || raw.roles.includes('pgautofailover_monitor')],
    ['Patroni', runs('patroni')],
    ['stolon', runs('stolon') || raw.slots.some((name) => name.startsWith('stolon_'))],
    ['CloudNativePG', runs('cnpg') || raw.roles.includes('streaming_replica')],
    ['PAF', runs('pacemaker') || runs('paf')],
  ];
  return marks.filter(([, seen]) => seen).map(([name]) => name);
}

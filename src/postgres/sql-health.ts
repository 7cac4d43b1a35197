import { PgreplError } from '../errors.ts';
import { features } from './features.ts';
import type { ArchiverHealth, FileHealth, FileRule, FileSetting, OwnSetting, Pulse, ServerHealth, SlotHealth, XminHolder, DatabaseAge } from './health.ts';
import { parseLsn, parseLsnOrNull } from './lsn.ts';
import type { Row } from './session.ts';
import { maskPassword } from './sql-text.ts';
import { FAILING_FILE } from './sql-archiver.ts';
import { COLLATION_MISMATCHES } from './sql-collations.ts';

/** End of the log of a primary, of a standby what it has. */
const END = 'CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END';

const PULSE = `json_build_object('at', extract(epoch FROM clock_timestamp())::float8, 'lsn', (${END})::text, 'xid', pg_snapshot_xmax(pg_current_snapshot())::text,
  'slots', (SELECT coalesce(json_object_agg(slot_name, restart_lsn::text), '{}'::json) FROM pg_catalog.pg_replication_slots WHERE restart_lsn IS NOT NULL))`;

/** What moves, alone: asked twice, it gives rates. */
export const PULSE_QUERY = `SELECT ${PULSE}::text AS pulse`;

/**
 * The question of the doctor to one server, in one round trip; a member of pg_monitor may ask it. Names of functions need no schema because the
 * session's search_path is empty. A slot is sent as the row that it is: its columns differ from major to major. A vacuum shows a snapshot
 * that nobody has to wait for (PROC_IN_VACUUM, procarray.c), and is no holder.
 */
export function healthQuery(versionNumber: number): string {
  const can = features(versionNumber);
  return `
SELECT json_build_object(
  'pulse', ${PULSE},
  'settings', (SELECT json_agg(json_build_array(name, reset_val, unit, source, sourcefile, sourceline, pending_restart, boot_val) ORDER BY name)
      FROM pg_catalog.pg_settings WHERE context <> 'internal' AND (pending_restart OR (source NOT IN ('default', 'client', 'session', 'interactive', 'test', 'user', 'database', 'database user') AND reset_val IS DISTINCT FROM boot_val))),
  'databases', (SELECT json_agg(json_build_object('name', d.datname, 'xidAge', age(d.datfrozenxid), 'multixactAge', mxid_age(d.datminmxid), 'lets', d.datallowconn AND d.datconnlimit <> -2, 'collate', d.datcollate,
      'conflicts', coalesce(c.confl_tablespace + c.confl_lock + c.confl_snapshot + c.confl_bufferpin + c.confl_deadlock, 0)) ORDER BY age(d.datfrozenxid) DESC)
      FROM pg_catalog.pg_database AS d LEFT JOIN pg_catalog.pg_stat_database_conflicts AS c ON c.datid = d.oid),
  'freezeMaxAge', current_setting('autovacuum_freeze_max_age')::bigint, 'multixactFreezeMaxAge', current_setting('autovacuum_multixact_freeze_max_age')::bigint,
  'holders', (SELECT coalesce(json_agg(h ORDER BY (h ->> 'xidAge')::bigint DESC), '[]'::json) FROM (
      SELECT json_build_object('kind', CASE WHEN backend_type = 'walsender' THEN 'walsender' ELSE 'session' END, 'id', a.pid::text, 'user', usename, 'database', datname, 'application', application_name,
        'state', state, 'xidAge', greatest(age(backend_xmin), age(backend_xid)), 'seconds', extract(epoch FROM clock_timestamp() - xact_start)::float8) AS h
      FROM pg_catalog.pg_stat_activity AS a WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND a.pid <> pg_backend_pid()
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum AS v WHERE v.pid = a.pid)
      UNION ALL SELECT json_build_object('kind', 'prepared', 'id', gid, 'user', owner, 'database', database, 'application', NULL, 'state', 'prepared', 'xidAge', age(transaction),
        'seconds', extract(epoch FROM clock_timestamp() - prepared)::float8) FROM pg_catalog.pg_prepared_xacts
      ) AS held (h)),
  'prepared', (SELECT count(*) FROM pg_catalog.pg_prepared_xacts),
  'slots', (SELECT coalesce(json_agg(json_build_object('row', to_json(s), 'retained', pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, s.restart_lsn),
      'xminAge', age(s.xmin), 'catalogXminAge', age(s.catalog_xmin),
      'session', (SELECT extract(epoch FROM clock_timestamp() - a.backend_start)::float8 FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = s.active_pid)) ORDER BY s.slot_name), '[]'::json)
      FROM pg_catalog.pg_replication_slots AS s),
  'archiver', (SELECT json_build_object('mode', current_setting('archive_mode'), 'failed', failed_count, 'lastFailedFile', ${FAILING_FILE},
      'lastFailedSeconds', extract(epoch FROM clock_timestamp() - last_failed_time)::float8, 'lastArchivedSeconds', extract(epoch FROM clock_timestamp() - last_archived_time)::float8,
      'ready', w.ready, 'oldestReady', w.oldest) FROM pg_catalog.pg_stat_archiver,
      (SELECT count(*) AS ready, min(left(name, 24)) FILTER (WHERE name ~ '^[0-9A-F]{24}\\.ready$') AS oldest FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') AS w),
  'wal', (SELECT json_build_object('bytes', coalesce(sum(size), 0), 'files', count(*)) FROM pg_ls_waldir()),
  'redo', (SELECT redo_lsn::text FROM pg_control_checkpoint()),
  'libc', (SELECT pg_collation_actual_version(oid) FROM pg_catalog.pg_collation WHERE collprovider = 'c' AND collname NOT IN ('C', 'POSIX', 'ucs_basic') AND collcollate !~ '^(C|POSIX)(\\.|$)' LIMIT 1),
  'icu', (SELECT pg_collation_actual_version(oid) FROM pg_catalog.pg_collation WHERE collprovider = 'i' ORDER BY collname = 'und-x-icu' DESC LIMIT 1),
  'mismatches', ${can.collationVersionPerDatabase ? MISMATCHES : `'[]'::json`},
  'available', (SELECT coalesce(json_object_agg(name, default_version), '{}'::json) FROM pg_catalog.pg_available_extensions),
  'behindReplayLock', (SELECT count(*) FROM pg_catalog.pg_locks AS w WHERE NOT w.granted AND EXISTS (SELECT FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
      WHERE a.backend_type = 'startup' AND l.granted AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND l.database = w.database AND l.relation = w.relation)),
  'statistics', (SELECT extract(epoch FROM clock_timestamp() - min(stats_reset))::float8 FROM pg_catalog.pg_stat_database)
)::text AS health`;
}

const MISMATCHES = `(SELECT coalesce(json_agg(says ORDER BY says), '[]'::json) FROM (${COLLATION_MISMATCHES}) AS m)`;

/** What only a superuser may ask. Both views read the files as they are now, not as they were loaded (hazard B01). */
export function filesQuery(versionNumber: number): string {
  return `
SELECT json_build_object(
  'settings', (SELECT coalesce(json_agg(json_build_array(f.name, f.setting, f.sourcefile, f.sourceline, f.applied, CASE WHEN NOT coalesce(s.pending_restart, false) THEN f.error END) ORDER BY f.seqno), '[]'::json)
      FROM pg_catalog.pg_file_settings AS f LEFT JOIN pg_catalog.pg_settings AS s ON lower(s.name) = lower(f.name)),
  'hba', (SELECT coalesce(json_agg(json_build_object('file', ${features(versionNumber).hbaIncludes ? 'file_name' : 'NULL'}, 'line', line_number, 'type', type, 'databases', coalesce(to_json(database), '[]'), 'users', coalesce(to_json(user_name), '[]'),
      'address', address, 'mask', netmask, 'method', auth_method, 'options', coalesce(to_json(options), '[]'), 'error', error)), '[]'::json) FROM pg_catalog.pg_hba_file_rules),
  'md5', (SELECT coalesce(json_agg(rolname ORDER BY rolname), '[]'::json) FROM pg_catalog.pg_authid WHERE rolpassword LIKE 'md5%' AND rolcanlogin),
  'libraries', (SELECT coalesce(json_agg(regexp_replace(f, '\\.(so|dylib|dll)$', '') ORDER BY f), '[]'::json) FROM pg_catalog.pg_config AS c, pg_ls_dir(c.setting) AS f WHERE c.name = 'PKGLIBDIR' AND f ~ '\\.(so|dylib|dll)$'),
  'log', json_build_object('path', current_setting('log_directory'), 'inside', current_setting('logging_collector') = 'on'
      AND (current_setting('log_directory') !~ '^/' OR starts_with(current_setting('log_directory'), current_setting('data_directory') || '/')))
)::text AS files`;
}

type RawSetting = readonly [string, string | null, string | null, string, string | null, number | null, boolean, string | null];

interface RawPulse {
  readonly at: number;
  readonly lsn: string | null;
  readonly xid: string;
  readonly slots: Readonly<Record<string, string>>;
}

interface RawSlot {
  readonly row: {
    readonly slot_name: string;
    readonly slot_type: 'physical' | 'logical';
    readonly database: string | null;
    readonly temporary: boolean;
    readonly active: boolean;
    readonly active_pid: number | null;
    readonly restart_lsn: string | null;
    readonly wal_status: string | null;
    readonly safe_wal_size: number | null;
    readonly inactive_since?: string | null;
    readonly invalidation_reason?: string | null;
    readonly failover?: boolean;
    readonly synced?: boolean;
  };
  readonly retained: number | null;
  readonly xminAge: number | null;
  readonly catalogXminAge: number | null;
  readonly session: number | null;
}

interface RawHealth {
  readonly pulse: RawPulse;
  readonly settings: readonly RawSetting[] | null;
  readonly databases: readonly DatabaseAge[];
  readonly freezeMaxAge: number;
  readonly multixactFreezeMaxAge: number;
  readonly holders: readonly XminHolder[];
  readonly prepared: number;
  readonly slots: readonly RawSlot[];
  readonly archiver: ArchiverHealth;
  readonly wal: { readonly bytes: number; readonly files: number };
  readonly redo: string;
  readonly libc: string | null;
  readonly icu: string | null;
  readonly mismatches: readonly string[];
  readonly available: Readonly<Record<string, string>>;
  readonly behindReplayLock: number;
  readonly statistics: number | null;
}

/** Reads the answer to `healthQuery`. */
export function parseHealth(row: Row | undefined): ServerHealth {
  const raw = JSON.parse(textOf(row, 'health')) as RawHealth;
  const { pulse, settings, slots, wal, redo, libc, icu, mismatches, statistics, ...rest } = raw;
  return {
    ...rest,
    pulse: pulseOf(pulse),
    settings: (settings ?? []).map(settingOf),
    slots: slots.map((slot) => slotOf(slot, pulse.at)),
    walDirectory: wal,
    redoLsn: parseLsn(redo),
    collations: { libc, icu },
    collationMismatches: mismatches,
    statisticsSeconds: statistics,
  };
}

/** Reads the answer to `PULSE_QUERY`. */
export function parsePulse(row: Row | undefined): Pulse {
  return pulseOf(JSON.parse(textOf(row, 'pulse')) as RawPulse);
}

interface RawFiles {
  readonly settings: readonly (readonly [string | null, string | null, string | null, number | null, boolean, string | null])[];
  readonly hba: readonly FileRule[];
  readonly md5: readonly string[];
  readonly libraries: readonly string[];
  readonly log: FileHealth['logDirectory'];
}

/** Reads the answer to `filesQuery`. Passwords in it are masked. */
export function parseFiles(row: Row | undefined): FileHealth {
  const { settings, hba, md5, libraries, log } = JSON.parse(textOf(row, 'files')) as RawFiles;
  return {
    settings: settings.map(([name, value, file, line, applied, error]): FileSetting => ({ name, value: value === null ? null : shown(name ?? '', value), file, line, applied, error })),
    hba,
    md5Roles: md5,
    libraries,
    logDirectory: log,
  };
}

function pulseOf({ at, lsn, xid, slots }: RawPulse): Pulse {
  return { at, lsn: parseLsnOrNull(lsn), nextXid: BigInt(xid), slots: Object.fromEntries(Object.entries(slots).map(([name, position]) => [name, parseLsn(position)])) };
}

function settingOf([name, value, unit, source, file, line, pendingRestart, byDefault]: RawSetting): OwnSetting {
  return { name, value: shown(name, value ?? ''), unit, source, file, line, pendingRestart, byDefault };
}

function shown(name: string, value: string): string {
  return name === 'primary_conninfo' ? maskPassword(value) : value;
}

function slotOf({ row, retained, xminAge, catalogXminAge, session }: RawSlot, now: number): SlotHealth {
  const since = row.inactive_since == null ? null : Date.parse(row.inactive_since) / 1_000;
  return {
    name: row.slot_name,
    type: row.slot_type,
    database: row.database,
    temporary: row.temporary,
    active: row.active,
    activePid: row.active_pid,
    sessionSeconds: session,
    restartLsn: parseLsnOrNull(row.restart_lsn),
    walStatus: row.wal_status,
    safeBytes: row.safe_wal_size,
    retainedBytes: retained,
    xminAge,
    catalogXminAge,
    inactiveSeconds: since === null ? null : Math.max(0, now - since),
    invalidationReason: row.invalidation_reason ?? null,
    failover: row.failover ?? null,
    synced: row.synced ?? null,
  };
}

function textOf(row: Row | undefined, column: string): string {
  const text = row?.[column];
  if (text === null || text === undefined) throw new PgreplError('unreachable', 'sql-failed', `the server gave no ${column}`, { details: ['XX000'] });
  return text;
}

import { PgreplError } from '../errors.ts';
import type { Features } from './features.ts';
import { parseLsnOrNull } from './lsn.ts';
import { parseSystemIdentifier } from './names.ts';
import type { Positions } from './server.ts';
import type { ArchiverGlimpse, Receiver, Sender, ServerFacts, Setting, Slot } from './server-facts.ts';
import type { Row } from './session.ts';
import { maskPassword, quoteLiteral } from './sql-text.ts';
import { timelineOfWalFile } from './timeline.ts';
import { FAILING_FILE, READY_FILES } from './sql-archiver.ts';

/** What replication depends on; a name that a major does not have is simply not in the answer. */
const SETTINGS = [
  'wal_level', 'max_wal_senders', 'max_replication_slots', 'hot_standby', 'hot_standby_feedback', 'wal_log_hints', 'data_checksums',
  'wal_keep_size', 'max_slot_wal_keep_size', 'max_wal_size', 'wal_segment_size', 'listen_addresses', 'port', 'max_connections',
  'superuser_reserved_connections', 'reserved_connections', 'max_worker_processes', 'max_prepared_transactions', 'max_locks_per_transaction',
  'primary_conninfo', 'primary_slot_name', 'recovery_target', 'recovery_target_action', 'recovery_target_inclusive', 'recovery_target_lsn',
  'recovery_target_name', 'recovery_target_time', 'recovery_target_timeline', 'recovery_target_xid', 'recovery_min_apply_delay',
  'recovery_end_command', 'archive_cleanup_command', 'restore_command', 'archive_mode', 'archive_command', 'archive_library',
  'synchronous_standby_names', 'synchronous_commit', 'synchronized_standby_slots', 'sync_replication_slots', 'cluster_name',
  'unix_socket_directories', 'shared_preload_libraries', 'data_directory_mode', 'full_page_writes', 'fsync', 'wal_retrieve_retry_interval',
  'wal_receiver_timeout', 'wal_receiver_status_interval', 'wal_sender_timeout', 'tcp_keepalives_idle', 'promote_trigger_file', 'allow_alter_system', 'logging_collector', 'log_directory',
  'idle_replication_slot_timeout', 'ssl', 'ssl_cert_file', 'ssl_key_file', 'ssl_ca_file', 'password_encryption', 'server_version', 'server_version_num', 'external_pid_file', 'restart_after_crash',
];

/**
 * The one question of `status` and of every plan: one statement, one round trip, one JSON text. Positions and 64-bit numbers travel as
 * text. The session's own synchronous_commit says nothing about the server, so that one is read as RESET would set it. Names of functions need no schema because the session's search_path is empty: only pg_catalog is searched.
 * With `few` rights the names of WAL files are not asked for: the right to a function in FROM is checked before any condition is.
 */
export function factsQuery(features: Features, rights: 'all' | 'few' = 'all'): string {
  const pause = features.pauseStateFunction ? 'pg_get_wal_replay_pause_state()' : "CASE WHEN pg_is_wal_replay_paused() THEN 'paused' ELSE 'not paused' END";
  return `
SELECT json_build_object(
  'system', s.system_identifier::text,
  'started', round(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text,
  'version', current_setting('server_version'),
  'version_number', current_setting('server_version_num'),
  'sees_all', p.sees,
  'superuser', current_setting('is_superuser') = 'on',
  'data_directory', CASE WHEN p.sees THEN current_setting('data_directory') ELSE '' END,
  'config_file', CASE WHEN p.sees THEN current_setting('config_file') ELSE '' END,
  'hba_file', CASE WHEN p.sees THEN current_setting('hba_file') ELSE '' END,
  'ident_file', CASE WHEN p.sees THEN current_setting('ident_file') ELSE '' END,
  'port', current_setting('port'),
  'recovery', r.recovery,
  'wal_file', CASE WHEN NOT r.recovery THEN pg_walfile_name(pg_current_wal_lsn()) END,
  'checkpoint_timeline', (SELECT timeline_id FROM pg_control_checkpoint()),
  'recovery_timeline', (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
  'segment_timeline', ${rights === 'all' ? `CASE WHEN r.recovery THEN ${SEGMENT_TIMELINE} END` : 'NULL'},
  'current', CASE WHEN NOT r.recovery THEN pg_current_wal_flush_lsn()::text END,
  'received', pg_last_wal_receive_lsn()::text,
  'replayed', pg_last_wal_replay_lsn()::text,
  'replay_age', extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8,
  'pause', CASE WHEN r.recovery THEN ${pause} ELSE 'not paused' END,
  'holds_back', CASE WHEN r.recovery AND current_setting('recovery_min_apply_delay') <> '0' THEN EXISTS (SELECT FROM pg_catalog.pg_stat_activity
      WHERE backend_type = 'startup' AND wait_event = 'RecoveryApplyDelay') ELSE false END,
  'receiver', (SELECT json_build_object('pid', pid, 'status', status, 'host', sender_host, 'port', sender_port, 'slot', slot_name,
      'timeline', received_tli, 'flushed', flushed_lsn::text, 'heard', extract(epoch FROM clock_timestamp() - last_msg_receipt_time)::float8) FROM pg_catalog.pg_stat_wal_receiver WHERE pid IS NOT NULL),
  'senders', (SELECT coalesce(json_agg(json_build_object('pid', pid, 'application', application_name, 'address', host(client_addr),
      'state', state, 'sent', sent_lsn::text, 'flush', flush_lsn::text, 'replay', replay_lsn::text, 'sync', sync_state,
      'flush_lag', extract(epoch FROM flush_lag)::float8, 'lag', extract(epoch FROM replay_lag)::float8, 'role', usename) ORDER BY application_name, pid), '[]'::json)
      FROM pg_catalog.pg_stat_replication),
  'slots', (SELECT coalesce(json_agg(json_build_object('name', slot_name, 'type', slot_type, 'active', active, 'pid', active_pid,
      'temporary', temporary, 'restart', restart_lsn::text, 'wal', wal_status, 'safe', safe_wal_size,
      'retained', pg_wal_lsn_diff(CASE WHEN r.recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn),
      'xmin', xmin IS NOT NULL OR catalog_xmin IS NOT NULL) ORDER BY slot_name), '[]'::json)
      FROM pg_catalog.pg_replication_slots),
  'archiver', ${rights === 'all' ? `CASE WHEN current_setting('archive_mode') <> 'off' THEN ${ARCHIVER} END` : 'NULL'},
  'sync_waiters', w.waiters, 'sync_wait', w.longest,
  'settings', (SELECT json_object_agg(name, json_build_array(CASE name WHEN 'synchronous_commit' THEN reset_val ELSE setting END, unit, source, sourcefile, sourceline, pending_restart))
      FROM pg_catalog.pg_settings WHERE name = ANY (${quoteLiteral(`{${SETTINGS.join(',')}}`)}::text[])),
  'now', extract(epoch FROM clock_timestamp())::float8
)::text AS facts
FROM pg_control_system() AS s, (SELECT pg_is_in_recovery() AS recovery) AS r,
  (SELECT pg_has_role('pg_read_all_settings', 'USAGE') AND pg_has_role('pg_read_all_stats', 'USAGE') AS sees) AS p,
  (SELECT count(*) AS waiters, extract(epoch FROM max(clock_timestamp() - query_start))::float8 AS longest
    FROM pg_catalog.pg_stat_activity WHERE wait_event = 'SyncRep') AS w`;
}

/**
 * The newest timeline that a standby has WAL of at its position, by the names of its segment files: the control file tells only the one of its
 * last restartpoint, and a receiver that is gone tells none. Of two standbys of a dead primary that would rank the wrong one first.
 */
const SEGMENT_TIMELINE = `(SELECT max(('x' || substr(f.name, 1, 8))::bit(32)::bigint)
    FROM pg_ls_waldir() AS f,
      (SELECT floor((pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0') - 1)
          / pg_size_bytes(current_setting('wal_segment_size')))::bigint AS number,
        4294967296 / pg_size_bytes(current_setting('wal_segment_size')) AS per_id) AS at
    WHERE f.name ~ '^[0-9A-F]{24}$'
      AND substr(f.name, 9) = upper(lpad(to_hex(at.number / at.per_id), 8, '0') || lpad(to_hex(at.number % at.per_id), 8, '0')))`;

/** What waits for the archive is asked of a server that archives alone: one look into a directory. A standby archives with `always` only. */
const ARCHIVER = `(SELECT json_build_object('mode', current_setting('archive_mode'), 'failing', ${FAILING_FILE},
      'failingSeconds', extract(epoch FROM clock_timestamp() - last_failed_time)::float8,
      'ready', CASE WHEN r.recovery AND current_setting('archive_mode') <> 'always' THEN 0 ELSE ${READY_FILES} END)
      FROM pg_catalog.pg_stat_archiver)`;

/** The positions alone; asked every few milliseconds in a switchover, so it touches shared memory only. */
export const POSITIONS_QUERY = `
SELECT pg_is_in_recovery()::text AS recovery, pg_last_wal_receive_lsn()::text AS received, pg_last_wal_replay_lsn()::text AS replayed,
  ((pg_stat_get_wal_receiver()).pid IS NOT NULL)::text AS receiving,
  CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn()::text END AS current`;

interface RawSender {
  readonly pid: number;
  readonly application: string | null;
  readonly address: string | null;
  readonly state: string | null;
  readonly sent: string | null;
  readonly flush: string | null;
  readonly replay: string | null;
  readonly sync: string | null;
  readonly flush_lag: number | null;
  readonly lag: number | null;
  readonly role: string | null;
}

interface RawSlot {
  readonly name: string;
  readonly type: 'physical' | 'logical';
  readonly active: boolean;
  readonly pid: number | null;
  readonly temporary: boolean;
  readonly restart: string | null;
  readonly wal: string | null;
  readonly safe: number | null;
  readonly retained: number | null;
  readonly xmin: boolean;
}

interface RawReceiver {
  readonly pid: number;
  readonly status: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly slot: string | null;
  readonly timeline: number | null;
  readonly flushed: string | null;
  readonly heard: number | null;
}

type RawSetting = readonly [string | null, string | null, string, string | null, number | null, boolean];

interface RawFacts {
  readonly system: string;
  readonly started: string;
  readonly version: string;
  readonly version_number: string;
  readonly sees_all: boolean;
  readonly superuser: boolean;
  readonly data_directory: string;
  readonly config_file: string;
  readonly hba_file: string;
  readonly ident_file: string;
  readonly port: string;
  readonly recovery: boolean;
  readonly wal_file: string | null;
  readonly checkpoint_timeline: number;
  readonly segment_timeline: number | null;
  readonly recovery_timeline: number | null;
  readonly current: string | null;
  readonly received: string | null;
  readonly replayed: string | null;
  readonly replay_age: number | null;
  readonly pause: string;
  readonly holds_back: boolean;
  readonly receiver: RawReceiver | null;
  readonly senders: readonly RawSender[];
  readonly slots: readonly RawSlot[];
  readonly archiver: ArchiverGlimpse | null;
  readonly sync_waiters: number;
  readonly sync_wait: number | null;
  readonly settings: Readonly<Record<string, RawSetting>>;
  readonly now: number;
}

/** Reads the answer to `factsQuery`. */
export function parseFacts(text: string | null | undefined): ServerFacts {
  if (text === null || text === undefined) throw new PgreplError('unreachable', 'sql-failed', 'the server gave no facts', { details: ['XX000'] });
  const raw = JSON.parse(text) as RawFacts;
  return {
    systemIdentifier: parseSystemIdentifier(raw.system),
    startedAt: raw.started,
    versionNumber: Number(raw.version_number),
    version: raw.version.split(' ')[0] ?? raw.version,
    seesAll: raw.sees_all,
    superuser: raw.superuser,
    dataDirectory: raw.data_directory,
    configFile: raw.config_file,
    hbaFile: raw.hba_file,
    identFile: raw.ident_file,
    port: Number(raw.port),
    inRecovery: raw.recovery,
    timeline: timelineOf(raw),
    currentLsn: parseLsnOrNull(raw.current),
    // A primary that was a standby still remembers what it once received: that says nothing about now.
    receivedLsn: raw.recovery ? parseLsnOrNull(raw.received) : null,
    replayedLsn: raw.recovery ? parseLsnOrNull(raw.replayed) : null,
    replayAgeSeconds: raw.recovery ? raw.replay_age : null,
    replayPause: raw.pause,
    holdsBack: raw.holds_back,
    receiver: raw.receiver === null ? null : receiverOf(raw.receiver),
    senders: raw.senders.map(senderOf),
    slots: raw.slots.map(slotOf),
    archiver: raw.archiver,
    syncWaiters: raw.sync_waiters,
    longestSyncWaitSeconds: raw.sync_wait,
    settings: Object.fromEntries(Object.entries(raw.settings).map(([name, setting]) => [name, settingOf(name, setting)])),
    now: raw.now,
  };
}

/** Reads the answer to `POSITIONS_QUERY`. */
export function parsePositions(row: Row | undefined): Positions {
  const inRecovery = row?.['recovery'] === 'true';
  return {
    inRecovery,
    receivedLsn: inRecovery ? parseLsnOrNull(row['received']) : null,
    replayedLsn: inRecovery ? parseLsnOrNull(row['replayed']) : null,
    receiving: row?.['receiving'] === 'true',
    currentLsn: parseLsnOrNull(row?.['current']),
  };
}

/** pg_control alone is one checkpoint behind: a server promoted a moment ago still shows its old timeline there. */
function timelineOf(raw: RawFacts): number {
  if (raw.wal_file !== null) return timelineOfWalFile(raw.wal_file);
  return Math.max(raw.receiver?.timeline ?? 0, raw.recovery_timeline ?? 0, raw.segment_timeline ?? 0, raw.checkpoint_timeline);
}

function settingOf(name: string, [value, unit, source, file, line, pendingRestart]: RawSetting): Setting {
  const shown = value ?? '';
  return { value: name === 'primary_conninfo' ? maskPassword(shown) : shown, unit, source, file, line, pendingRestart };
}

function receiverOf(raw: RawReceiver): Receiver {
  return {
    pid: raw.pid,
    status: raw.status ?? 'unknown',
    senderHost: raw.host,
    senderPort: raw.port,
    slotName: raw.slot === '' ? null : raw.slot,
    timeline: raw.timeline,
    flushedLsn: parseLsnOrNull(raw.flushed),
    heardSecondsAgo: raw.heard,
  };
}

function senderOf(raw: RawSender): Sender {
  return {
    pid: raw.pid,
    applicationName: raw.application ?? '',
    clientAddress: raw.address,
    state: raw.state ?? 'unknown',
    sentLsn: parseLsnOrNull(raw.sent),
    flushLsn: parseLsnOrNull(raw.flush),
    replayLsn: parseLsnOrNull(raw.replay),
    syncState: raw.sync ?? 'unknown',
    flushLagSeconds: raw.flush_lag,
    replayLagSeconds: raw.lag,
    role: raw.role ?? '',
  };
}

function slotOf(raw: RawSlot): Slot {
  return {
    name: raw.name,
    type: raw.type,
    active: raw.active,
    activePid: raw.pid,
    temporary: raw.temporary,
    restartLsn: parseLsnOrNull(raw.restart),
    walStatus: raw.wal,
    retainedBytes: raw.retained,
    safeBytes: raw.safe,
    hasXmin: raw.xmin,
  };
}

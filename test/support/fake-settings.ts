import { confErrors, parseConf } from '../../src/postgres/conf-file.ts';
import type { FileError } from '../../src/postgres/server.ts';
import type { Setting } from '../../src/postgres/server-facts.ts';
import type { Disk } from './fake-disk.ts';
import { parentOf } from './fake-disk.ts';
import { isSyncValue } from './fake-sync.ts';

interface Known {
  readonly boot: string;
  /** `postmaster` takes effect at a start only. */
  readonly context: 'postmaster' | 'sighup';
  readonly unit?: string;
  readonly bool?: true;
  /** The first major in which a reload changes it, too. */
  readonly reloadsSince?: number;
  /** Majors that have it. */
  readonly since?: number;
  readonly until?: number;
}

const start = (boot: string, more: Partial<Known> = {}): Known => ({ boot, context: 'postmaster', ...more });
const reload = (boot: string, more: Partial<Known> = {}): Known => ({ boot, context: 'sighup', ...more });
const flag = { bool: true } as const;

/** The settings that the fake server knows; contexts and defaults as in the source (guc_tables.c). */
const KNOWN: Readonly<Record<string, Known>> = {
  wal_level: start('replica'),
  max_wal_senders: start('10'),
  max_replication_slots: start('10'),
  hot_standby: start('on', flag),
  hot_standby_feedback: reload('off', flag),
  wal_log_hints: start('off', flag),
  data_checksums: start('off', flag),
  wal_keep_size: reload('0', { unit: 'MB' }),
  max_slot_wal_keep_size: reload('-1', { unit: 'MB' }),
  max_wal_size: reload('1024', { unit: 'MB' }),
  wal_segment_size: start('16777216', { unit: 'B' }),
  listen_addresses: start('localhost'),
  port: start('5432'),
  max_connections: start('100'),
  superuser_reserved_connections: start('3'),
  reserved_connections: start('0', { since: 16 }),
  max_worker_processes: start('8'),
  max_prepared_transactions: start('0'),
  max_locks_per_transaction: start('64'),
  primary_conninfo: reload(''),
  primary_slot_name: reload(''),
  recovery_target: start(''),
  recovery_target_action: start('pause'),
  recovery_target_inclusive: start('on', flag),
  recovery_target_lsn: start(''),
  recovery_target_name: start(''),
  recovery_target_time: start(''),
  recovery_target_timeline: start('latest'),
  recovery_target_xid: start(''),
  recovery_min_apply_delay: reload('0', { unit: 'ms' }),
  recovery_end_command: reload(''),
  archive_cleanup_command: reload(''),
  restore_command: start('', { reloadsSince: 14 }),
  archive_mode: start('off'),
  archive_command: reload(''),
  archive_library: reload('', { since: 15 }),
  synchronous_standby_names: reload(''),
  synchronous_commit: reload('on'),
  synchronized_standby_slots: reload('', { since: 17 }),
  sync_replication_slots: reload('off', { ...flag, since: 17 }),
  cluster_name: start(''),
  unix_socket_directories: start('/tmp'),
  shared_preload_libraries: start(''),
  full_page_writes: reload('on', flag),
  fsync: reload('on', flag),
  wal_retrieve_retry_interval: reload('5000', { unit: 'ms' }),
  wal_receiver_timeout: reload('60000', { unit: 'ms' }),
  wal_receiver_status_interval: reload('10', { unit: 's' }),
  wal_sender_timeout: reload('60000', { unit: 'ms' }),
  tcp_keepalives_idle: reload('0', { unit: 's' }),
  promote_trigger_file: reload('', { until: 15 }),
  allow_alter_system: reload('on', { ...flag, since: 17 }),
  idle_replication_slot_timeout: reload('0', { unit: 's', since: 18 }),
  ssl: reload('off', flag),
  password_encryption: reload('scram-sha-256'),
  external_pid_file: start(''),
  data_directory: start(''),
  restart_after_crash: reload('on', flag),
  shared_buffers: start('16384', { unit: '8kB' }),
  work_mem: reload('4096', { unit: 'kB' }),
  logging_collector: start('off', flag),
  log_directory: reload('log'),
  log_filename: reload('postgresql.log'),
  log_min_duration_statement: reload('-1', { unit: 'ms' }),
  hba_file: start(''),
  ident_file: start(''),
};

const BYTES: Readonly<Record<string, number>> = { B: 1, kB: 1024, '8kB': 8192, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 };
const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** A value as the configuration files give it, with the place that wins. */
export interface FileValue {
  readonly value: string;
  readonly file: string;
  readonly line: number;
}

export interface ReadConfiguration {
  readonly values: ReadonlyMap<string, FileValue>;
  /** Each of them keeps a server from starting. */
  readonly errors: readonly FileError[];
  /** Of these only the one value is left out at a reload; the rest of the errors make it ignore every file. */
  readonly softErrors: readonly FileError[];
}

/**
 * Reads postgresql.conf with its includes, then postgresql.auto.conf, which wins (ProcessConfigFile of guc-file.c): the last setting of a
 * name counts.
 */
export function readConfiguration(disk: Disk, directory: string, configFile: string, major: number): ReadConfiguration {
  const values = new Map<string, FileValue>();
  const errors: FileError[] = [];
  const softErrors: FileError[] = [];

  const readFile = (path: string, depth: number, needed: boolean, from: { readonly file: string; readonly line: number } | null): void => {
    const text = disk.text(path);
    if (text === null) {
      if (needed) errors.push({ file: from?.file ?? path, line: from?.line ?? null, error: `could not open file "${path}"` });
      return;
    }
    if (depth > 10) {
      errors.push({ file: path, line: null, error: 'nesting depth exceeded' });
      return;
    }
    for (const { line } of confErrors(text)) errors.push({ file: path, line, error: 'syntax error' });
    for (const { name, value, line } of parseConf(text)) {
      const target = value.startsWith('/') ? value : `${parentOf(path)}/${value}`;
      if (name === 'include' || name === 'include_if_exists') {
        readFile(target, depth + 1, name === 'include', { file: path, line });
      } else if (name === 'include_dir') {
        for (const one of disk.list(target) ?? []) if (one.endsWith('.conf')) readFile(`${target}/${one}`, depth + 1, true, { file: path, line });
      } else if (known(name, major) === null && !name.includes('.')) {
        errors.push({ file: path, line, error: `unrecognized configuration parameter "${name}"` });
      } else {
        const shown = show(name, value);
        if (shown === null) softErrors.push({ file: path, line, error: `invalid value for parameter "${name}": "${value}"` });
        else values.set(name, { value: shown, file: path, line });
      }
    }
  };

  readFile(configFile, 0, true, null);
  readFile(`${directory}/postgresql.auto.conf`, 0, false, null);
  return { values, errors, softErrors };
}

function known(name: string, major: number): Known | null {
  const found = KNOWN[name];
  if (found === undefined || major < (found.since ?? 0) || major > (found.until ?? 99)) return null;
  return found;
}

/** The value as pg_settings.setting shows it; `null` when the server would not take it. */
function show(name: string, value: string): string | null {
  const setting = KNOWN[name];
  if (name === 'synchronous_standby_names' && !isSyncValue(value)) return null;
  if (setting?.bool === true) {
    if (['on', 'true', 'yes', '1'].includes(value.toLowerCase())) return 'on';
    return ['off', 'false', 'no', '0'].includes(value.toLowerCase()) ? 'off' : null;
  }
  if (setting?.unit === undefined) return setting !== undefined && /^-?[0-9]+$/.test(setting.boot) && !/^-?[0-9]+$/.test(value) ? null : value;
  const match = /^(-?[0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)$/.exec(value);
  if (match?.[1] === undefined) return null;
  if (match[2] === '' || match[1] === '-1') return match[1];
  const table = setting.unit in BYTES ? BYTES : MILLISECONDS;
  const factor = table[match[2] ?? ''];
  return factor === undefined ? null : String(Math.round((Number(match[1]) * factor) / (table[setting.unit] ?? 1)));
}

/** Values in force in a running server, by name. */
export type Running = Map<string, Setting>;

/** What a server that starts now has in force. */
export function settingsAtStart(read: ReadConfiguration, major: number, fixed: Readonly<Record<string, string>>): Running {
  const running: Running = new Map();
  for (const name of Object.keys(KNOWN)) {
    const setting = known(name, major);
    if (setting !== null) running.set(name, effective(name, setting, read));
  }
  for (const [name, found] of read.values) if (name.includes('.')) running.set(name, { value: found.value, unit: null, source: 'configuration file', file: found.file, line: found.line, pendingRestart: false });
  for (const [name, value] of Object.entries(fixed)) running.set(name, { value, unit: KNOWN[name]?.unit ?? null, source: 'override', file: null, line: null, pendingRestart: false });
  return running;
}

/**
 * Takes over what may change while it runs; the others are marked as waiting for a restart. So is a line that was there at the start and
 * is gone, whatever it said; one that came since, with the value in force, comes and goes (guc-file.l, ProcessConfigFileInternal).
 */
export function settingsAtReload(running: Running, read: ReadConfiguration, major: number): void {
  for (const [name, now] of running) {
    const setting = known(name, major);
    if (setting === null || now.source === 'override') continue;
    const wanted = effective(name, setting, read);
    if (!needsStart(setting, major)) running.set(name, wanted);
    else running.set(name, { ...now, pendingRestart: wanted.value !== now.value || isGone(now, read, name) });
  }
}

/** What pg_file_settings says of lines that were there at the start and are gone: an error without a place, until the next start. */
export function goneErrors(running: Running, read: ReadConfiguration, major: number): readonly FileError[] {
  return [...running].flatMap(([name, now]) => {
    const setting = known(name, major);
    if (setting === null || !needsStart(setting, major) || !isGone(now, read, name)) return [];
    return [{ file: null, line: null, error: `parameter "${name}" cannot be changed without restarting the server` }];
  });
}

function isGone(now: Setting, read: ReadConfiguration, name: string): boolean {
  return now.source === 'configuration file' && !read.values.has(name);
}

function needsStart({ context, reloadsSince }: Known, major: number): boolean {
  return context === 'postmaster' && major < (reloadsSince ?? 99);
}

function effective(name: string, setting: Known, read: ReadConfiguration): Setting {
  const found = read.values.get(name);
  const unit = setting.unit ?? null;
  if (found === undefined) return { value: setting.boot, unit, source: 'default', file: null, line: null, pendingRestart: false };
  return { value: found.value, unit, source: 'configuration file', file: found.file, line: found.line, pendingRestart: false };
}

/** What holds when no file says anything. */
export function bootValue(name: string): string | null {
  return KNOWN[name]?.boot ?? null;
}

/** True for settings that only a start can change. */
export function isStartOnly(name: string, major: number): boolean {
  const setting = known(name, major);
  return setting !== null && needsStart(setting, major);
}

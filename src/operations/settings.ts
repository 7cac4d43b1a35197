import type { Reason } from '../errors.ts';
import { archiveCommandOf, type Archive } from '../postgres/archive.ts';
import { renderConninfo } from '../postgres/conninfo.ts';
import { renderOwnedConf } from '../postgres/conf-file.ts';
import { settingBytes } from '../postgres/units.ts';
import type { Setting } from '../postgres/server-facts.ts';
import type { SslWords } from '../postgres/tls-files.ts';
import type { NodePlace } from '../steps/world.ts';
import { STANDBY_CONF, valuesOf, type ConfigFacts } from './config.ts';
import { tlsSettings } from './tls-settings.ts';

/** One line of our file. `expect`: how pg_settings shows it; `null` when only the server knows its unit. */
export interface OwnedSetting {
  readonly name: string;
  readonly value: string;
  readonly why: string;
  readonly expect: string | null;
  readonly restart: boolean;
  /** Without this line the next restart would bring another value than is needed, whatever runs now. */
  readonly overruled: boolean;
}

/** Where commits wait; changed by `pgrepl sync` alone. */
export const SYNC_SETTING = 'synchronous_standby_names';
/** The reason that stands behind its line in pgrepl.conf. */
export const SYNC_WHY = 'pgrepl sync';

/** The reason that stands behind the lines of the archive. */
export const ARCHIVE_WHY = 'the archive of the cluster file';

const MB = 1024 * 1024;
const GB = 1024 * MB;
/** pg_rewind needs older WAL than a running pair does (hazard J14). */
const KEEP_BYTES = GB;
const WANTED_SENDERS = 10;

/** The effective settings of a node: what pg_settings shows, or nothing of a server that is still to be made. */
export type Effective = Readonly<Record<string, Setting>>;

export interface SettingsInput {
  readonly place: NodePlace;
  readonly effective: Effective;
  /** What the files say now, reloaded or not: the values after the next restart. Those that are missing stay as they are. */
  readonly atRestart: Effective;
  readonly config: ConfigFacts | null;
  /** A server that is being made gets every line; an adopted one only what it lacks. */
  readonly fresh: boolean;
  readonly walTotalBytes: number;
  /** The most that an existing slot retains now, bytes. */
  readonly slotRetainedBytes: number;
  readonly set: Readonly<Record<string, string>>;
  /** For a new server whose owner may not use the built-in place of sockets; `null`: leave it. */
  readonly socketDirectory: string | null;
  /** That of the cluster file. */
  readonly archive?: Archive | undefined;
}

/**
 * What replication needs in the configuration of a primary, never lowering a value (hazards A05, A07, A14, E02, J10). Lines that our
 * file has already are kept, so that a second rendering is the same. Pure.
 */
export function ownedSettings(input: SettingsInput): readonly OwnedSetting[] {
  const mine = valuesOf(input.config?.owned ?? null);
  const lines: OwnedSetting[] = [];
  const now = (name: string): string | undefined => input.effective[name]?.value;
  const need = (name: string, value: string, why: string, fits: (setting: Setting | undefined) => boolean, options: { expect?: string | null; restart: boolean }): void => {
    if (name in input.set) return;
    const kept = mine.get(name);
    const runs = fits(input.effective[name]);
    const overruled = !fits(atRestart(input, name));
    if (!input.fresh && runs && !overruled && kept === undefined) return;
    // What runs well must survive the restart as it is: it may be more than we need.
    const held = runs ? (now(name) ?? value) : value;
    lines.push({ name, value: runs && !overruled && kept !== undefined ? kept : held, why, expect: !runs ? (options.expect ?? value) : overruled ? held : null, restart: options.restart && !runs, overruled });
  };
  const atLeast = (wanted: number) => (setting: Setting | undefined): boolean => Number(setting?.value ?? '0') >= wanted;
  const is = (...wanted: readonly string[]) => (setting: Setting | undefined): boolean => setting !== undefined && wanted.includes(setting.value);

  need('wal_level', 'replica', 'standbys need it', is('replica', 'logical'), { restart: true });
  need('max_wal_senders', String(WANTED_SENDERS), 'one for each standby, two for each copy', atLeast(WANTED_SENDERS), { restart: true });
  need('max_replication_slots', String(WANTED_SENDERS), 'one for each standby', atLeast(WANTED_SENDERS), { restart: true });
  need('hot_standby', 'on', 'standbys can be read and looked at', is('on'), { restart: true });
  // A new cluster has checksums, which serve pg_rewind as well as hints do.
  if (!input.fresh && (now('data_checksums') !== 'on' || mine.has('wal_log_hints'))) need('wal_log_hints', 'on', 'lets pg_rewind bring this node back', is('on'), { restart: true });

  const keep = Math.floor(Math.min(KEEP_BYTES, input.walTotalBytes / 20) / MB);
  need('wal_keep_size', `${keep}MB`, 'pg_rewind needs older WAL', (setting) => bytesOf(setting) >= keep * MB, { expect: String(keep), restart: false });

  const cap = Math.max(1, Math.floor(input.walTotalBytes / 4 / MB));
  const capped = (setting: Setting | undefined): boolean => bytesOf(setting) >= 0;
  if (input.fresh || capped(input.effective['max_slot_wal_keep_size']) || input.slotRetainedBytes < (cap * MB) / 2) {
    need('max_slot_wal_keep_size', `${cap}MB`, 'a forgotten slot must not fill the disk: a quarter of the file system', capped, { expect: String(cap), restart: false });
  }

  // Where commits wait is for `pgrepl sync` to change: to leave the line out would make them asynchronous without a word.
  const sync = mine.get(SYNC_SETTING);
  if (sync !== undefined && !(SYNC_SETTING in input.set)) lines.push({ name: SYNC_SETTING, value: sync, why: SYNC_WHY, expect: null, restart: false, overruled: false });

  if (input.archive !== undefined) {
    const command = archiveCommandOf(input.archive);
    need('archive_mode', 'on', ARCHIVE_WHY, is('on', 'always'), { restart: true });
    // Always a line of ours: what archives must not hang on a file that somebody else edits.
    // While archive_mode is off the server shows it as (disabled); what it archives with after the restart is proved by a file.
    const shows = input.fresh || is('on', 'always')(input.effective['archive_mode']);
    lines.push({ name: 'archive_command', value: command, why: ARCHIVE_WHY, expect: shows && !is(command)(input.effective['archive_command']) ? command : null, restart: false, overruled: !is(command)(atRestart(input, 'archive_command')) });
    if ((now('archive_library') ?? '') !== '' || mine.has('archive_library')) need('archive_library', '', ARCHIVE_WHY, is(''), { restart: false });
  } else {
    // A cluster file that says nothing any more does not stop an archive.
    for (const name of ['archive_mode', 'archive_command', 'archive_library']) {
      const value = mine.get(name);
      if (value !== undefined && !(name in input.set)) lines.push({ name, value, why: ARCHIVE_WHY, expect: null, restart: false, overruled: false });
    }
  }

  const { host } = input.place;
  const listens = (setting: Setting | undefined): boolean => !input.fresh && listenOn(host, setting?.value ?? 'localhost') === setting?.value;
  need('listen_addresses', listenOn(host, now('listen_addresses') ?? 'localhost'), 'where standbys and clients connect', listens, { restart: true });
  if (input.fresh || mine.has('port')) need('port', String(input.place.port), 'as in the cluster file', is(String(input.place.port)), { restart: true });
  if (input.fresh || mine.has('cluster_name')) need('cluster_name', input.place.name, 'shows in ps, and names the standby to its upstream', is(input.place.name), { restart: true });
  // A value that is there already is another certificate, which nobody may lose unasked: what the cluster file says is what is wanted.
  for (const { name, value, why } of tlsSettings(input.place.tls)) need(name, value, why, is(value), { restart: false });
  const sockets = input.socketDirectory ?? mine.get('unix_socket_directories');
  if (sockets !== undefined) need('unix_socket_directories', sockets, 'the owner of the server may not write the usual place', is(sockets), { restart: true });
  for (const [name, value] of Object.entries(input.set)) lines.push({ name, value, why: 'set in the cluster file', expect: null, restart: false, overruled: false });
  return lines;
}

/** What this setting will be after the next restart; a value of the command line comes back with it. */
function atRestart(input: SettingsInput, name: string): Setting | undefined {
  const now = input.effective[name];
  return now?.source === 'command line' ? now : (input.atRestart[name] ?? now);
}

/** A finding when there is no cap on slot WAL and one cannot be set without endangering a slot; `null` otherwise. */
export function uncappedSlots(input: SettingsInput): string | null {
  const cap = input.walTotalBytes / 4;
  const limit = input.effective['max_slot_wal_keep_size'];
  if (input.fresh || limit === undefined || bytesOf(limit) >= 0 || input.slotRetainedBytes < cap / 2) return null;
  return `max_slot_wal_keep_size stays unlimited: a slot retains ${Math.round(input.slotRetainedBytes / MB)} MB already, half of the cap of ${Math.round(cap / MB)} MB or more`;
}

/** What `localhost` means on nearly every machine; Debian's name of the machine itself is 127.0.1.1, and not among them. */
const LOCALHOST: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1']);

/** `listen_addresses` that cover this address too; the present ones are kept. */
export function listenOn(host: string, present: string): string {
  const addresses = present.split(',').map((word) => word.trim()).filter((word) => word !== '');
  const covered = addresses.some((word) => word === '*' || word === host || (word === '0.0.0.0' && host.includes('.')) || (word === '::' && host.includes(':')) || (word === 'localhost' && LOCALHOST.has(host)));
  return covered ? present : [...addresses, host].join(',');
}

/** Settings of ours that postgresql.auto.conf or the command line overrides: writing them would have no effect (hazard A15). */
export function overridden(node: string, settings: readonly OwnedSetting[], config: ConfigFacts, effective: Effective): readonly Reason[] {
  const auto = valuesOf(config.auto);
  return settings
    .filter((setting) => setting.overruled && (auto.has(setting.name) || effective[setting.name]?.source === 'command line'))
    .map((setting) => {
      const line = effective[setting.name];
      const where = auto.has(setting.name) ? `postgresql.auto.conf${line?.line === null || line?.line === undefined ? '' : ` line ${line.line}`} sets ${setting.name} = ${auto.get(setting.name) ?? ''}` : `the command line sets ${setting.name}`;
      return {
        code: 'setting-overridden',
        node,
        message: `${where}, which wins over every file; ${setting.value} is needed`,
        hint: 'ALTER SYSTEM wrote it, or somebody by hand.',
        next: auto.has(setting.name) ? [`ALTER SYSTEM RESET ${setting.name}`] : [],
      };
    });
}

/** pgrepl.conf, whole. */
export function renderOwned(node: string, settings: readonly { readonly name: string; readonly value: string; readonly why: string }[]): string {
  return renderOwnedConf({ node, settings, lastLine: `include '${STANDBY_CONF}'` });
}

/** Recovery settings that an old restore, or an earlier life as a standby, leaves behind; ours must be the only ones. */
export const RECOVERY_SETTINGS: readonly string[] = [
  'primary_conninfo', 'primary_slot_name', 'restore_command', 'archive_cleanup_command', 'recovery_end_command', 'recovery_target', 'recovery_target_name',
  'recovery_target_time', 'recovery_target_xid', 'recovery_target_lsn', 'recovery_target_timeline', 'recovery_target_action', 'recovery_target_inclusive',
  'recovery_min_apply_delay', 'promote_trigger_file',
];

export interface StandbySettings {
  readonly place: NodePlace;
  /** Where it streams from. */
  readonly upstream: { readonly host: string; readonly port: number };
  readonly delay: string | null;
  readonly restoreCommand: string | null;
  readonly hasTriggerFile: boolean;
  /** Just before a switchover: 5 ms keep a promote from sleeping out the default 5 seconds (xlogrecovery.c, WaitForWALToBecomeAvailable). */
  readonly fastRetry: boolean;
  /** How it connects; without any word encrypted where the upstream offers it. */
  readonly ssl: SslWords;
}

/** pgrepl.standby.conf of a standby: where it streams from, and blanks for whatever else could stop or redirect it (hazards A11, A13, D06, D07). */
export function renderStandby(wanted: StandbySettings): string {
  const { place, upstream } = wanted;
  const conninfo = renderConninfo({
    host: upstream.host,
    port: String(upstream.port),
    user: place.replicationUser,
    passfile: place.passfile,
    application_name: place.name,
    ...(wanted.ssl.sslmode === undefined ? { sslmode: 'prefer' } : wanted.ssl),
    keepalives_idle: '10',
    keepalives_interval: '5',
    keepalives_count: '3',
  });
  const settings = [
    { name: 'primary_conninfo', value: conninfo, why: 'the password is in the passfile' },
    { name: 'primary_slot_name', value: place.name, why: 'keeps WAL for this node' },
    { name: 'restore_command', value: wanted.restoreCommand ?? '', why: wanted.restoreCommand === null ? 'streaming only' : 'as in the cluster file' },
    { name: 'recovery_min_apply_delay', value: wanted.delay ?? '0', why: wanted.delay === null ? 'no delay' : 'as in the cluster file' },
    ...['archive_cleanup_command', 'recovery_end_command'].map((name) => ({ name, value: '', why: 'none' })),
    ...TARGETS,
    ...(wanted.hasTriggerFile ? [{ name: 'promote_trigger_file', value: '', why: 'none' }] : []),
    ...(wanted.fastRetry ? [{ name: 'wal_retrieve_retry_interval', value: '5ms', why: 'during a switchover' }] : []),
  ];
  return renderOwnedConf({ node: place.name, settings });
}

/**
 * pgrepl.standby.conf of a primary: nothing to stream from. `restoreCommand` is that of the line in the present file, `null`: no line. A primary
 * does not use it, but in 13 only a start can change it (PGC_POSTMASTER in its guc.c, PGC_SIGHUP since 14), and a line that goes would wait
 * for one. A line over a value that the user's own files have would rule over that, so it gets none. Pure.
 */
export function renderNoStandby(place: NodePlace, restoreCommand: string | null): string {
  const kept = restoreCommand === null ? [] : [{ name: 'restore_command', value: restoreCommand, why: restoreCommand === '' ? 'none' : 'as it was as a standby' }];
  return renderOwnedConf({ node: place.name, settings: [...kept, ...TARGETS] });
}

/** `restore_command` of a standby file as it is now; `null` where there is no file or no such line. Pure. */
export function restoreCommandIn(standbyFile: string | null): string | null {
  return valuesOf(standbyFile).get('restore_command') ?? null;
}

/**
 * In the file of every role: these can only be set at start, and to a running server a line that goes is a change that waits for a
 * restart, whatever its value was (guc-file.l, ProcessConfigFile).
 */
const TARGETS = [
  { name: 'recovery_target_timeline', value: 'latest', why: 'follows a new primary' },
  ...['recovery_target', 'recovery_target_name', 'recovery_target_time', 'recovery_target_xid', 'recovery_target_lsn'].map((name) => ({ name, value: '', why: 'none' })),
];

function bytesOf(setting: Setting | undefined): number {
  return setting === undefined ? -1 : settingBytes(setting.value, setting.unit);
}

import { majorOf } from './version.ts';

/** The majors that pgrepl is made for and tested on. */
export const SUPPORTED_MAJORS = [13, 14, 15, 16, 17, 18] as const;

/** `since` and `until` are majors, both inclusive. */
interface Range {
  readonly since?: number;
  readonly until?: number;
}

/** What differs between the majors, by name (checked in the PostgreSQL sources). A new major has what the newest one has. */
const TABLE = {
  /** A hot standby that is lower in a required parameter pauses its replay instead of stopping (xlogrecovery.c). */
  pausesWhenParametersTooLow: { since: 14 },
  /** A reload changes `restore_command` (PGC_SIGHUP in guc.c); before, only a start does. */
  restoreCommandReloads: { since: 14 },
  /** `promote_trigger_file` exists; from 16 on a server with it in its configuration does not start. */
  promoteTriggerFile: { until: 15 },
  /** `include`, `include_if_exists`, `include_dir` and regular expressions for names in pg_hba.conf. */
  hbaIncludes: { since: 16 },
  /** A backslash at the end of a line of pg_hba.conf joins it with the next one, in comments too. */
  hbaJoinsLines: { since: 14 },
  /** `allow_alter_system` exists and may be off. */
  allowAlterSystem: { since: 17 },
  /** pg_replication_slots has `invalidation_reason` and `inactive_since`. */
  slotInvalidationReason: { since: 17 },
  /** `idle_replication_slot_timeout` exists. */
  idleSlotTimeout: { since: 18 },
  /** `pg_rewind --config-file`. */
  rewindConfigFile: { since: 15 },
  /** pg_rewind sees the timeline of a just-promoted source before its first checkpoint. */
  rewindSeesFreshTimeline: { since: 16 },
  /** `pg_get_wal_replay_pause_state()`. */
  pauseStateFunction: { since: 14 },
  /** `pg_database.datcollversion`. */
  collationVersionPerDatabase: { since: 15 },
  /** The predefined role `pg_checkpoint`. */
  checkpointRole: { since: 15 },
  /** `password_encryption` is `scram-sha-256` unless set. */
  scramByDefault: { since: 14 },
  /** initdb turns data checksums on unless told otherwise. */
  checksumsByDefault: { since: 18 },
  /** `pg_basebackup --compress=server-…`. */
  basebackupServerCompression: { since: 15 },
  /** libpq compares an address with the addresses in a certificate; before, with its DNS names only. */
  libpqVerifiesAddresses: { since: 15 },
  /** `scram_iterations` exists; before, every verifier has 4096. */
  scramIterations: { since: 16 },
  /** libpq knows `target_session_attrs=prefer-standby`; before, it tells primaries from standbys by `read-write` alone. */
  prefersStandby: { since: 14 },
  /** libpq knows `load_balance_hosts`; an older one refuses the whole connection string for it (fe-connect.c). */
  balancesHosts: { since: 16 },
  /** `reserved_connections` and the role pg_use_reserved_connections. */
  reservedConnections: { since: 16 },
} as const satisfies Readonly<Record<string, Range>>;

export type Features = { readonly [feature in keyof typeof TABLE]: boolean };

/** What a server or program of this `server_version_num` can do. Every other file asks here and compares no majors. */
export function features(versionNumber: number): Features {
  const major = majorOf(versionNumber);
  const has = ({ since, until }: Range): boolean => (since === undefined || major >= since) && (until === undefined || major <= until);
  return Object.fromEntries(Object.entries(TABLE).map(([feature, range]) => [feature, has(range)])) as Features;
}

/** Whether pgrepl is made for the major of this `server_version_num`. */
export function isSupported(versionNumber: number): boolean {
  return (SUPPORTED_MAJORS as readonly number[]).includes(majorOf(versionNumber));
}

/** True when both numbers are of one major: only then can one server's data directory be run by the other's programs. */
export function sameMajor(a: number, b: number): boolean {
  return majorOf(a) === majorOf(b);
}

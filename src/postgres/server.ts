import type { Secret } from '../secret.ts';
import type { DatabaseHealth, FileHealth, Pulse, ServerHealth } from './health.ts';
import type { Lsn } from './lsn.ts';
import type { ArchiverFacts } from './sql-archiver.ts';
import type { Contents } from './sql-contents.ts';
import type { CommitTimes, CommitWait, StandbyDelay } from './sql-latency.ts';
import type { WalPiece } from './tools.ts';
import type { ServerFacts } from './server-facts.ts';

export interface Tablespace {
  readonly name: string;
  readonly oid: number;
  readonly location: string;
  readonly sizeBytes: number;
}

/** What a server asks of the machine that it runs on, and its copy of another one. */
export interface Demands {
  /** Locales in use: `of` is a database, or with `setting` the setting that names it. */
  readonly locales: readonly { readonly name: string; readonly of: string; readonly setting: boolean }[];
  /** Value by setting, as every session gets it. */
  readonly preload: Readonly<Record<string, string>>;
  readonly libraryPath: string;
  /** Of the main segment, as it is now. */
  readonly sharedMemoryBytes: number;
  readonly sharedBuffersBytes: number;
  readonly hugePages: string;
  /** `0`: the kernel's own size. */
  readonly hugePageSize: string;
}

/** What only a change needs to know; asked on top of `ServerFacts`. */
export interface Inventory {
  readonly databaseBytes: number;
  readonly tablespaces: readonly Tablespace[];
  /** pg_wal files that the archiver has not taken yet; 0 when archiving is off. */
  readonly archiveReady: number;
  readonly archiveFailing: boolean;
  readonly preparedTransactions: number;
  readonly runningBackups: number;
  /** `schema.table` with its database in front, at most 20. */
  readonly unloggedTables: readonly string[];
  /** Other replication managers that have left their marks here: `repmgr`, `pg_auto_failover`, `Patroni`, … */
  readonly otherManagers: readonly string[];
  /** Pids of client backends in a transaction for over 10 seconds. */
  readonly longTransactions: number;
  /** Commits that have waited for a synchronous standby for over 5 seconds; shorter waits are everyday life. */
  readonly waitingForSync: number;
  /** Roles, databases and pairs of them with a synchronous_commit of their own (pg_db_role_setting). */
  readonly commitLevels: readonly CommitLevel[];
  readonly demands: Demands;
  /** WAL that was written since the oldest segment that is still there, per second; `null` of a standby. */
  readonly walBytesPerSecond: number | null;
}

/** A synchronous_commit that sessions get instead of the server's. */
export interface CommitLevel {
  /** `role app`, `database shop`, `role app in database shop`. */
  readonly of: string;
  readonly value: string;
}

export interface RoleFacts {
  readonly name: string;
  readonly login: boolean;
  readonly replication: boolean;
  readonly superuser: boolean;
  readonly expired: boolean;
  /** -1: no limit. */
  readonly connectionLimit: number;
  /** What pg_authid holds; `null` when the role has no password. */
  readonly verifier: Secret | null;
}

export interface FileError {
  readonly file: string | null;
  readonly line: number | null;
  readonly error: string;
}

/** One parsed rule of pg_hba.conf, as the server reads the file now (pg_hba_file_rules). */
export interface HbaRuleRow {
  readonly line: number;
  readonly type: string | null;
  readonly database: readonly string[];
  readonly user: readonly string[];
  readonly address: string | null;
  readonly netmask: string | null;
  readonly method: string | null;
  readonly error: string | null;
}

export interface Positions {
  readonly inRecovery: boolean;
  readonly receivedLsn: Lsn | null;
  readonly replayedLsn: Lsn | null;
  /** A WAL receiver process is there. */
  readonly receiving: boolean;
  readonly currentLsn: Lsn | null;
}

/**
 * A running server, asked and told by SQL in one session of the superuser. Every call has a deadline and fails with a
 * `PgreplError` (`sql-failed` with the SQLSTATE in `details[0]`, `connection-lost`, `sql-timeout`).
 * The session has an empty search_path, `synchronous_commit=local`, no statement timeout of others.
 */
export interface Server {
  facts(): Promise<ServerFacts>;
  inventory(): Promise<Inventory>;
  /** Other replication managers that have left their marks here: `repmgr`, `pg_auto_failover`, `Patroni`, … The light part of the inventory. */
  otherManagers(): Promise<readonly string[]>;
  /** Roles, databases and pairs of them with a synchronous_commit of their own. */
  commitLevels(): Promise<readonly CommitLevel[]>;
  /** How it will go on: settings, ages, slots, the archiver, who holds vacuum back. One question; a member of pg_monitor may ask. */
  health(): Promise<ServerHealth>;
  /** What the next restart will read, libraries, and how passwords are kept. A superuser may ask. */
  fileHealth(): Promise<FileHealth>;
  /** What can only be seen from inside its databases; those that let nobody in are missing. */
  databaseHealth(): Promise<readonly DatabaseHealth[]>;
  /** Databases that let clients in, without the templates. */
  databaseNames(): Promise<readonly string[]>;
  /** One of its databases in a session of its own, to be read table by table; the caller closes it. */
  contentsOf(database: string): Promise<Contents>;
  /** Positions and transactions alone: two of them give rates. */
  pulse(): Promise<Pulse>;
  /** True while a connection with this application name is open on this server. */
  hasClient(applicationName: string): Promise<boolean>;
  /** `database.schema.table`, at most 20; also of a standby, which shows those of its primary. Empty where no database lets us in. */
  unloggedTables(): Promise<readonly string[]>;
  /**
   * Databases whose text the system of this machine sorts otherwise than that of the server which made them, with both versions: their indexes
   * on text cannot be trusted (hazard D27). Nothing before 15, which does not record it.
   */
  collationMismatches(): Promise<readonly string[]>;
  positions(): Promise<Positions>;
  /** What the process that replays waits for, as pg_stat_activity names it (`RestoreCommand` from 15 on, …); `null`: nothing, or there is none. */
  startupWait(): Promise<string | null>;
  role(name: string): Promise<RoleFacts | null>;
  /** Whether a standby of this name streams over TLS (pg_stat_ssl). */
  senderIsEncrypted(applicationName: string): Promise<boolean>;
  /** LOGIN REPLICATION and nothing more; the verifier is sent, never the password. Idempotent: an existing role gets these. */
  createRole(name: string, verifier: Secret): Promise<void>;
  dropRole(name: string): Promise<void>;
  /** Reserves WAL at once. Throws `slot-exists`. */
  createSlot(name: string): Promise<void>;
  /** No error when there is none. Throws `slot-active` while in use. */
  dropSlot(name: string): Promise<void>;
  /** Re-reads the files and returns when the server has loaded them (pg_conf_load_time moved). */
  reload(): Promise<void>;
  /** True when it has read its files since this one was last modified (pg_conf_load_time against pg_stat_file). */
  hasLoaded(path: string): Promise<boolean>;
  /** Those of these settings that only a start can change, and whether one is waiting for it now. */
  startOnly(names: readonly string[]): Promise<ReadonlyMap<string, boolean>>;
  /** Errors of pg_file_settings, but for settings that only wait for a restart. */
  fileErrors(): Promise<readonly FileError[]>;
  hbaRules(): Promise<readonly HbaRuleRow[]>;
  /** ALTER SYSTEM RESET of exactly these, then nothing: reload is a step of its own. */
  resetSystemSettings(names: readonly string[]): Promise<void>;
  /** ALTER SYSTEM SET, to take a reset back. */
  setSystemSettings(values: Readonly<Record<string, string>>): Promise<void>;
  archiver(): Promise<ArchiverFacts>;
  /** Finishes the segment that is written and returns the name of its file. */
  switchWal(): Promise<string>;
  /** True while this file of pg_wal waits to be archived. */
  waitsForArchive(file: string): Promise<boolean>;
  checkpoint(): Promise<void>;
  /** Writes one small WAL record, flushed, and returns the end of it. Touches no table. */
  writeMarker(): Promise<Lsn>;
  /** Commits of one record each at this level, timed on the server; none longer than `limitMs` and a second, none after it. Touches no table. */
  commitTimes(level: CommitWait, limits: { readonly commits: number; readonly limitMs: number }): Promise<CommitTimes>;
  /** How far those who stream from it are behind in time, as it saw last. */
  standbyDelays(): Promise<readonly StandbyDelay[]>;
  /** Sends the request only (pg_promote without waiting). Throws `promote-refused` when the server said no. */
  requestPromote(): Promise<void>;
  /**
   * True for a standby that was told to become a primary and has not yet: the request stays, whoever sent it, until its startup process has
   * replayed all that is there (hazard H05). Nobody says so plainly: at first there is the file `promote` (xlog.c, PROMOTE_SIGNAL_FILE), then
   * `pg_wal_replay_resume`, which does nothing to a standby that is not paused, fails with 55000 (xlogfuncs.c, PromoteIsTriggered).
   */
  isPromoting(): Promise<boolean>;
  /** Timeline history file of this timeline as text; empty for 1. */
  timelineHistory(timeline: number): Promise<string>;
  /** The timeline in pg_control, which is that of its last checkpoint: behind the one that is written until the first checkpoint after a promote. */
  controlTimeline(): Promise<number>;
  /** Names of the WAL segments that are there, sorted; those that only wait for their turn among them. */
  walFiles(): Promise<readonly string[]>;
  /** A digest (SHA-256, hexadecimal) of each piece of its WAL, in order; `null` where the file is not there or shorter. */
  walDigests(pieces: readonly WalPiece[]): Promise<readonly (string | null)[]>;
  /** `database.schema.table` of these files (tablespace/database/filenode), a TOAST table by whose it is; those it does not know, and the system's own, are missing. */
  tablesOf(refs: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Whether that role may run the functions with which pg_rewind reads a source, in the database of this session. */
  mayRewind(role: string): Promise<boolean>;
  /** GRANT EXECUTE of exactly these functions to the role, or with `false` REVOKE. */
  grantRewind(role: string, granted: boolean): Promise<void>;
  /** Session-level advisory lock; false when another session has it. Ends with the session. */
  tryAdvisoryLock(key: bigint): Promise<boolean>;
  close(): Promise<void>;
}

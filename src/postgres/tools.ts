import type { LiveProcess } from '../host/host.ts';
import type { ControlData } from './control-data.ts';
import type { Lsn } from './lsn.ts';
import type { Service } from './service.ts';
import type { SslWords } from './tls-files.ts';
import type { Surroundings } from './surroundings.ts';
import type { TimelineSpan } from './timeline.ts';

export interface InitDatabaseOptions {
  readonly directory: string;
  readonly superuser: string;
}

export interface BaseBackupOptions {
  readonly directory: string;
  /** Address of the upstream, as the standby will use it. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly passfile: string;
  readonly ssl?: SslWords | undefined;
  readonly slot: string;
  readonly applicationName: string;
  readonly checkpoint: 'fast' | 'spread';
  readonly compress: 'none' | 'gzip' | 'lz4' | 'zstd';
  /** As pg_basebackup takes it (`32M`), `null` without a limit. */
  readonly maxRate: string | null;
  readonly tablespaces: readonly { readonly from: string; readonly to: string }[];
  readonly waldir: string | null;
}

export interface ByteProgress {
  readonly doneBytes: number;
  readonly totalBytes: number | null;
  readonly phase: string;
}

export interface StartOptions {
  readonly directory: string;
  /** Where postgresql.conf is, when it is not in the data directory. */
  readonly configFile: string | null;
  readonly logFile: string;
  readonly service: Service;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

export interface RewindOptions {
  /** The data directory that is rewound. */
  readonly directory: string;
  /** Where postgresql.conf is, when it is not in the data directory. */
  readonly configFile: string | null;
  /** Of the new primary, as its standbys use it. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly passfile: string;
  readonly ssl?: SslWords | undefined;
  /** Fetches WAL that the directory no longer has by its own `restore_command`. */
  readonly restoreTargetWal: boolean;
}

/** A piece of one WAL file, from its beginning. */
export interface WalPiece {
  readonly file: string;
  readonly bytes: number;
}

/** A stretch of the log in a directory, up to its end. */
export interface WalStretch {
  readonly timeline: number;
  readonly from: Lsn;
  /** `null`: as far as there is any. */
  readonly to: Lsn | null;
}

/** What is in a stretch of the log, counted from its records. */
export interface WalContent {
  readonly records: number;
  /** Transactions that were committed in it, prepared ones included. */
  readonly commits: number;
  /** Prepared for a second phase, and perhaps not committed. */
  readonly prepared: number;
  /** Time of the first and the last commit, as the server wrote it; `null` without one. */
  readonly firstCommitAt: string | null;
  readonly lastCommitAt: string | null;
  /** Files of tables that rows were written to: tablespace/database/filenode, by how many records, most first. */
  readonly relations: readonly { readonly ref: string; readonly records: number }[];
}

export interface CheckpointRecord {
  readonly lsn: Lsn;
  readonly redoLsn: Lsn;
}

export interface EndOfWal {
  /** Start of the last whole record; `null` when there is none from there on. */
  readonly lastRecordLsn: Lsn | null;
  /** Where the next record would be written. */
  readonly endLsn: Lsn;
  readonly commits: CommitsSeen;
}

/** Commits in a stretch of the log, as their own records tell it. Times are ISO 8601 in UTC, by the clock of the server that wrote them. */
export interface CommitsSeen {
  readonly count: number;
  /** `null` without any. */
  readonly first: string | null;
  readonly last: string | null;
}

export interface MarkStopped {
  readonly replayed: Lsn;
  /** The postmaster that was told to stop and may still be ending; `null`: none ran. */
  readonly stoppedPid: number | null;
}

export interface Marked {
  readonly control: ControlData;
  /** The signal file was made. */
  readonly marked: boolean;
  /** Somebody has started a server in the directory meanwhile, and no signal file is left there. */
  readonly restarted: boolean;
}

/**
 * The programs of one PostgreSQL installation on one host, run as the server's owner with a clean environment
 * (`LC_ALL=C`, no inherited `PG*`, the installation's own libraries when it is relocatable).
 */
export interface Programs {
  readonly binDir: string;
  /** `server_version_num` of the installed programs, e.g. 150018. */
  readonly versionNumber: number;
  /** The words that would be run; the dry run prints these and the verbs below run these. */
  readonly words: {
    initDatabase(options: InitDatabaseOptions): readonly [string, ...string[]];
    baseBackup(options: BaseBackupOptions): readonly [string, ...string[]];
    verifyBackup(directory: string): readonly [string, ...string[]];
    start(options: Pick<StartOptions, 'directory' | 'configFile' | 'logFile' | 'service'>): readonly [string, ...string[]];
    stop(directory: string, service: Service): readonly [string, ...string[]];
    rewind(options: RewindOptions, how?: 'dry'): readonly [string, ...string[]];
    recoverCrashed(directory: string, configFile: string | null): readonly [string, ...string[]];
  };
  initDatabase(options: InitDatabaseOptions, signal: AbortSignal): Promise<void>;
  /** `null` when there is no readable pg_control. Retried a few times: the file may be read while it is written. */
  controlData(directory: string): Promise<ControlData | null>;
  /**
   * Copies into an existing empty directory. While it runs, `standby.signal` is put there as soon as `backup_label` is seen.
   * Throws `base-backup-failed` with what pg_basebackup printed; its whole process group is gone then.
   */
  baseBackup(options: BaseBackupOptions, tell: (progress: ByteProgress) => void, signal: AbortSignal): Promise<void>;
  verifyBackup(directory: string, tell: (progress: ByteProgress) => void, signal: AbortSignal): Promise<void>;
  /** Has the postmaster started by whose it is, and returns when it accepts connections (`ready`, or `standby` of a hot standby). Throws `start-failed` with the end of the log. */
  start(options: StartOptions): Promise<void>;
  /**
   * Sends the fast-shutdown signal to the postmaster of this directory and returns at once; no error when none runs. Where a manager would
   * start it again, it is the manager who is asked.
   */
  signalFastStop(directory: string, service: Service): Promise<void>;
  /** Returns when no process of a server has this directory any more. Throws `stop-timeout` at the deadline: the request is not withdrawn. */
  waitStopped(directory: string, deadlineMs: number, signal: AbortSignal): Promise<void>;
  /** Those of a server in this directory, also if it was removed since; a shell that somebody left there is none. */
  processes(directory: string): Promise<readonly LiveProcess[]>;
  /** Ends processes of an interrupted run that still have this directory among their arguments (pg_basebackup and its WAL child). */
  stopLeftovers(directory: string): Promise<void>;
  /** Lets the installed server parse the whole configuration; the complaint, or `null` when a restart would read it well. */
  checkConfiguration(directory: string, configFile: string | null): Promise<string | null>;
  /** Effective value of one setting as the files of a (stopped) directory give it; `null` when the server does not know it. */
  settingValue(directory: string, configFile: string | null, name: string): Promise<string | null>;
  /** What the installed server says against this value (its own words), or `null` when it takes it. Needs no data directory, and looks at none. */
  settingComplaint(name: string, value: string): Promise<string | null>;
  /** What a server of this installation would find on its machine; which of these files are not there (`$libdir/` is its library directory). One round trip. */
  surroundings(files: readonly string[]): Promise<Surroundings>;
  /**
   * Finds the last valid record in the WAL of a stopped server with this control data, reading its timeline from `from` on, where a record
   * begins or would begin, and counts the commits that begin at `countFrom` (default `from`) or after. Throws `wal-unreadable`.
   */
  endOfWal(directory: string, control: Pick<ControlData, 'timeline' | 'walSegmentBytes'>, from: Lsn, countFrom?: Lsn): Promise<EndOfWal>;
  /**
   * The two acts between shutdown and promote of a switchover, in one round trip: reads pg_control of the stopped server and, when it is
   * shut down with its last checkpoint before `replayed`, makes standby.signal and syncs it and its directory. Not where another server than
   * the stopped one has the directory by then (hazard I08).
   */
  markStoppedPrimary(directory: string, options: MarkStopped): Promise<Marked>;
  /** Names of the WAL segments in this directory, sorted. */
  walFiles(directory: string): Promise<readonly string[]>;
  /** A digest (SHA-256, hexadecimal) of each piece, in order; `null` where the file is not there or shorter. */
  walDigests(directory: string, pieces: readonly WalPiece[]): Promise<readonly (string | null)[]>;
  /** Reads these stretches with pg_waldump and counts. Throws `wal-unreadable` when pg_waldump is not installed. */
  walContent(directory: string, stretches: readonly WalStretch[]): Promise<WalContent>;
  /** The last checkpoint record before this place in the log of the directory, where pg_rewind begins; `null` when its WAL is gone. */
  lastCheckpointBefore(directory: string, spans: readonly TimelineSpan[], before: Lsn, walSegmentBytes: number): Promise<CheckpointRecord | null>;
  /**
   * Single-user crash recovery of a directory that nobody runs: afterwards it is shut down, and keeps all its WAL. Its mode must let a server
   * start. Throws `recovery-failed`.
   */
  recoverCrashed(directory: string, configFile: string | null, signal: AbortSignal): Promise<void>;
  /** pg_rewind, or with `dry` what it would do. Throws `rewind-failed` with what it printed; its whole process group is gone then. */
  rewind(options: RewindOptions, how: 'dry' | 'real', tell: (progress: ByteProgress) => void, signal: AbortSignal): Promise<void>;
  /** Copies these entries of a directory into another one, which is there, with modes and times, files of the same name replaced; synced. Names that do not exist are passed over. Throws `copy-failed`. */
  copyEntries(from: string, names: readonly string[], to: string): Promise<void>;
  /** Has the link of a tablespace lead to this place, at once and whatever it led to before. Throws `link-failed`. */
  linkTablespace(link: string, to: string): Promise<void>;
}

import type { Lsn } from './lsn.ts';

/** A setting that is not as PostgreSQL comes, as every session gets it. */
export interface OwnSetting {
  readonly name: string;
  /** In its `unit`, as pg_settings.reset_val has it. */
  readonly value: string;
  readonly unit: string | null;
  readonly source: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly pendingRestart: boolean;
  /** What it would be without being set. */
  readonly byDefault: string | null;
}

/** One database and what time has done to it. Ages are in transactions, or multixacts. */
export interface DatabaseAge {
  readonly name: string;
  readonly xidAge: number;
  readonly multixactAge: number;
  readonly lets: boolean;
  readonly collate: string;
  /** Queries of this standby that were cancelled, since its statistics began. */
  readonly conflicts: number;
}

/** Who keeps vacuum from removing rows: all that died after `xidAge` transactions ago stays. */
export interface XminHolder {
  readonly kind: 'session' | 'walsender' | 'prepared';
  /** Process, or name of the prepared transaction. */
  readonly id: string;
  readonly user: string | null;
  readonly database: string | null;
  readonly application: string | null;
  /** `active`, `idle in transaction`, … */
  readonly state: string | null;
  readonly xidAge: number;
  /** Since its transaction began; `null`: not told. */
  readonly seconds: number | null;
}

/** A row of pg_replication_slots with what the majors have added to it; what this one does not have is `null`. */
export interface SlotHealth {
  readonly name: string;
  readonly type: 'physical' | 'logical';
  readonly database: string | null;
  readonly temporary: boolean;
  readonly active: boolean;
  readonly activePid: number | null;
  /** How long the session that uses it is there, seconds. */
  readonly sessionSeconds: number | null;
  readonly restartLsn: Lsn | null;
  readonly walStatus: string | null;
  readonly safeBytes: number | null;
  readonly retainedBytes: number | null;
  readonly xminAge: number | null;
  readonly catalogXminAge: number | null;
  /** Since when nobody uses it, seconds ago (17 and later). */
  readonly inactiveSeconds: number | null;
  readonly invalidationReason: string | null;
  readonly failover: boolean | null;
  readonly synced: boolean | null;
}

export interface ArchiverHealth {
  /** off, on, always. */
  readonly mode: string;
  /** Files that wait to be archived. */
  readonly ready: number;
  /** First of them that is a segment. */
  readonly oldestReady: string | null;
  readonly failed: number;
  readonly lastFailedFile: string | null;
  readonly lastFailedSeconds: number | null;
  readonly lastArchivedSeconds: number | null;
}

/** A look at what moves; two of them give rates. */
export interface Pulse {
  /** Seconds since 1970 by the server's clock. */
  readonly at: number;
  /** End of what was written; on a standby, of what was received. */
  readonly lsn: Lsn | null;
  /** The next transaction id, with its epoch. */
  readonly nextXid: bigint;
  /** Position by slot. */
  readonly slots: Readonly<Record<string, Lsn>>;
}

/** What a running server tells about how it will go on. Everything in one question; a member of pg_monitor may ask it. */
export interface ServerHealth {
  readonly pulse: Pulse;
  readonly settings: readonly OwnSetting[];
  readonly databases: readonly DatabaseAge[];
  readonly freezeMaxAge: number;
  readonly multixactFreezeMaxAge: number;
  /** The oldest first; vacuums themselves and this session are none. */
  readonly holders: readonly XminHolder[];
  readonly prepared: number;
  readonly slots: readonly SlotHealth[];
  readonly archiver: ArchiverHealth;
  readonly walDirectory: { readonly bytes: number; readonly files: number };
  /** Where the last checkpoint begins: a crash now is recovered from there. */
  readonly redoLsn: Lsn;
  /** Versions of the libraries that sort text, as this machine has them; `null`: it tells none. */
  readonly collations: { readonly libc: string | null; readonly icu: string | null };
  /** `name (made with A, here B)` of databases that were made under another version (15 and later). */
  readonly collationMismatches: readonly string[];
  /** Version by name of the extensions that could be made here. */
  readonly available: Readonly<Record<string, string>>;
  /** Sessions that wait for a lock which replay holds. */
  readonly behindReplayLock: number;
  /** Times a query was cancelled by replay are counted from here, seconds ago; `null`: since the server was made. */
  readonly statisticsSeconds: number | null;
}

/** What only a superuser may ask: files that the next restart will read, libraries, and how passwords are kept. */
export interface FileHealth {
  /** Lines of configuration files, as they are now; `applied` false: another line, or an error, wins. */
  readonly settings: readonly FileSetting[];
  readonly hba: readonly FileRule[];
  /** Roles that may log in with a password kept as MD5. */
  readonly md5Roles: readonly string[];
  /** Names of files in the directory of libraries, without `.so`. */
  readonly libraries: readonly string[];
  readonly logDirectory: { readonly path: string; readonly inside: boolean };
}

export interface FileSetting {
  readonly name: string | null;
  readonly value: string | null;
  readonly file: string | null;
  readonly line: number | null;
  readonly applied: boolean;
  readonly error: string | null;
}

export interface FileRule {
  readonly file: string | null;
  readonly line: number;
  readonly type: string | null;
  readonly databases: readonly string[];
  readonly users: readonly string[];
  readonly address: string | null;
  readonly mask: string | null;
  readonly method: string | null;
  readonly options: readonly string[];
  readonly error: string | null;
}

/** A table that autovacuum has not come to. */
export interface TableBehind {
  readonly name: string;
  readonly deadRows: number;
  readonly liveRows: number;
  /** Dead rows at which autovacuum takes it up. */
  readonly threshold: number;
  readonly xidAge: number;
  /** Since autovacuum was there last, seconds; `null`: never. */
  readonly vacuumedSeconds: number | null;
  readonly isOff: boolean;
}

/** What can only be seen from inside a database. */
export interface DatabaseHealth {
  readonly name: string;
  readonly tables: readonly TableBehind[];
  readonly unlogged: readonly string[];
  readonly extensions: readonly { readonly name: string; readonly version: string }[];
  /** Libraries that functions here are in, as a name in the directory of libraries. */
  readonly libraries: readonly string[];
}

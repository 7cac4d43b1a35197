import type { Duplex } from 'node:stream';

/** A program to run: words, never a shell string. Non-zero is a result, not an exception. */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  /** `reads` changes nothing on the host; a read-only host (dry run, queries) refuses `changes`. */
  readonly effect: 'reads' | 'changes';
  /** Added to the clean environment (PATH, HOME, LC_ALL=C); no `PG*` variable is ever inherited. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly input?: string | Uint8Array | undefined;
  /** Milliseconds until the program is stopped and the call fails; default 30,000. `Infinity` for long work with progress. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Each whole line as it comes; with it, nothing of that output is kept in memory but the last 200 lines. */
  readonly onLine?: ((stream: 'stdout' | 'stderr', line: string) => void) | undefined;
  /** In a process group of its own that is stopped, whole, on abort, at the end, and when pgrepl itself dies. */
  readonly guarded?: boolean | undefined;
}

export interface Exit {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  /** Permission bits, e.g. 0o700. */
  readonly mode: number;
  /** User name of the owner (the number as text when it has no name). */
  readonly owner: string;
  readonly sizeBytes: number;
  /** Seconds since 1970 of the last change of the content, with fractions. */
  readonly modifiedAt: number;
  /** Equal for two paths exactly when they are on one file system. */
  readonly device: string;
  readonly inode: string;
}

export interface LiveProcess {
  readonly pid: number;
  /** Program and arguments, as `ps` shows them. */
  readonly command: string;
}

export type Address = { readonly socket: string } | { readonly host: string; readonly port: number };

/**
 * A Unix socket whose path is made of two lines of a file (counted from 1), as a server writes it that is to be found. On a far machine it
 * is looked up and connected to in one round trip.
 */
export interface NamedSocket {
  readonly namedIn: string;
  readonly directoryLine: number;
  /** What stands between the directory and the other line: `.s.PGSQL.` */
  readonly prefix: string;
  readonly suffixLine: number;
}

/** A lock held by a process that ends with this one. `lost` fires when that process ends early. */
export interface HeldLock {
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** Who holds a lock, as written into it. */
export interface LockHolder {
  readonly pid: number;
  readonly user: string;
  readonly machine: string;
  readonly command: string;
  readonly run: string;
  /** ISO 8601, UTC. */
  readonly since: string;
}

/**
 * One machine, with the rights of one of its users. File verbs follow one contract on every transport:
 * whole files only, written beside the target and renamed, mode and owner kept, symlinks resolved first, synced to disk.
 * Missing files are `null` (reads) or fine (removals); every other failure is a `PgreplError` that names path and cause.
 */
export interface Host {
  /** `local`, `ssh://…`, `docker://…` */
  readonly label: string;
  /** The user whose rights every call has. */
  readonly user: string;
  /** The same machine with the rights of another user. */
  as(user: string): Host;

  run(command: Command): Promise<Exit>;
  /** An open byte stream; with a Unix socket the server sees `user` as the peer. Throws `connect-failed` with the system's code as `details[0]`. */
  connect(address: Address | NamedSocket, deadlineMs: number): Promise<Duplex>;

  readText(path: string): Promise<string | null>;
  writeText(path: string, content: string, options?: { readonly mode?: number }): Promise<void>;
  stat(path: string): Promise<FileStat | null>;
  /** Names of the entries, sorted, without `.` and `..`; `null` when there is no such directory. */
  list(path: string): Promise<readonly string[] | null>;
  /** Makes it and its parents; sets `mode` on the last one. */
  makeDirectory(path: string, mode: number): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  /** rename(2) within one file system, then syncs both parents; an existing empty directory is replaced. */
  rename(from: string, to: string): Promise<void>;
  removeFile(path: string): Promise<void>;
  /** Removes a directory tree. Only for our own staging: the caller proves that by its marker. */
  removeTree(path: string): Promise<void>;
  /** Size of the file system that holds `path` (or its nearest existing parent), and what `user` may still use of it. */
  space(path: string): Promise<{ readonly totalBytes: number; readonly freeBytes: number }>;
  /** Absolute path without symlinks; parts that do not exist are kept. */
  realPath(path: string): Promise<string>;
  /** True when `user` may make and remove entries in this directory. */
  canWrite(path: string): Promise<boolean>;
  home(): Promise<string>;
  userExists(user: string): Promise<boolean>;

  /** Processes whose working directory is this one (every process of a PostgreSQL server has it), also if it was removed since. */
  processesIn(directory: string): Promise<readonly LiveProcess[]>;
  /** Processes that have exactly this word among their arguments. */
  processesNaming(word: string): Promise<readonly LiveProcess[]>;
  /** Takes the lock `key` of this machine or throws `PgreplError('locked')` that names the holder. */
  lock(key: string, holder: LockHolder): Promise<HeldLock>;
  close(): Promise<void>;
}

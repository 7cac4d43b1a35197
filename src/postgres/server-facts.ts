import type { Lsn } from './lsn.ts';
import type { SystemIdentifier } from './names.ts';

/** One row of pg_settings. */
export interface Setting {
  /** Effective value as `SHOW` gives it without a unit (pg_settings.setting), e.g. bytes settings in their `unit`. */
  readonly value: string;
  readonly unit: string | null;
  readonly source: string;
  /** File and line that win; `null` when no file sets it. */
  readonly file: string | null;
  readonly line: number | null;
  readonly pendingRestart: boolean;
}

export interface Sender {
  readonly pid: number;
  readonly applicationName: string;
  readonly clientAddress: string | null;
  readonly state: string;
  readonly sentLsn: Lsn | null;
  readonly flushLsn: Lsn | null;
  readonly replayLsn: Lsn | null;
  readonly syncState: string;
  /** Until it had flushed what was written last; `null` when idle. What a synchronous commit takes longer for (hazard F16). */
  readonly flushLagSeconds: number | null;
  /** `null` when idle. */
  readonly replayLagSeconds: number | null;
  readonly role: string;
}

export interface Slot {
  readonly name: string;
  readonly type: 'physical' | 'logical';
  readonly active: boolean;
  readonly activePid: number | null;
  readonly temporary: boolean;
  readonly restartLsn: Lsn | null;
  /** reserved, extended, unreserved, lost; `null` before it was ever reserved. */
  readonly walStatus: string | null;
  /** Bytes of WAL kept for it; `null` without a position. */
  readonly retainedBytes: number | null;
  /** Bytes that may still be written before it is in danger; `null` when there is no limit. */
  readonly safeBytes: number | null;
  readonly hasXmin: boolean;
}

export interface Receiver {
  readonly pid: number;
  readonly status: string;
  readonly senderHost: string | null;
  readonly senderPort: number | null;
  readonly slotName: string | null;
  readonly timeline: number | null;
  readonly flushedLsn: Lsn | null;
  /** Seconds since the upstream was last heard from; `null` before its first message. */
  readonly heardSecondsAgo: number | null;
}

/** What the archiver does, as far as `status` needs it. */
export interface ArchiverGlimpse {
  readonly mode: string;
  /** The file that failed last, while nothing was archived since. */
  readonly failing: string | null;
  readonly failingSeconds: number | null;
  /** Files that wait. */
  readonly ready: number;
}

/** Everything that one question to a running server tells: `status` and every plan start from it. */
export interface ServerFacts {
  readonly systemIdentifier: SystemIdentifier;
  /** Microseconds since 1970, as text: tells two runs of the same postmaster apart. */
  readonly startedAt: string;
  /** `server_version_num`, e.g. 150018. */
  readonly versionNumber: number;
  /** `server_version` up to the first space, e.g. 15.18. */
  readonly version: string;
  /** False for a role that is no superuser and not in pg_monitor: paths are then empty, and rows of statistics without their details. */
  readonly seesAll: boolean;
  /** Whether the session is one of a superuser. */
  readonly superuser: boolean;
  readonly dataDirectory: string;
  readonly configFile: string;
  readonly hbaFile: string;
  readonly identFile: string;
  readonly port: number;
  readonly inRecovery: boolean;
  /** Of a primary: the one it writes. Of a standby: the newest it received or replayed, never only the last checkpoint's. */
  readonly timeline: number;
  /** Of a primary: end of the flushed log. `null` on a standby. */
  readonly currentLsn: Lsn | null;
  /** Of a standby. After a restart `received` may be behind `replayed`. */
  readonly receivedLsn: Lsn | null;
  readonly replayedLsn: Lsn | null;
  /** Seconds since the commit that was replayed last, by the server's own clock; `null` when none. */
  readonly replayAgeSeconds: number | null;
  /** `not paused`, `pause requested`, `paused`; before 14 only the first and the last. */
  readonly replayPause: string;
  /** A standby that waits with its next commit until its recovery_min_apply_delay is over. It starts no WAL receiver meanwhile. */
  readonly holdsBack: boolean;
  readonly receiver: Receiver | null;
  readonly senders: readonly Sender[];
  readonly slots: readonly Slot[];
  /** Commits that wait for a synchronous standby at this moment; under load a few always do. */
  readonly syncWaiters: number;
  /** How long the one has waited that waits longest, seconds; `null`: none does. */
  readonly longestSyncWaitSeconds: number | null;
  /** `null` for a role that may not look; missing where nobody asked. */
  readonly archiver?: ArchiverGlimpse | null;
  /** The settings that replication depends on, by name; those that this major does not have are missing. */
  readonly settings: Readonly<Record<string, Setting>>;
  /** Seconds since 1970 by the server's clock. */
  readonly now: number;
}

/** What is known of a server that takes no more sessions, through a replication connection. */
export interface Glimpse {
  readonly systemIdentifier: SystemIdentifier;
  readonly inRecovery: boolean;
  readonly timeline: number;
  /** Of a primary: end of the flushed log; of a standby: the later of received and replayed. */
  readonly lsn: Lsn | null;
  readonly dataDirectory: string;
  readonly version: string;
}

import type { Lsn } from './lsn.ts';
import type { SystemIdentifier } from './names.ts';

/** `Database cluster state` of pg_controldata. */
export type ControlState =
  | 'starting up'
  | 'shut down'
  | 'shut down in recovery'
  | 'shutting down'
  | 'in crash recovery'
  | 'in archive recovery'
  | 'in production';

/** What `pg_control` says about a data directory, whoever runs or does not run it. */
export interface ControlData {
  readonly systemIdentifier: SystemIdentifier;
  readonly state: ControlState;
  /** Where the last checkpoint record starts. */
  readonly checkpointLsn: Lsn;
  readonly redoLsn: Lsn;
  readonly timeline: number;
  /** `null` where there is none (0/0): the node was not in recovery. */
  readonly minRecoveryLsn: Lsn | null;
  readonly minRecoveryTimeline: number | null;
  readonly walLevel: string;
  readonly walLogHints: boolean;
  readonly checksums: boolean;
  readonly walSegmentBytes: number;
  /** The five that a standby must not be lower in, as last written by the primary that this is (a copy of). */
  readonly required: RequiredParameters;
}

/** The parameters in which a standby must not be lower than its primary (PostgreSQL documentation 27.4.3). */
export interface RequiredParameters {
  readonly max_connections: number;
  readonly max_worker_processes: number;
  readonly max_wal_senders: number;
  readonly max_prepared_transactions: number;
  readonly max_locks_per_transaction: number;
}

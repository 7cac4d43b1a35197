import { PgreplError } from '../errors.ts';
import { parseLsn, type Lsn } from './lsn.ts';
import { parseSystemIdentifier, printable, type SystemIdentifier } from './names.ts';

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
  /** Of the last checkpoint; see `newestTimeline`. */
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
export const REQUIRED_PARAMETERS = ['max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction'] as const satisfies readonly (keyof RequiredParameters)[];

export interface RequiredParameters {
  readonly max_connections: number;
  readonly max_worker_processes: number;
  readonly max_wal_senders: number;
  readonly max_prepared_transactions: number;
  readonly max_locks_per_transaction: number;
}

const STATES: readonly ControlState[] = ['starting up', 'shut down', 'shut down in recovery', 'shutting down', 'in crash recovery', 'in archive recovery', 'in production'];

/**
 * Reads the output of `pg_controldata` run with `LC_ALL=C`. Only the lines that are needed are looked at, so that a new major may add
 * some. Throws `control-data-unreadable` when one of them is missing or is not of its kind.
 */
export function parseControlData(text: string): ControlData {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    // No blank follows the colon of the longest label (oldestCommitTsXid).
    const match = /^([^:]+):\s*(.*?)\s*$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) values.set(match[1], match[2]);
  }
  const read = <T>(label: string, convert: (value: string) => T | undefined): T => {
    const value = values.get(label);
    const converted = value === undefined ? undefined : convert(value);
    if (converted !== undefined) return converted;
    throw new PgreplError('unfinished', 'control-data-unreadable', value === undefined ? `pg_controldata does not print "${label}"` : `pg_controldata prints "${printable(value)}" as "${label}"`);
  };
  const minRecoveryLsn = read('Minimum recovery ending location', position);
  const minRecoveryTimeline = read("Min recovery ending loc's timeline", whole);
  return {
    systemIdentifier: read('Database system identifier', (value) => (/^[0-9]{1,20}$/.test(value) ? parseSystemIdentifier(value) : undefined)),
    state: read('Database cluster state', (value) => STATES.find((state) => state === value)),
    checkpointLsn: read('Latest checkpoint location', position),
    redoLsn: read("Latest checkpoint's REDO location", position),
    timeline: read("Latest checkpoint's TimeLineID", whole),
    minRecoveryLsn: minRecoveryLsn === 0n ? null : minRecoveryLsn,
    minRecoveryTimeline: minRecoveryLsn === 0n ? null : minRecoveryTimeline,
    walLevel: read('wal_level setting', (value) => value),
    walLogHints: read('wal_log_hints setting', (value) => (value === 'on' ? true : value === 'off' ? false : undefined)),
    // The version of the checksums; 0 is none.
    checksums: read('Data page checksum version', whole) !== 0,
    walSegmentBytes: read('Bytes per WAL segment', whole),
    required: {
      max_connections: read('max_connections setting', whole),
      max_worker_processes: read('max_worker_processes setting', whole),
      max_wal_senders: read('max_wal_senders setting', whole),
      max_prepared_transactions: read('max_prepared_xacts setting', whole),
      max_locks_per_transaction: read('max_locks_per_xact setting', whole),
    },
  };
}

/**
 * The newest timeline that a log is known to have reached. Right after a promote it is not yet that of the last checkpoint: the end of
 * recovery is recorded as a minimum recovery point (CreateEndOfRecoveryRecord of xlog.c), and the first checkpoint, which takes that
 * away again, may be minutes off.
 */
export function newestTimeline({ timeline, minRecoveryTimeline }: Pick<ControlData, 'timeline' | 'minRecoveryTimeline'>): number {
  return Math.max(timeline, minRecoveryTimeline ?? 0);
}

function whole(value: string): number | undefined {
  return /^[0-9]{1,15}$/.test(value) ? Number(value) : undefined;
}

function position(value: string): Lsn | undefined {
  return /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/.test(value) ? parseLsn(value) : undefined;
}

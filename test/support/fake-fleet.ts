import { Disk, type Entry } from './fake-disk.ts';
import type { MachineState } from './fake-host.ts';
import type { PoolerState } from './fake-pooler.ts';
import type { Running } from './fake-settings.ts';
import type { WaitingCommit } from './fake-sync.ts';

/** The connection of a standby to its upstream. Plain data. */
export interface ReceiverState {
  readonly pid: number;
  /** Number of the upstream's running server. */
  readonly upstream: number;
  readonly host: string;
  readonly port: number;
  readonly clientAddress: string;
  readonly user: string;
  readonly applicationName: string;
  readonly slot: string | null;
  state: 'catchup' | 'streaming';
}

/** A running server: what is in its memory and nowhere else. Plain data. */
export interface RunningServer {
  readonly number: number;
  readonly machine: string;
  readonly pid: number;
  readonly directory: string;
  readonly root: Entry;
  readonly configFile: string;
  readonly versionNumber: number;
  /** Microseconds since 1970. */
  readonly startedAt: number;
  readonly systemIdentifier: string;
  inRecovery: boolean;
  timeline: number;
  promoteRequested: boolean;
  /** A new primary writes its first checkpoint a little after it was promoted. */
  checkpointDue: boolean;
  stopping: { readonly since: number; recordWritten: boolean } | null;
  settings: Running;
  hba: string;
  /** Moment of its disk at which it read its files. */
  loaded: number;
  /** Its archiver took a file then. */
  archivedAt?: number;
  replayed: bigint;
  /** As pg_last_wal_receive_lsn: nothing until a receiver was there. */
  received: bigint | null;
  receiver: ReceiverState | null;
  /** Why it has no receiver, as its log would say. */
  trouble: string | null;
  /** Its receiver takes nothing and says nothing, as when the process is stopped. */
  frozen: boolean;
  replayPaused: boolean;
  /** Advisory lock to the session that holds it. */
  readonly advisory: Map<string, number>;
}

/** A copy that is being made. Plain data. */
export interface BackupState {
  readonly pid: number;
  readonly process: { readonly machine: string; readonly pid: number };
  readonly upstream: number;
  readonly slot: string;
  readonly applicationName: string;
  readonly user: string;
}

/** Every machine and everything that runs: the world as it is whether pgrepl looks or not. Plain data, so it can be cloned. */
export interface FleetState {
  /** Milliseconds since 1970. */
  now: number;
  nextNumber: number;
  /** A client writes whenever a server takes writes: at every change and every tick. */
  underLoad: boolean;
  readonly machines: Map<string, MachineState>;
  readonly servers: Map<number, RunningServer>;
  readonly backups: Map<number, BackupState>;
  /** By `host:port` of the console. */
  readonly poolers: Map<string, PoolerState>;
  /** Writes that a client was told are committed. */
  readonly acknowledged: { readonly systemIdentifier: string; readonly id: number }[];
  /** Commits of clients that wait for a synchronous standby. */
  readonly waiting: WaitingCommit[];
  /** True where no commit may ever wait for a standby that is not there. */
  mustNotWait: boolean;
  /** True where no commit may ever be acknowledged without a standby. */
  mustBeSynchronous: boolean;
  /** Broken invariants, each with the change or tick at which it was seen. */
  readonly violations: string[];
}

export function newFleet(): FleetState {
  return { now: Date.UTC(2026, 0, 1), nextNumber: 1, underLoad: false, machines: new Map(), servers: new Map(), backups: new Map(), poolers: new Map(), acknowledged: [], waiting: [], mustNotWait: false, mustBeSynchronous: false, violations: [] };
}

export function machineNamed(fleet: FleetState, name: string): MachineState {
  const machine = fleet.machines.get(name);
  if (machine === undefined) throw new Error(`there is no fake machine ${name}`);
  return machine;
}

export function diskOf(fleet: FleetState, machine: string): Disk {
  return new Disk(machineNamed(fleet, machine).disk);
}

/** The server that runs in this directory, whatever the directory is called. */
export function serverIn(fleet: FleetState, machine: string, directory: string): RunningServer | null {
  const root = diskOf(fleet, machine).find(directory);
  return [...fleet.servers.values()].find((server) => server.machine === machine && server.root === root) ?? null;
}

export function settingOf(server: RunningServer, name: string): string {
  return server.settings.get(name)?.value ?? '';
}

export function nextNumber(fleet: FleetState): number {
  const number = fleet.nextNumber;
  fleet.nextNumber += 1;
  return number;
}

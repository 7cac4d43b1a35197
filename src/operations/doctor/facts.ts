import type { DatabaseHealth, FileHealth, ServerHealth } from '../../postgres/health.ts';
import type { CommitLevel, RoleFacts } from '../../postgres/server.ts';
import type { Service } from '../../postgres/service.ts';
import type { ContentFacts } from './contents.ts';
import type { StatusDocument } from '../status.ts';
import type { SeenCertificate } from './certificate.ts';
import type { StatusView } from '../status-links.ts';

/** Something that did not work, as data: the code is stable, the message is for people. */
export interface Trouble {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

/** A clock of a machine, against the one of the machine where pgrepl runs. */
export interface Clock {
  /** Ahead is positive. */
  readonly skewSeconds: number;
  /** The true skew is within so much of it: half of the round trip, and what the clock was not able to tell. */
  readonly uncertaintySeconds: number;
}

export interface Space {
  readonly path: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Equal for two paths of one machine exactly when they are on one file system. */
  readonly device: string;
}

/** How libpq would find this file. `too-open`, `not-a-file`: it ignores it, with nothing but a warning (fe-connect.c). */
export type PassfileState = 'ok' | 'missing' | 'unreadable' | 'too-open' | 'not-a-file';

export interface PassfileFacts {
  readonly path: string;
  readonly state: PassfileState;
  readonly mode: number | null;
  readonly owner: string | null;
}

/** The machine of one node, looked at with the rights of the server's owner. */
export interface MachineFacts {
  /** `null`: reached, and everything below was asked there. */
  readonly trouble: Trouble | null;
  readonly hostname: string | null;
  /** Of the installation; two machines made from one image may share it. */
  readonly machineId: string | null;
  /** Of the running kernel: equal exactly where two nodes share one machine. */
  readonly bootId: string | null;
  readonly clock: Clock | null;
  readonly data: Space | null;
  readonly wal: Space | null;
  readonly passfile: PassfileFacts | null;
  readonly programs: { readonly binDir: string; readonly versionNumber: number } | null;
  readonly programsTrouble: Trouble | null;
  /** As `uname -m` says it. */
  readonly architecture: string | null;
  /** What is in the data directory; empty when that could not be read. */
  readonly entries: readonly string[];
  /** Who starts its server; `null` when that is not known, and `serviceTrouble` says why. */
  readonly service: Service | null;
  readonly serviceTrouble: Trouble | null;
  /** Files of other managers in the data directory. */
  readonly managerFiles: readonly string[];
  /** Programs of other managers that run on the machine, for whichever server. */
  readonly managerPrograms: readonly string[];
}

/** What a running server tells beyond its status. `null`: not asked, or no answer in time. */
export interface ServerExtras {
  /** The replication role; `undefined` when it was not learned, `null` when there is none. */
  readonly role: RoleFacts | null | undefined;
  readonly otherManagers: readonly string[] | null;
  readonly commitLevels: readonly CommitLevel[] | null;
  /** pg_hba.conf as it is now; `loaded` tells whether the server has read it since it was changed. */
  readonly hba: { readonly file: string; readonly text: string; readonly loaded: boolean | null } | null;
  readonly health: ServerHealth | null;
  /** `null` also where the session is not one of a superuser. */
  readonly files: FileHealth | null;
  /** Of the primary alone: its standbys have the same. */
  readonly databases: readonly DatabaseHealth[] | null;
  readonly rates: Rates | null;
  /** What it shows to those that connect with TLS; `null`: it runs without, or it was not learned. */
  readonly certificate?: SeenCertificate | null;
}

/** What moved on a server between two looks. */
export interface Rates {
  readonly seconds: number;
  readonly walBytesPerSecond: number;
  readonly xidsPerSecond: number;
  /** By which the WAL kept for a slot grows; negative where its reader catches up. */
  readonly keptPerSecond: Readonly<Record<string, number>>;
}

/** How one attempt to log in for replication ended. */
export type LoginEnd =
  /** `answeredBy`: the node whose server lists this very connection, `null`: none that was asked; `asked`: the one that was meant did answer. */
  | { readonly kind: 'in'; readonly systemIdentifier: string; readonly answeredBy: string | null; readonly asked: boolean }
  | { readonly kind: 'failed'; readonly code: string; readonly details: readonly string[]; readonly message: string }
  | { readonly kind: 'not-tried'; readonly why: string };

/** A login for replication, made from the machine of one node to the address that another one has in the cluster file. */
export interface LoginAttempt {
  readonly from: string;
  readonly to: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly passfile: PassfileFacts | null;
  /** Whether the passfile has a line for it that libpq would take. */
  readonly hasPassword: boolean;
  readonly encrypted: boolean | null;
  /** Address that the server saw, where it is certain. */
  readonly clientAddress: string | null;
  readonly seconds: number | null;
  readonly end: LoginEnd;
}

/** Everything that the rules judge; gathered once. */
export interface DoctorFacts {
  readonly view: StatusView;
  readonly status: StatusDocument;
  /** By name of the node; empty when no rule needs them. */
  readonly machines: ReadonlyMap<string, MachineFacts>;
  readonly servers: ReadonlyMap<string, ServerExtras>;
  readonly logins: readonly LoginAttempt[];
  /** Of every running standby of the primary, where contents were compared. */
  readonly contents: readonly ContentFacts[];
}

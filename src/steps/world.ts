import type { Host } from '../host/host.ts';
import type { Lsn } from '../postgres/lsn.ts';
import type { NodeName, RoleName } from '../postgres/names.ts';
import type { Pooler, PoolerAddress } from '../postgres/pooler.ts';
import type { MissingRight } from '../postgres/service-rights.ts';
import type { Service } from '../postgres/service.ts';
import type { Programs } from '../postgres/tools.ts';
import type { Server } from '../postgres/server.ts';
import type { Glimpse } from '../postgres/server-facts.ts';
import type { NodeTls, SslWords } from '../postgres/tls-files.ts';
import type { Secret } from '../secret.ts';

/** Where a node lives, everything resolved: what every step and observation needs. */
export interface NodePlace {
  readonly name: NodeName;
  readonly cluster: string;
  /** Address at which other nodes and clients reach it. */
  readonly host: string;
  readonly port: number;
  readonly pgdata: string;
  /** `local`, `ssh://…`, `docker://…` */
  readonly via: string;
  /** `tcp`: pgrepl's own sessions go straight to `host` and `port`, from where it runs. */
  readonly connect?: 'socket' | 'tcp' | undefined;
  /** Who starts the server, when the cluster file says so: `pg_ctl`, `pg_ctlcluster` or the name of a unit. */
  readonly service?: string | undefined;
  readonly osUser: string;
  /** Superuser of pgrepl's own sessions. */
  readonly adminUser: string;
  readonly passfile: string;
  readonly replicationUser: RoleName;
  /** Its certificate, key and trusted authorities, as paths on its machine. */
  readonly tls?: NodeTls | undefined;
  /** How standbys prove who they are; missing: by password. */
  readonly auth?: 'password' | 'cert' | undefined;
}

/** One node, as steps see it. */
export interface NodeWorld {
  readonly place: NodePlace;
  /** Its machine, with the rights of the server's owner. */
  readonly host: Host;
  /** Found at first use. Throws `postgres-not-found`. */
  programs(): Promise<Programs>;
  /** Who starts and stops its server. Found at first use and kept; looked for `again` once that was changed. */
  service(how?: { readonly again: true }): Promise<Service>;
  /** Whether whoever pgrepl comes as is not root on this machine, and so asks systemd through sudo. */
  needsSudo(): Promise<boolean>;
  /** What is missing for whoever pgrepl comes as to have that service (default: the one found) start or stop the server. Changes nothing. */
  mayAskService(verb: 'start' | 'stop', service?: Service): Promise<MissingRight | null>;
  /**
   * A session of the superuser, kept open and shared until the server or `forget` ends it; opened again at the next call.
   * Over the Unix socket that postmaster.pid names first. Throws `server-down`, `login-refused`, `server-starting`, …
   */
  server(): Promise<Server>;
  /** Of a server whose connections are all used. Throws `login-refused` where replication is not let in, and as `server` does. */
  glimpse(): Promise<Glimpse>;
  /** Closes the kept session, because the server is about to go. */
  forget(): Promise<void>;
  /**
   * Logs in for replication from this node's machine, over TCP, as a standby there would (hazard D35). Returns the system identifier of the
   * server at that address; throws `connect-failed` (the system's code is `details[0]`), `login-refused` (the SQLSTATE is), `too-many-clients`,
   * `tls-failed`, … `ssl` says how, in libpq's words with paths on this machine; without any, as libpq does it (`sslmode=prefer`).
   */
  proveLogin(at: { readonly host: string; readonly port: number }, user: string, password: Secret | null, ssl?: SslWords): Promise<string>;
  /** Logs in as a client there would, in this database, over TCP. Throws as `proveLogin`. */
  proveSession(at: { readonly host: string; readonly port: number }, database: string, user: string, password: Secret | null, ssl?: SslWords): Promise<void>;
}

/** All that steps and observations can reach. */
export interface World {
  readonly signal: AbortSignal;
  /** The run that acts; in markers, so that a leftover names it. */
  readonly run: string;
  node(name: string): NodeWorld;
  /** A machine by the way to it, with the rights of whoever comes there. */
  machine(via: string): Promise<Host>;
  /** The admin console of a PgBouncer, reached from here; closed by whoever asked for it. Throws `connect-failed`, `login-refused`, … */
  pooler(at: PoolerAddress): Promise<Pooler>;
  /** Tells whoever looks on, in a line, what is waited for before there is a plan. Nobody may be listening. */
  readonly say?: ((line: string) => void) | undefined;
  /** What an earlier look remembers of the primary that it saw last, of a cluster with this identity; a hint, and never the only one. */
  readonly lastSeen?: ((systemIdentifier: string) => LastSeen | null) | undefined;
  /** The same world, interruptible by another signal: undo must not be stopped by what stopped the run. */
  withSignal(signal: AbortSignal): World;
  /** A replication password that the operator gave; `null` when it is to be found or generated. */
  readonly givenPassword: Secret | null;
  /**
   * Asks `probe` again and again until it gives a value: at first after `firstMs`, then every `everyMs`. Throws `wait-timeout`, which says
   * `what` was waited for and the last thing that `probe` said, and ends at once when `signal` fires.
   */
  waitFor<T>(what: string, probe: (say: (text: string) => void) => Promise<T | null>, limits: WaitLimits): Promise<T>;
}

/** How far a primary was when somebody looked. */
export interface LastSeen {
  readonly name: string;
  readonly timeline: number;
  readonly lsn: Lsn;
  /** How long ago that was, seconds. */
  readonly seconds: number;
}

export interface WaitLimits {
  readonly deadlineMs: number;
  readonly everyMs: number;
  readonly firstMs?: number;
}

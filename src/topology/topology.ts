import type { Archive } from '../postgres/archive.ts';
import type { NodeName, RoleName } from '../postgres/names.ts';
import type { NodeTls } from '../postgres/tls-files.ts';

/** How standbys prove who they are. */
export type ReplicationAuth = 'password' | 'cert';

/** One node as the cluster file wants it, with `defaults` merged in. Roles are observed, never stored. */
export interface NodeSpec {
  readonly name: NodeName;
  /** Address at which other nodes and clients reach it. */
  readonly host: string;
  readonly port: number;
  readonly pgdata: string;
  readonly via: string;
  /** How pgrepl's own sessions reach the server; missing: the Unix socket, through `via`. */
  readonly connect?: 'socket' | 'tcp' | undefined;
  /** Who starts its server: `pg_ctl`, `pg_ctlcluster` or a unit of systemd; missing: whoever is found. */
  readonly service?: string | undefined;
  readonly osUser?: string | undefined;
  readonly adminUser?: string | undefined;
  readonly binDir?: string | undefined;
  readonly passfile?: string | undefined;
  /** Missing: replication to and from it is not encrypted by pgrepl's doing. */
  readonly tls?: NodeTls | undefined;
  /** CIDR ranges that may connect for replication; missing: the nodes of the file, and loopback for local ones. */
  readonly allow?: readonly string[] | undefined;
  readonly set?: Readonly<Record<string, string>> | undefined;
  /** `recovery_min_apply_delay`, as PostgreSQL takes it. */
  readonly delay?: string | undefined;
  readonly restoreCommand?: string | undefined;
  /** That of the cluster: every node writes to it when it is the primary, and reads from it when it is not. */
  readonly archive?: Archive | undefined;
  readonly waldir?: string | undefined;
  /** Old location to new location. */
  readonly tablespaces?: Readonly<Record<string, string>> | undefined;
  /** A standby to cascade from; the primary is never named. */
  readonly upstream?: NodeName | undefined;
  /** How the operator stated that this node was shut off, while nobody could reach it: an open fence. */
  readonly fenced?: string | undefined;
}

/** The wanted topology. */
export interface Topology {
  /** Absolute path of the cluster file, whether it exists yet or not. */
  readonly file: string;
  readonly exists: boolean;
  readonly cluster: string;
  readonly replicationUser: RoleName;
  /** `off`, `any N`, `any N (…)`, `first N (…)`; carried out by `pgrepl sync`. */
  readonly sync: string;
  readonly archive?: Archive | undefined;
  /** Missing: by the password of the role. */
  readonly auth?: ReplicationAuth | undefined;
  readonly nodes: readonly NodeSpec[];
}

/** What a command changes in the cluster file once its plan has been carried out; everything else, comments included, is kept. */
export type TopologyEdit =
  | { readonly edit: 'put-node'; readonly node: NodeSpec }
  | { readonly edit: 'remove-node'; readonly name: NodeName }
  | { readonly edit: 'set-upstream'; readonly name: NodeName; readonly upstream: NodeName | null }
  | { readonly edit: 'set-fence'; readonly name: NodeName; readonly fenced: string | null }
  | { readonly edit: 'set-archive'; readonly archive: Archive }
  | { readonly edit: 'set-sync'; readonly sync: string }
  | { readonly edit: 'set-cluster'; readonly cluster: string; readonly replicationUser: RoleName; readonly auth?: ReplicationAuth };

/** True for a node that is to replay late: a delay of `0`, in whatever unit, is none. Pure. */
export function isToReplayLate({ delay }: Pick<NodeSpec, 'delay'>): boolean {
  return delay !== undefined && Number.parseFloat(delay) > 0;
}

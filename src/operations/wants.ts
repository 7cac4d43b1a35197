import type { NodeName } from '../postgres/names.ts';
import type { PoolerAddress } from '../postgres/pooler.ts';
import type { NodeSpec } from '../topology/topology.ts';
import type { SyncWish } from './sync-wish.ts';

/** What the words of each command come to: parsed and valid, nothing looked up yet. */
export interface InitPrimary {
  readonly node: NodeSpec;
  readonly restart: boolean;
  readonly start: boolean;
  /** Lines of pg_hba.conf whose rejection is accepted. */
  readonly overReject: readonly number[];
  readonly replaceEdits: boolean;
  /** What the server archives with now may go. */
  readonly replaceArchive?: boolean;
}

export interface AddStandby {
  readonly node: NodeSpec;
  /** `null`: the primary. */
  readonly upstream: NodeName | null;
  readonly checkpoint: 'fast' | 'spread';
  readonly compress: 'auto' | 'none' | 'gzip' | 'lz4' | 'zstd';
  readonly maxRate: string | null;
  readonly verify: boolean;
  /** Joins the synchronous set once it has caught up. */
  readonly sync?: boolean;
  /** What is copied; missing: the upstream. */
  readonly source?: 'pgbackrest';
}

export interface RotatePassword {
  /** Nodes that cannot be reached, and are left out: they cannot come back until their passfile has the new password. */
  readonly cutOff: readonly NodeName[];
}

export interface Sync {
  /** `null`: off. */
  readonly wish: SyncWish | null;
}

/** A PgBouncer whose clients are held during a hand-over, and the file that leads it; `null`: something behind it finds the primary. */
export interface PoolerWish {
  readonly console: PoolerAddress;
  readonly file: { readonly via: string; readonly path: string } | null;
}

export interface Promote {
  /** `null`: the best candidate. */
  readonly name: NodeName | null;
  /** `planned`: switchover only; `failover`: refused while the primary runs; `either`: what the evidence says. */
  readonly mode: 'planned' | 'failover' | 'either';
  /** How the operator says the old primary was shut off; `null` without the statement. */
  readonly fenced: string | null;
  /** Bytes, or `unknown`; `null`: none is accepted. */
  readonly acceptLoss: number | 'unknown' | null;
  /** Milliseconds without a writable primary before a planned switchover goes back. */
  readonly budgetMs: number;
  readonly poolers?: readonly PoolerWish[];
}

export interface Follow {
  readonly name: NodeName;
  readonly upstream: NodeName;
}

export interface Rejoin {
  readonly name: NodeName;
  /** Data that only this node has may go from its directory; it is kept aside. */
  readonly discard: boolean;
  /** A copy anew, also where a rewind would do. */
  readonly copy: boolean;
  /** pg_rewind may fetch the node's own older WAL by its restore_command. */
  readonly restoreTargetWal: boolean;
  /** Of a copy: bytes per second, as pg_basebackup takes it; `null` without a limit. */
  readonly maxRate: string | null;
}

export interface RemoveStandby {
  readonly name: NodeName;
  /** The cluster file does not have it any more, because this run took it out; the time is ISO 8601. */
  readonly removedBy?: { readonly run: string; readonly at: string };
}

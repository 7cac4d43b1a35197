import { parseSyncNames, type SyncNames } from '../postgres/sync-names.ts';
import type { Topology } from '../topology/topology.ts';
import type { NodeView } from './cluster.ts';
import { valuesOf } from './config.ts';
import { SYNC_SETTING } from './settings.ts';

/** What the operator wants of synchronous replication, as `sync:` of the cluster file says it. */
export interface SyncWish {
  readonly method: 'any' | 'first';
  /** How many standbys have a commit before it is acknowledged. */
  readonly needed: number;
  /** Nodes, for `first` in their order; `null`: every standby that streams from the primary itself. */
  readonly names: readonly string[] | null;
}

/** Reads `sync:` of the cluster file, which the schema has checked. `null`: off. */
export function parseSyncWish(text: string): SyncWish | null {
  const [, method, needed = '1', list] = /^(any|first) ([0-9]+)(?: ?\((.*)\))?$/.exec(text) ?? [];
  if (method !== 'any' && method !== 'first') return null;
  return { method, needed: Number(needed), names: list === undefined ? null : list.split(/, ?/) };
}

/** As the cluster file has it. */
export function renderSyncWish(wish: SyncWish | null): string {
  if (wish === null) return 'off';
  return `${wish.method} ${wish.needed}${wish.names === null ? '' : ` (${wish.names.join(', ')})`}`;
}

/** The same as words to type. */
export function syncCommand(wish: SyncWish | SyncNames | null): string {
  return wish === null ? 'pgrepl sync off' : ['pgrepl sync', wish.method, String(wish.needed), ...(wish.names ?? [])].join(' ');
}

/** What a running server has in force; `null`: no commit waits. */
export function syncInForce(node: NodeView): SyncNames | null {
  return parseSyncNames(node.facts.server?.settings[SYNC_SETTING]?.value ?? '');
}

/** The value of our own file, also of a stopped node; `undefined`: it does not say. */
export function ownSyncValue(node: NodeView): string | undefined {
  return node.spec.set !== undefined && SYNC_SETTING in node.spec.set ? undefined : valuesOf(node.config?.owned ?? null).get(SYNC_SETTING);
}

/**
 * What holds for role changes: the cluster file, or else what our file on the primary says (of a run that ended between the two).
 * `undefined`: pgrepl does not manage it here, and whatever the servers say is the operator's own. Pure.
 */
export function managedWish(topology: Topology, primary: NodeView | null): SyncWish | null | undefined {
  const wish = parseSyncWish(topology.sync);
  if (wish !== null) return wish;
  const own = primary === null ? undefined : ownSyncValue(primary);
  return own === undefined ? undefined : parseSyncNames(own);
}

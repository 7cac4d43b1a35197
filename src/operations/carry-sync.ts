import type { Reason } from '../errors.ts';
import { renderSyncNames, type SyncNames } from '../postgres/sync-names.ts';
import type { Step } from '../steps/index.ts';
import { notCounted } from '../steps/prove-sync.ts';
import type { TopologyEdit } from '../topology/topology.ts';
import { isDelayed } from './candidates.ts';
import type { ClusterView, NodeView } from './cluster.ts';
import { valuesOf } from './config.ts';
import { comesLater, followersOf } from './role-change.ts';
import { SYNC_SETTING } from './settings.ts';
import { cannotPutSyncValue, dropSyncLine, putSyncValue } from './sync-steps.ts';
import { managedWish, ownSyncValue, renderSyncWish, syncCommand, syncInForce, type SyncWish } from './sync-wish.ts';

/** What a change of the topology brings along for synchronous replication. */
export interface SyncChange {
  readonly reasons: readonly Reason[];
  /** Before anybody moves. */
  readonly before: readonly Step[];
  /** When everybody has arrived. */
  readonly after: readonly Step[];
  readonly edits: readonly TopologyEdit[];
  readonly notices: readonly string[];
}

/** Where pgrepl does not manage it. */
export const NO_SYNC_CHANGE: SyncChange = { reasons: [], before: [], after: [], edits: [], notices: [] };

/**
 * The synchronous set comes over in a role change (hazard F08). The candidate gets its value while it is still a standby and waits for nobody: so
 * its very first commit as a primary waits for those who follow it, and for nobody else; none is acknowledged by it alone. Who in the file was
 * the candidate is then the old primary, where that comes back as a standby; of a failover it is left out. Pure.
 */
export function carrySync(view: ClusterView, old: NodeView | null, candidate: NodeView, siblings: readonly NodeView[], comesBack: NodeView | null): SyncChange {
  const wish = managedWish(view.topology, old);
  if (wish === undefined) return NO_SYNC_CHANGE;
  const next = wish === null ? null : handedOver(wish, candidate.spec.name, comesBack?.spec.name ?? null);
  // Who streams from the candidate already counts as soon as that is the primary.
  const already = followersOf(view, candidate);
  const followers = view.nodes.filter((node) => node === comesBack || siblings.includes(node) || already.includes(node));
  const value = next === null ? null : valueAmong(next, followers, candidate);
  const reasons = cannotPutSyncValue(candidate);
  const stays = reasons.length > 0 || isThere(candidate, value);
  return {
    reasons,
    before: stays ? [] : putSyncValue(candidate, value),
    after: [
      ...(value === null || reasons.length > 0 ? [] : [{ kind: 'prove-sync', node: candidate.spec.name, value: renderSyncNames(value), names: value.names } satisfies Step]),
      ...(comesBack === null ? [] : dropSyncLine(comesBack)),
    ],
    edits: editTo(view, next),
    notices: next === null ? [] : noticesOf(candidate.spec.name, next, value),
  };
}

/** After a failover nothing may keep the new primary from being one: what cannot be set is said instead. Pure. */
export function carrySyncAnyway(...words: Parameters<typeof carrySync>): SyncChange {
  const change = carrySync(...words);
  const [reason] = change.reasons;
  if (reason === undefined) return change;
  const [, , candidate] = words;
  const value = renderSyncNames(syncInForce(candidate));
  return { ...NO_SYNC_CHANGE, notices: [`${SYNC_SETTING} of ${candidate.spec.name} stays ${value === '' ? 'empty: its commits will wait for no standby' : `${value}: its commits may wait for ever`} (${reason.message})`] };
}

/**
 * What an interrupted role change left: the file names its new primary as a standby, an old primary still has its line. The value that is in
 * force is not changed, because it was set before the promote; who is missing in it, only the operator can give up. `started`: those that run as
 * standbys by the end. Pure.
 */
export function healSync(view: ClusterView, primary: NodeView, started: readonly NodeView[], isHealing: boolean): Pick<SyncChange, 'after' | 'edits'> {
  const wish = managedWish(view.topology, primary);
  const value = syncInForce(primary);
  const lines = view.nodes.filter((node) => node !== primary && (node.facts.server?.inRecovery === true || started.includes(node))).flatMap(dropSyncLine);
  if (wish === undefined || wish === null) return { after: lines, edits: [] };
  const came = value?.names.find((name) => wish.names?.includes(name) === false) ?? null;
  const proved = value !== null && ownSyncValue(primary) === renderSyncNames(value) && (!isHealing || notCounted(value, primary.facts.server?.senders ?? []) === null);
  return {
    after: [...(value === null || proved || !isHealing ? [] : [{ kind: 'prove-sync', node: primary.spec.name, value: renderSyncNames(value), names: value.names } satisfies Step]), ...lines],
    edits: editTo(view, handedOver(wish, primary.spec.name, came)),
  };
}

/** The wish once `primary` is the primary: `instead` takes its place in the list; without anybody left, whoever streams from it is meant. Pure. */
function handedOver(wish: SyncWish, primary: string, instead: string | null): SyncWish {
  if (wish.names?.includes(primary) !== true) return wish;
  const names = wish.names.flatMap((name) => (name !== primary ? [name] : instead === null || wish.names?.includes(instead) === true ? [] : [instead]));
  return names.length === 0 ? { ...wish, names: null } : { ...wish, names, needed: Math.min(wish.needed, names.length) };
}

/** What can be in force: of those who are wanted, whoever will be there, and never more of them than there are. `null`: nobody is. Pure. */
function valueAmong(wish: SyncWish, followers: readonly NodeView[], primary: NodeView): SyncNames | null {
  const waitsForReplay = primary.facts.server?.settings['synchronous_commit']?.value === 'remote_apply';
  const there = followers.filter((node) => !comesLater(node) && !(waitsForReplay && isDelayed(node))).map((node) => node.spec.name as string);
  const names = wish.names === null ? there : wish.names.filter((name) => there.includes(name));
  return names.length === 0 ? null : { method: wish.method, needed: Math.min(wish.needed, names.length), names };
}

function isThere(node: NodeView, value: SyncNames | null): boolean {
  const text = renderSyncNames(value);
  const own = ownSyncValue(node);
  if (valuesOf(node.config?.auto ?? null).has(SYNC_SETTING)) return false;
  return (node.facts.server?.settings[SYNC_SETTING]?.value ?? '') === text && (own === text || (value === null && own === undefined));
}

function editTo(view: ClusterView, wish: SyncWish | null): readonly TopologyEdit[] {
  const sync = renderSyncWish(wish);
  return sync === view.topology.sync || sync === renderSyncWishOf(view) ? [] : [{ edit: 'set-sync', sync }];
}

/** The file may be written with other spaces. */
function renderSyncWishOf(view: ClusterView): string {
  return renderSyncWish(managedWish(view.topology, null) ?? null);
}

function noticesOf(name: string, wish: SyncWish, value: SyncNames | null): readonly string[] {
  if (value === null) return [`commits on ${name} will wait for no standby, because none of ${wish.names === null ? 'its own' : wish.names.join(', ')} streams from it then: what it acknowledges is on it alone. Once one does: ${syncCommand(wish)}`];
  const text = renderSyncNames(value);
  if (value.needed < wish.needed) return [`commits on ${name} will wait for ${text}: for ${value.needed} instead of ${wish.needed}, because no more stream from it then. Once they do: ${syncCommand(wish)}`];
  return [`commits on ${name} wait for ${text}, from its first one on`];
}

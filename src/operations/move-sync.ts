import type { Reason } from '../errors.ts';
import { namesIt, renderSyncNames, type SyncNames } from '../postgres/sync-names.ts';
import type { Step } from '../steps/index.ts';
import { notCounted } from '../steps/prove-sync.ts';
import { NO_SYNC_CHANGE, type SyncChange } from './carry-sync.ts';
import type { ClusterView, NodeView } from './cluster.ts';
import { SYNC_SETTING } from './settings.ts';
import { directStandbys, otherSets, rowsOf } from './sync-set.ts';
import { cannotPutSyncValue, putSyncValue } from './sync-steps.ts';
import { managedWish, ownSyncValue, renderSyncWish, syncInForce, type SyncWish } from './sync-wish.ts';
import { isToReplayLate } from '../topology/topology.ts';

/**
 * A standby stops streaming from the primary. While commits wait for it, it is taken off the list before it goes, and whoever is left has what was
 * acknowledged until then; where too few would be left, the whole is refused, because every commit would wait (hazard F01). Pure.
 */
export function leaveSync(view: ClusterView, primary: NodeView, node: NodeView): SyncChange {
  const { name } = node.spec;
  const value = syncInForce(primary);
  const wish = managedWish(view.topology, primary);
  const edits = wish?.names?.includes(name) === true ? [{ edit: 'set-sync', sync: renderSyncWish(without(wish, name)) } as const] : [];
  if (value === null || !namesIt(value, name)) return { ...NO_SYNC_CHANGE, edits };
  const text = renderSyncNames(value);
  const from = primary.spec.name;
  const next = otherSets(view, primary, name);
  if (wish === undefined) return { ...NO_SYNC_CHANGE, reasons: [{ code: 'sync-names', node: from, message: `${SYNC_SETTING} of ${from} names ${name}: commits could wait for ever`, hint: 'It was not set by pgrepl sync. The first command sets it for the others, the second one lets commits wait for none.', next }] };
  const rest = value.names.filter((one) => !namesIt({ names: [one] }, name));
  const there = rest.filter((one) => isStreaming(primary, one));
  if (there.length < value.needed) {
    const left = there.length === 0 ? 'none would be left' : `${there.join(', ')} alone would be left`;
    return { ...NO_SYNC_CHANGE, reasons: [{ code: 'sync-names', node: from, message: `commits on ${from} wait for ${text}: without ${name}, ${left} to acknowledge them, and every commit would wait`, hint: 'Let them wait for another standby first, or for none.', next }] };
  }
  const smaller: SyncNames = { ...value, names: rest };
  return {
    reasons: cannotPutSyncValue(primary),
    before: cannotPutSyncValue(primary).length > 0 ? [] : putAndProve(primary, smaller, there),
    after: [],
    edits,
    notices: [`commits on ${from} wait for ${renderSyncNames(smaller)} before ${name} goes`],
  };
}

/**
 * A standby that streams from the primary joins the set, once it has caught up: because that was asked for, or because the cluster file means
 * every standby, or names it. Its steps come after the proof that it streams (hazard F13). Pure.
 */
export function joinSync(view: ClusterView, primary: NodeView, node: NodeView, { asked, direct }: { readonly asked: boolean; readonly direct: boolean }): SyncChange {
  const { name } = node.spec;
  const value = syncInForce(primary);
  const managed = managedWish(view.topology, primary);
  const wish = managed ?? value;
  const isMeant = managed !== undefined && managed !== null && (managed.names === null || managed.names.includes(name));
  if (!asked && !(isMeant && direct)) return NO_SYNC_CHANGE;
  const from = primary.spec.name;
  const refuse = (reason: Omit<Reason, 'node'>): SyncChange => (asked ? { ...NO_SYNC_CHANGE, reasons: [{ node: name, ...reason }] } : { ...NO_SYNC_CHANGE, notices: [`${name} does not join the synchronous set: ${reason.message}`] });
  if (!direct) return refuse({ code: 'cascaded', message: `${name} would stream from another standby: a cascaded standby never counts`, hint: `Leave out --sync, or let it stream from ${from}.` });
  if (wish?.names?.includes('*') === true) return refuse({ code: 'sync-wildcard', message: `${SYNC_SETTING} of ${from} is ${renderSyncNames(value)}: whatever streams may acknowledge, also what is no standby`, hint: 'Name the standbys first.', next: otherSets(view, primary, name) });
  if (isToReplayLate(node.spec) && primary.facts.server?.settings['synchronous_commit']?.value === 'remote_apply') return refuse({ code: 'waits-for-replay', message: `${name} replays with a delay, and synchronous_commit of ${from} is remote_apply: commits would wait for that`, hint: 'Let commits wait for the disk of the standby (synchronous_commit = on).' });
  const wrong = cannotPutSyncValue(primary);
  if (wrong.length > 0) return asked ? { ...NO_SYNC_CHANGE, reasons: wrong } : { ...NO_SYNC_CHANGE, notices: wrong.map(({ message }) => `${name} does not join the synchronous set: ${message}`) };
  const next: SyncWish = wish === null ? { method: 'any', needed: 1, names: [name] } : wish.names === null || wish.names.includes(name) ? wish : { ...wish, names: [...wish.names, name] };
  const larger = withNew(view, primary, value, next, name);
  const text = renderSyncNames(larger);
  const there = ownSyncValue(primary) === text && (primary.facts.server?.settings[SYNC_SETTING]?.value ?? '') === text && notCounted(larger, primary.facts.server?.senders ?? []) === null;
  const edits = renderSyncWish(next) === view.topology.sync ? [] : [{ edit: 'set-sync', sync: renderSyncWish(next) } as const];
  if (there) return { ...NO_SYNC_CHANGE, edits };
  return { reasons: [], before: [], after: putAndProve(primary, larger, larger.names.filter((one) => one === name || isStreaming(primary, one))), edits, notices: [`once ${name} streams, commits on ${from} wait for ${text}`] };
}

/** The set is joined before the staging goes: up to then everything is taken back when the standby leaves again, the list of names first. Pure. */
export function withSync(steps: readonly Step[], sync: readonly Step[]): readonly Step[] {
  const last = steps.at(-1);
  return last?.kind === 'finish-staging' ? [...steps.slice(0, -1), ...sync, last] : [...steps, ...sync];
}

function withNew(view: ClusterView, primary: NodeView, value: SyncNames | null, next: SyncWish, name: string): SyncNames {
  const wanted = next.names ?? directStandbys(view, primary).map((node) => node.spec.name as string);
  const before = value?.names ?? wanted.filter((one) => one !== name && isStreaming(primary, one));
  const names = namesIt({ names: before }, name) ? before : [...before, name];
  return { method: next.method, needed: Math.min(next.needed, names.length), names };
}

function putAndProve(primary: NodeView, value: SyncNames, names: readonly string[]): readonly Step[] {
  return [...putSyncValue(primary, value), { kind: 'prove-sync', node: primary.spec.name, value: renderSyncNames(value), names }];
}

function isStreaming(primary: NodeView, name: string): boolean {
  return rowsOf(primary.facts.server?.senders ?? [], name).some(({ state }) => state === 'streaming');
}

function without(wish: SyncWish, name: string): SyncWish {
  const names = (wish.names ?? []).filter((one) => one !== name);
  return names.length === 0 ? { ...wish, names: null } : { ...wish, names, needed: Math.min(wish.needed, names.length) };
}

import type { Reason } from '../errors.ts';
import { bytesBetween } from '../postgres/lsn.ts';
import type { Sender } from '../postgres/server-facts.ts';
import { namesIt, type SyncNames } from '../postgres/sync-names.ts';
import { renderBytes } from '../postgres/units.ts';
import { isDelayed } from './candidates.ts';
import type { ClusterView, NodeView } from './cluster.ts';
import { configuredUpstream, followersOf, isPaused } from './role-change.ts';
import { syncCommand, type SyncWish } from './sync-wish.ts';
import { isToReplayLate } from '../topology/topology.ts';

/** Each commit would wait until this is caught up with (hazard F13). */
const LAG_LIMIT_BYTES = 16 * 1024 * 1024;

/** Standbys that stream from the primary itself, in the order of the cluster file: only they ever count (hazard F14). Pure. */
export function directStandbys(view: ClusterView, primary: NodeView): readonly NodeView[] {
  return followersOf(view, primary);
}

/** The names that this wish comes to on that primary. Pure. */
export function namesFor(view: ClusterView, primary: NodeView, wish: SyncWish): readonly string[] {
  return wish.names ?? directStandbys(view, primary).map((node) => node.spec.name);
}

/** Why this set would make commits wait, or count somebody else than is meant. `fresh`: those that no commit waits for yet. Pure. */
export function judgeSyncSet(view: ClusterView, primary: NodeView, wanted: SyncNames): readonly Reason[] {
  const node = primary.spec.name;
  const server = primary.facts.server;
  if (server === null) return [{ code: 'primary-down', node, message: `${node} does not answer`, next: ['pgrepl status'] }];
  const reasons = wanted.names.flatMap((name) => whyNotCounted(view, primary, name));
  if (wanted.names.length < wanted.needed) {
    const there = wanted.names.length === 0 ? 'no standby streams' : (wanted.names.length === 1 ? 'one standby streams' : `${wanted.names.length} standbys stream`);
    const stopped = view.nodes.filter(({ facts, spec }) => facts.state === 'down' && facts.hasSignal && !namesIt(wanted, spec.name)).map(({ spec }) => `pgrepl add-standby ${spec.name}`);
    reasons.push({ code: 'too-few-standbys', node, message: `${wanted.method} ${wanted.needed} needs ${wanted.needed === 1 ? 'one standby' : `${wanted.needed} standbys`}, and ${there} from ${node}${wanted.names.length === 0 ? '' : ` (${wanted.names.join(', ')})`}: every commit would wait`, hint: 'Add a standby first, or ask for fewer.', next: [...stopped, ...(wanted.names.length > 0 ? [`pgrepl sync ${wanted.method} ${wanted.names.length}`] : stopped.length > 0 ? [] : ['pgrepl add-standby -D DIR --sync'])] });
  }
  return [...reasons, ...waitsForReplay(view, primary, wanted)];
}

function whyNotCounted(view: ClusterView, primary: NodeView, name: string): Reason[] {
  const from = primary.spec.name;
  if (name === from) return [{ code: 'is-the-primary', node: name, message: `${name} is the primary itself: it cannot be its own standby` }];
  const server = primary.facts.server;
  const rows = rowsOf(server?.senders ?? [], name);
  const node = view.nodes.find((one) => one.spec.name === name);
  const upstream = node === undefined ? undefined : configuredUpstream(view, node);
  if (node?.facts.server?.inRecovery === true && upstream !== undefined && upstream !== primary) return [{ code: 'cascaded', node: name, message: `${name} streams from ${upstream.spec.name}, not from the primary ${from}: a cascaded standby never counts`, next: [`pgrepl follow ${name} --upstream ${from}`] }];
  const [row, twin] = rows;
  if (row === undefined) return [{ code: 'not-streaming', node: name, message: `${name} does not stream from ${from}${node === undefined || node.facts.server !== null ? '' : `: ${node.facts.trouble ?? node.facts.state}`}; every commit could wait for it`, next: [node?.facts.state === 'down' && node.facts.hasSignal ? `pgrepl add-standby ${name}` : 'pgrepl status'] }];
  if (twin !== undefined) return [{ code: 'duplicate-name', node: from, message: `${rows.length} connections on ${from} call themselves "${name}" (pids ${rows.map(({ pid }) => pid).join(', ')}), and any of them would acknowledge for ${name}`, hint: 'Names are compared without case. Give the other one an application_name of its own.', next: ['pgrepl status'] }];
  if (row.state !== 'streaming') return [{ code: 'not-streaming', node: name, message: `${name} is in state ${row.state} on ${from}: commits would wait until it has caught up`, hint: 'It can be named as soon as it streams.', next: ['pgrepl status'] }];
  const current = server?.currentLsn ?? null;
  const behind = current === null || row.flushLsn === null ? 0 : bytesBetween(row.flushLsn, current);
  if (behind > LAG_LIMIT_BYTES) return [{ code: 'lagging', node: name, message: `${name} has flushed ${renderBytes(behind)} less than ${from} wrote: commits would wait until it has caught up`, hint: 'It can be named as soon as it has.', next: ['pgrepl status'] }];
  return [];
}

/** Rows of standbys of that name; names are compared without case (hazards F06, F15). Pure. */
export function rowsOf(senders: readonly Sender[], name: string): readonly Sender[] {
  return senders.filter((sender) => sender.state !== 'backup' && namesIt({ names: [name] }, sender.applicationName));
}

/** With remote_apply a commit waits for the replay: of one that is delayed or paused, for as long as that takes (hazard F10). Pure. */
function waitsForReplay(view: ClusterView, primary: NodeView, wanted: SyncNames): readonly Reason[] {
  if (primary.facts.server?.settings['synchronous_commit']?.value !== 'remote_apply') return [];
  const slow = view.nodes.filter((node) => namesIt(wanted, node.spec.name) && (isDelayed(node) || isToReplayLate(node.spec) || isPaused(node)));
  const quick = wanted.names.length - slow.length;
  // `first` waits for the first that are there, whoever is faster.
  const first = wanted.names.slice(0, wanted.needed);
  const counts = wanted.method === 'first' ? slow.filter((node) => namesIt({ names: first }, node.spec.name)) : quick < wanted.needed ? slow : [];
  return counts.map((node) => ({
    code: 'waits-for-replay',
    node: node.spec.name,
    message: `${node.spec.name} ${isPaused(node) ? 'has its replay paused' : 'replays with a delay'}, and synchronous_commit of ${primary.spec.name} is remote_apply: every commit would wait for that`,
    hint: 'Leave it out, or let commits wait for the disk of the standby (synchronous_commit = on).',
  }));
}

/** What the set protects from, and what not, for the operator to read before it is set. Pure. */
export function describeSyncSet(primary: NodeView, wanted: SyncNames): readonly string[] {
  const level = primary.facts.server?.settings['synchronous_commit']?.value ?? 'on';
  const { names, needed } = wanted;
  const each = names.length === needed ? (needed === 1 ? names[0] ?? '' : `all ${needed} (${names.join(', ')})`) : wanted.method === 'any' ? `${needed} of ${names.join(', ')}` : `the first ${needed} that ${needed === 1 ? 'is' : 'are'} there of ${names.join(', ')}`;
  const lines: string[] = [];
  if (level === 'off' || level === 'local') lines.push(`synchronous_commit of ${primary.spec.name} is ${level}: no commit waits for a standby unless its session says otherwise, so this protects nothing`);
  else if (level === 'remote_write') lines.push(`a commit is acknowledged when ${each} ${verb(needed)} received it (remote_write): it survives a crash of the server there, not one of the machine`);
  else lines.push(`a commit is acknowledged when ${each} ${verb(needed)} ${level === 'remote_apply' ? 'replayed' : 'flushed'} it: it survives the loss of ${primary.spec.name}`);
  if (names.length === needed) lines.push(`if ${needed === 1 ? names[0] ?? '' : 'one of them'} goes away, every commit waits until it is back or the set is changed; one standby more than are waited for avoids that`);
  lines.push('a client that cancels its wait is told of success with a warning: that commit may be on no standby');
  return lines;
}

function verb(needed: number): string {
  return needed === 1 ? 'has' : 'have';
}

/** Roles, databases and their pairs that set synchronous_commit to less: commits of theirs do not wait (hazard F12). Pure. */
export function describeCommitLevels(primary: NodeView): readonly string[] {
  const weaker = (primary.inventory?.commitLevels ?? []).filter(({ value }) => value === 'off' || value === 'local' || value === 'remote_write');
  return weaker.map(({ of, value }) => `synchronous_commit = ${value} for ${of}: ${value === 'remote_write' ? 'its commits do not survive a crash of the standby machine' : 'its commits do not wait'}`);
}

/** What could be typed instead, where naming or leaving somebody would make every commit wait. Pure. */
export function otherSets(view: ClusterView, primary: NodeView, without: string): readonly string[] {
  const others = directStandbys(view, primary).filter((node) => node.spec.name !== without && rowsOf(primary.facts.server?.senders ?? [], node.spec.name)[0]?.state === 'streaming').map((node) => node.spec.name);
  return [...(others.length === 0 ? [] : [syncCommand({ method: 'any', needed: 1, names: others })]), 'pgrepl sync off'];
}

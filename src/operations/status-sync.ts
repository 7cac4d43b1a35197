import { namesIt, parseSyncNames, renderSyncNames, sameSyncNames, type SyncNames } from '../postgres/sync-names.ts';
import type { Sender, ServerFacts } from '../postgres/server-facts.ts';
import { rowsOf } from './sync-set.ts';
import { parseSyncWish, renderSyncWish, syncCommand, type SyncWish } from './sync-wish.ts';
import { OWNED_CONF } from './config.ts';
import { SYNC_SETTING } from './settings.ts';
import type { Finding } from './status.ts';
import { isAlone, isForeign, roleOf, stateOf, type StatusView, type ViewedNode } from './status-links.ts';

/** A commit that waits longer than this, although everybody is there, waits for something that is slow or stuck. */
const LONG_WAIT_SECONDS = 10;
/** A synchronous standby that takes longer to flush makes every commit take that long. */
const SLOW_FLUSH_SECONDS = 1;

/** Whether commits wait, for whom, and what that protects from (hazards F01, F06, F07, F10, F11, F16). */
export function syncFindings(view: StatusView): readonly Finding[] {
  return view.nodes.flatMap((node): readonly Finding[] => {
    const { server } = node;
    if (server === null || server.inRecovery || isForeign(node, view)) return [];
    const value = parseSyncNames(server.settings[SYNC_SETTING]?.value ?? '');
    const differs = node === view.primary ? differsFromFile(node, server, value, view) : [];
    if (value === null) return differs;
    const blocked = blockedCommits(node, server, value, view);
    return [...blocked, ...(blocked.length > 0 ? [] : [...slowCommits(node, server, value), ...membersAway(node, server, value, view)]), ...whoCounts(node, server, value, view), ...level(node, server, value), ...differs];
  });
}

function blockedCommits(node: ViewedNode, server: ServerFacts, value: SyncNames, view: StatusView): readonly Finding[] {
  const { needed, names } = value;
  const there = counted(server);
  if (there.length >= needed) return [];
  const text = renderSyncNames(value);
  const waiting = server.syncWaiters === 0 ? 'none waits at this moment' : `${server.syncWaiters} ${server.syncWaiters === 1 ? 'waits' : 'wait'} now`;
  const others = streaming(server).filter(({ applicationName }) => view.nodes.some(({ name }) => name === applicationName)).map(({ applicationName }) => applicationName);
  const back = view.nodes.filter((one) => namesIt({ names }, one.name) && roleOf(one, view) === 'standby' && stateOf(one, view) === 'stopped').map((one) => `pgrepl add-standby ${one.name}`);
  return [
    {
      id: 'commits-wait',
      level: 'critical',
      node: node.name,
      says: `commits on ${node.name} wait: synchronous_standby_names = ${text} needs ${needed}, and ${there.length === 0 ? 'none is' : `only ${there.length} ${there.length === 1 ? 'is' : 'are'}`} there; ${waiting}`,
      hint: 'Bring the synchronous standbys back, or let commits wait for others, or for none: then what waits is acknowledged at once.',
      next: [...back, ...(others.length === 0 ? [] : [syncCommand({ method: 'any', needed: 1, names: others })]), 'pgrepl sync off'],
    },
  ];
}

function slowCommits(node: ViewedNode, server: ServerFacts, value: SyncNames): readonly Finding[] {
  const longest = server.longestSyncWaitSeconds ?? 0;
  const slow = counted(server).filter(({ flushLagSeconds }) => (flushLagSeconds ?? 0) > SLOW_FLUSH_SECONDS);
  const says = slow.map(({ applicationName, flushLagSeconds }): Finding => ({ id: 'sync-slow', level: 'warning', node: applicationName, says: `${applicationName} takes ${(flushLagSeconds ?? 0).toFixed(1)} s to flush, and commits on ${node.name} wait for ${renderSyncNames(value)}`, hint: 'Its disk or the link to it is slow. Commits do not get faster than the slowest that they need.', next: [] }));
  if (longest <= LONG_WAIT_SECONDS) return says;
  return [{ id: 'commits-slow', level: 'warning', node: node.name, says: `${server.syncWaiters} ${server.syncWaiters === 1 ? 'commit' : 'commits'} on ${node.name} ${server.syncWaiters === 1 ? 'has' : 'have'} waited for up to ${Math.round(longest)} s, although ${renderSyncNames(value)} is there`, hint: server.settings['synchronous_commit']?.value === 'remote_apply' ? 'With remote_apply a commit waits for the replay: a paused or delayed standby, or a long query on it, keeps it waiting.' : 'What is there is slow.', next: ['pgrepl doctor'] }, ...says];
}

/** Enough are there; with one more gone they may not be. */
function membersAway(node: ViewedNode, server: ServerFacts, value: SyncNames, view: StatusView): readonly Finding[] {
  if (value.names.includes('*')) return [];
  return value.names.filter((name) => !rowsOf(server.senders, name).some(({ state }) => state === 'streaming')).map((name) => {
    const one = view.nodes.find((other) => namesIt({ names: [name] }, other.name));
    const spare = counted(server).length - value.needed;
    return { id: 'sync-member-away', level: 'warning', node: one?.name ?? node.name, says: `${name} is in ${renderSyncNames(value)} and does not stream from ${node.name}${spare > 0 ? '' : ': if one more goes away, every commit waits'}`, hint: one === undefined ? 'It is no node of the cluster file.' : null, next: one !== undefined && roleOf(one, view) === 'standby' && stateOf(one, view) === 'stopped' ? [`pgrepl add-standby ${one.name}`] : [] };
  });
}

function whoCounts(node: ViewedNode, server: ServerFacts, value: SyncNames, view: StatusView): readonly Finding[] {
  const known = streaming(server).map(({ applicationName }) => applicationName).filter((name) => view.nodes.some((one) => one.name === name));
  const instead = known.length === 0 ? [] : [syncCommand({ method: value.method, needed: Math.min(value.needed, known.length), names: known })];
  if (value.names.includes('*')) return [{ id: 'sync-wildcard', level: 'warning', node: node.name, says: `synchronous_standby_names of ${node.name} is ${renderSyncNames(value)}: whatever streams acknowledges commits, also a pg_receivewal or a copy that nobody knows`, hint: 'Name the standbys.', next: instead }];
  return value.names.flatMap((name): readonly Finding[] => {
    const rows = rowsOf(server.senders, name);
    return rows.length < 2 ? [] : [{ id: 'sync-duplicate', level: 'critical', node: node.name, says: `${rows.length} connections on ${node.name} call themselves "${name}" (pids ${rows.map(({ pid }) => pid).join(', ')}): any of them acknowledges commits for ${name}`, hint: 'Names are compared without case. Give the other one an application_name of its own, or end it.', next: [] }];
  });
}

/** What the set protects from, where that is less than it seems. */
function level(node: ViewedNode, server: ServerFacts, value: SyncNames): readonly Finding[] {
  const now = server.settings['synchronous_commit']?.value;
  const text = renderSyncNames(value);
  if (now === 'remote_write') return [{ id: 'sync-remote-write', level: 'info', node: node.name, says: `synchronous_commit of ${node.name} is remote_write: a commit survives a crash of the server on ${text}, not one of its machine`, hint: null, next: [] }];
  if (now === 'off' || now === 'local') return [{ id: 'sync-not-waited', level: 'warning', node: node.name, says: `synchronous_commit of ${node.name} is ${now}: commits do not wait for ${text} unless their session says so`, hint: null, next: [] }];
  return [];
}

/** The file says one thing and the primary does another: after a failover with nobody left to wait for, or after an edit of either. */
function differsFromFile(node: ViewedNode, server: ServerFacts, value: SyncNames | null, view: StatusView): readonly Finding[] {
  if (isAlone(view) || SYNC_SETTING in (node.spec.set ?? {})) return [];
  const wish = parseSyncWish(view.topology.sync);
  // What pgrepl did not set, and the file does not speak of, is the operator's own.
  const ours = server.settings[SYNC_SETTING]?.file?.endsWith(`/${OWNED_CONF}`) === true;
  if (wish === null ? value === null || !ours : isMeant(wish, value, server, view)) return [];
  return [{ id: 'sync-differs', level: 'warning', node: node.name, says: `the cluster file says sync: ${renderSyncWish(wish)}, and commits on ${node.name} wait for ${value === null ? 'no standby' : renderSyncNames(value)}`, hint: 'Whichever is meant: the command sets both.', next: [syncCommand(wish), ...(value === null || value.names.includes('*') ? [] : [syncCommand(value)])] }];
}

function isMeant(wish: SyncWish, value: SyncNames | null, server: ServerFacts, view: StatusView): boolean {
  if (value === null) return false;
  if (wish.names !== null) return sameSyncNames({ ...wish, names: wish.names }, value);
  const direct = streaming(server).map(({ applicationName }) => applicationName).filter((name) => view.nodes.some((one) => one.name === name));
  return value.method === wish.method && value.needed === wish.needed && direct.every((name) => namesIt(value, name));
}

function counted(server: ServerFacts): readonly Sender[] {
  return server.senders.filter(({ syncState }) => syncState === 'sync' || syncState === 'quorum');
}

function streaming(server: ServerFacts): readonly Sender[] {
  return server.senders.filter(({ state }) => state === 'streaming');
}

import type { Reason } from '../errors.ts';
import { hasInclude } from '../postgres/conf-file.ts';
import { REQUIRED_PARAMETERS } from '../postgres/control-data.ts';
import { bytesBetween } from '../postgres/lsn.ts';
import { countsAsSync, namesIt, parseSyncNames } from '../postgres/sync-names.ts';
import { renderBytes } from '../postgres/units.ts';
import { isDelayed, toReplay } from './candidates.ts';
import { managedByOthers, type ClusterView, type NodeView } from './cluster.ts';
import { OWNED_CONF } from './config.ts';
import { followersOf } from './role-change.ts';
import { managedWish } from './sync-wish.ts';

/** A switchover waits for all of this to be replayed; more is caught up with first. */
const LAG_LIMIT_BYTES = 16 * 1024 * 1024;
/** Fast shutdown waits for the archiver to take what is ready (hazard I06). */
const ARCHIVE_LIMIT_FILES = 16;

/** What makes a planned stop of this primary long or harmful. Of one that is stopped already nothing can be said. Pure. */
export function judgePrimary(primary: NodeView, interrupted: boolean): readonly Reason[] {
  const { server } = primary.facts;
  const node = primary.spec.name;
  if (interrupted || server === null) return managed(primary);
  const reasons: Reason[] = [...managed(primary), ...managedByOthers(primary)];
  const { inventory } = primary;
  if (inventory !== null) {
    if (inventory.archiveReady > ARCHIVE_LIMIT_FILES || (inventory.archiveFailing && inventory.archiveReady > 0)) {
      reasons.push({ code: 'archive-backlog', node, message: `${counted(inventory.archiveReady, 'WAL file')} of ${node} ${inventory.archiveReady === 1 ? 'waits' : 'wait'} for archive_command${inventory.archiveFailing ? ', which fails' : ''}`, hint: 'A shutdown would wait for them. Mend the archive first.' });
    }
    if (inventory.runningBackups > 0) reasons.push({ code: 'backup-running', node, message: `a base backup of ${node} is running and would break`, hint: 'Wait for it to end.' });
    if (inventory.waitingForSync > 0) reasons.push({ code: 'commits-wait', node, message: `${counted(inventory.waitingForSync, 'commit')} on ${node} ${inventory.waitingForSync === 1 ? 'waits' : 'wait'} for a synchronous standby`, hint: 'A restart would make what waits visible without one.' });
  }
  // Logical senders wait for these, and the shutdown waits for the senders (hazard A24).
  const needed = (server.settings['synchronized_standby_slots']?.value ?? '').split(',').map((name) => name.trim().replaceAll('"', '')).filter((name) => name !== '');
  for (const name of needed) {
    if (server.slots.find((slot) => slot.name === name)?.active !== true) reasons.push({ code: 'synchronized-slot-inactive', node, message: `synchronized_standby_slots of ${node} names "${name}", which nobody uses: a shutdown could wait for it for ever`, hint: 'Bring that standby back, or take it off the list.' });
  }
  const current = server.currentLsn;
  for (const sender of server.senders) {
    if (current === null || sender.flushLsn === null || sender.state === 'backup') continue;
    const behind = bytesBetween(sender.flushLsn, current);
    if (behind > LAG_LIMIT_BYTES) reasons.push({ code: 'receiver-behind', node, message: `${sender.applicationName} has received ${renderBytes(behind)} less than ${node} wrote; a shutdown would wait for it`, hint: 'Let it catch up, or disconnect it.' });
  }
  return reasons;
}

/** What keeps this standby from taking over, in an emergency less than in a planned switchover. Pure. */
export function judgeCandidate(view: ClusterView, primary: NodeView | null, candidate: NodeView, siblings: readonly NodeView[], way: 'planned' | 'failover'): readonly Reason[] {
  const { server, control } = candidate.facts;
  const node = candidate.spec.name;
  const refuse = (code: string, message: string, hint?: string, next?: readonly string[]): Reason => ({ code, node, message, hint, next });
  if (server === null) return [refuse('candidate-down', `${node} cannot take over: ${candidate.facts.trouble ?? candidate.facts.state}`, undefined, ['pgrepl status'])];
  if (!server.inRecovery) return [refuse('not-a-standby', `${node} is not a standby`, undefined, ['pgrepl status'])];
  const reasons: Reason[] = [...managedByOthers(candidate), ...managed(candidate), ...siblings.flatMap(managed)];
  const settings = server.settings;
  // With these too low, replay pauses and the promote shuts the server down (hazards A03, X12). Never forced.
  for (const name of REQUIRED_PARAMETERS) {
    const needed = Number(primary?.facts.server?.settings[name]?.value ?? control?.required[name] ?? 0);
    const own = Number(settings[name]?.value ?? needed);
    if (own < needed) reasons.push(refuse('parameter-too-low', `${name} of ${node} is ${own}, and its primary runs with ${needed}: promoting it would shut it down`, `Raise it on ${node} and restart that.`));
    for (const sibling of siblings) {
      const theirs = Number(sibling.facts.server?.settings[name]?.value ?? own);
      if (way === 'planned' && theirs < own) reasons.push({ code: 'sibling-parameter-too-low', node: sibling.spec.name, message: `${name} of ${sibling.spec.name} is ${theirs}, and ${node} runs with ${own}: it would stop replaying`, hint: `Raise it on ${sibling.spec.name} and restart that.` });
    }
  }
  const room = Number(settings['max_wal_senders']?.value ?? '0') - server.senders.length;
  const followers = siblings.length + (way === 'planned' ? 1 : 0);
  if (room < followers) reasons.push(refuse('senders', `${node} has ${room} WAL senders free, and ${counted(followers, 'node')} will stream from it`, `Raise max_wal_senders on ${node} and restart that.`));
  const newSlots = [...siblings, ...(way === 'planned' && primary !== null ? [primary] : [])].filter((one) => !server.slots.some((slot) => slot.name === one.spec.name)).length;
  if (Number(settings['max_replication_slots']?.value ?? '0') - server.slots.length < newSlots) reasons.push(refuse('slots', `${node} has no room for ${counted(newSlots, 'more replication slot')}`, `Raise max_replication_slots on ${node} and restart that, or drop slots that nobody needs.`));
  if (way === 'planned') reasons.push(...plannedOnly(view, primary, candidate, siblings));
  return reasons;
}

function plannedOnly(view: ClusterView, primary: NodeView | null, candidate: NodeView, siblings: readonly NodeView[]): readonly Reason[] {
  const { server } = candidate.facts;
  const node = candidate.spec.name;
  const refuse = (code: string, message: string, hint?: string, next?: readonly string[]): Reason => ({ code, node, message, hint, next });
  if (server === null || primary === null) return [];
  const reasons: Reason[] = [];
  if (isDelayed(candidate)) reasons.push(refuse('delayed', `${node} is a delayed standby and cannot be caught up in time: it holds back ${toReplay(candidate) === 0 ? 'what was written last' : renderBytes(toReplay(candidate))}`, 'Its delay would be lost. Without a delay: in the cluster file, add-standby lets it catch up first.', ['pgrepl switchover NAME']));
  if (server.replayPause !== 'not paused') reasons.push(refuse('replay-paused', `replay on ${node} is paused`, 'It may guard against a mistake being replayed.', ['SELECT pg_wal_replay_resume()']));
  const sync = server.settings['synchronous_standby_names']?.value ?? '';
  const wanted = parseSyncNames(sync);
  if (wanted !== null && managedWish(view.topology, primary) === undefined && !wanted.names.includes('*') && ![primary, ...siblings].some((one) => namesIt(wanted, one.spec.name))) reasons.push(refuse('sync-names', `synchronous_standby_names of ${node} is "${sync}", which none of its future standbys matches: its first commit would wait for ever`, `Set it for the new roles on ${node} first.`));
  const { server: source } = primary.facts;
  if (source === null) return reasons;
  if (server.systemIdentifier !== source.systemIdentifier) reasons.push(refuse('another-cluster', `${node} belongs to another cluster than ${primary.spec.name}`, 'Their system identifiers differ. Look at host, port and data directory of both in the cluster file.', ['pgrepl status']));
  const row = source.senders.find((sender) => sender.applicationName === node);
  if (row?.state !== 'streaming') {
    const cascaded = !followersOf(view, primary).includes(candidate);
    reasons.push(refuse('not-streaming', `${node} does not stream from ${primary.spec.name}${row === undefined ? '' : ` (${row.state})`}`, cascaded ? 'Only a standby that streams from the primary itself can take over.' : undefined, cascaded ? [`pgrepl follow ${node} --upstream ${primary.spec.name}`] : ['pgrepl status']));
  } else if (source.currentLsn !== null && server.replayedLsn !== null) {
    const behind = bytesBetween(server.replayedLsn, source.currentLsn);
    if (behind > LAG_LIMIT_BYTES) reasons.push(refuse('lagging', `${node} is ${renderBytes(behind)} behind ${primary.spec.name} in replay`, 'Writes would pause until that is replayed.'));
  }
  return reasons;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** Our files must be in place on a node whose role changes: its upstream is set there. Pure. */
function managed(node: NodeView): readonly Reason[] {
  if (node.config?.conf !== null && node.config !== null && hasInclude(node.config.conf, OWNED_CONF)) return [];
  return [{ code: 'not-prepared', node: node.spec.name, message: `${node.spec.name} does not include ${OWNED_CONF}`, hint: 'It was not made or adopted by pgrepl.', next: [`pgrepl init-primary ${node.spec.name}`] }];
}

/**
 * What a failover breaks, as far as the standby that takes over can tell: it shows the tables of the dead primary, and its own settings
 * decide for whom its first commit waits (hazards H16, F01). Prepared transactions show only after the
 * promotion (H14). Pure.
 */
export function whatBreaksWithout(candidate: NodeView, followers: readonly NodeView[], unloggedTables: readonly string[], syncIsCarried = false): readonly string[] {
  const name = candidate.spec.name;
  const sync = candidate.facts.server?.settings['synchronous_standby_names']?.value ?? '';
  const wanted = parseSyncNames(sync);
  const waits = !syncIsCarried && wanted !== null && !followers.some((one) => countsAsSync(wanted, one.spec.name));
  return [
    ...(unloggedTables.length === 0 ? [] : [`unlogged tables will be empty: ${unloggedTables.join(', ')}`]),
    ...(Number(candidate.facts.server?.settings['max_prepared_transactions']?.value ?? 0) > 0 ? ['transactions that were prepared come alive again with their locks: look at pg_prepared_xacts afterwards'] : []),
    ...(waits ? [`synchronous_standby_names of ${name} is "${sync}", and none of its standbys is named: commits of clients will wait until that is changed there`] : []),
  ];
}

/** What is not lost data and yet not there afterwards (hazards E12, H14, H16, I14). Pure. */
export function whatBreaks(primary: NodeView, candidate: NodeView): readonly string[] {
  const archives = (node: NodeView): boolean => (node.facts.server?.settings['archive_mode']?.value ?? 'off') !== 'off';
  const logical = primary.facts.server?.slots.filter((slot) => slot.type === 'logical') ?? [];
  const { inventory } = primary;
  const notices: string[] = [];
  if (logical.length > 0) notices.push(`logical slots stay behind, and their subscribers stop: ${logical.map((slot) => slot.name).join(', ')}`);
  if (archives(primary) && !archives(candidate)) notices.push(`nothing will be archived: archive_mode of ${candidate.spec.name} is off, and a restart is needed to turn it on`);
  if (inventory === null) return notices;
  if (inventory.unloggedTables.length > 0) notices.push(`unlogged tables will be empty: ${inventory.unloggedTables.join(', ')}`);
  if (inventory.preparedTransactions > 0) notices.push(`${counted(inventory.preparedTransactions, 'prepared transaction')} ${inventory.preparedTransactions === 1 ? 'comes over with its locks' : 'come over with their locks'}`);
  if (inventory.longTransactions > 0) notices.push(`${counted(inventory.longTransactions, 'session')} in a transaction for over 10 seconds will be ended`);
  return notices;
}

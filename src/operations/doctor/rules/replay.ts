import { settingSeconds } from '../seconds.ts';
import { looked, ownSetting, valueOf, type Looked } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { showAge, showCount } from '../wording.ts';

/** Cancelled queries are ordinary on a standby that is read; more than these a day are worth a word. */
const MANY_A_DAY = 10;
const LONG_QUERY_SECONDS = 5 * 60;

/** Queries and replay in each other's way on standbys, and replay that stands still on purpose. */
export const replay: Rule = {
  id: 'replay',
  hazards: ['F10', 'L01', 'L02', 'L05', 'L08'],
  about: 'on standbys, queries and replay are not in each other\'s way, and no commit waits for a replay that stands',
  needs: ['health'],
  judge: (facts) => {
    const all = looked(facts);
    return all.filter(({ inRecovery }) => inRecovery).flatMap((one) => [...conflicts(one), ...endless(one), ...locked(one), ...delayed(one), ...awaited(one, all)]);
  },
};

function conflicts({ node, health }: Looked): readonly RuleFinding[] {
  const total = health.databases.reduce((sum, { conflicts: count }) => sum + count, 0);
  const days = Math.max(1, (health.statisticsSeconds ?? 0) / 86_400);
  if (total === 0) return [];
  const many = total / days > MANY_A_DAY;
  return [{ id: 'replication-conflicts', level: many ? 'warning' : 'info', node: node.name, hazard: 'L01', says: `replay on ${node.name} has cancelled ${showCount(total)} ${total === 1 ? 'query' : 'queries'}${health.statisticsSeconds === null ? '' : ` in ${showAge(health.statisticsSeconds)}`}`, evidence: health.databases.filter(({ conflicts: count }) => count > 0).map(({ name, conflicts: count }) => `${name}: ${showCount(count)}`), hint: 'max_standby_streaming_delay lets queries run longer and replay wait; hot_standby_feedback lets the primary keep what they read.', next: [] }];
}

/** Replay waits for a query for as long as it likes: a standby that may be far behind, and a bad candidate (hazard L02). */
function endless(one: Looked): readonly RuleFinding[] {
  const { node, health } = one;
  const limits = ['max_standby_streaming_delay', 'max_standby_archive_delay'].filter((name) => ownSetting(health, name)?.value === '-1');
  const oldest = health.holders.find(({ kind, seconds }) => kind === 'session' && (seconds ?? 0) > LONG_QUERY_SECONDS);
  if (limits.length === 0) return [];
  return [{ id: 'replay-waits-without-limit', level: oldest === undefined ? 'info' : 'warning', node: node.name, hazard: 'L02', says: oldest === undefined ? `replay on ${node.name} waits for queries without a limit` : `a query of ${showAge(oldest.seconds ?? 0)} may hold replay on ${node.name}, which waits without a limit`, evidence: [...limits.map((name) => `${name} = -1`), ...(oldest === undefined ? [] : [`pid ${oldest.id}: ${oldest.user ?? '?'}, ${oldest.state ?? '?'}`])], hint: 'As a candidate for a promotion it may have much to replay first.', next: oldest === undefined ? [] : [`SELECT pg_terminate_backend(${oldest.id})`] }];
}

function locked({ node, health }: Looked): readonly RuleFinding[] {
  if (health.behindReplayLock === 0) return [];
  return [{ id: 'readers-wait-for-replay', level: 'warning', node: node.name, hazard: 'L08', says: `${health.behindReplayLock} ${health.behindReplayLock === 1 ? 'session waits' : 'sessions wait'} on ${node.name} for a table that the primary has locked exclusively`, evidence: ['replay holds AccessExclusiveLock until the transaction of the primary ends'], hint: 'ALTER TABLE, TRUNCATE or VACUUM FULL on the primary in a transaction that stays open: it shows in pg_stat_activity there. Replay that is paused keeps such a lock too.', next: [] }];
}

/** What it has received and not replayed stays on its disk for the whole delay (hazard L05). */
function delayed({ node, extras }: Looked): readonly RuleFinding[] {
  const delay = settingSeconds(node.server?.settings['recovery_min_apply_delay']);
  const rate = extras.rates?.walBytesPerSecond ?? 0;
  if (delay === 0) return [];
  return [{ id: 'delayed-standby', level: 'info', node: node.name, hazard: 'L05', says: `${node.name} replays ${showAge(delay)} late on purpose: the WAL of that time stays on its disk${rate > 0 ? `, about ${Math.ceil((rate * delay) / 1024 ** 2)} MB as the primary writes now` : ''}`, evidence: [], hint: null, next: [] }];
}

/** With remote_apply every commit waits for the replay of the synchronous standbys (hazard F10). */
function awaited(one: Looked, all: readonly Looked[]): readonly RuleFinding[] {
  const primary = all.find(({ inRecovery }) => !inRecovery);
  const sender = primary?.node.server?.senders.find(({ applicationName }) => applicationName === one.node.name);
  const delay = settingSeconds(one.node.server?.settings['recovery_min_apply_delay']);
  const stands = delay > 0 || one.node.server?.replayPause !== 'not paused';
  if (primary === undefined || sender === undefined || !['sync', 'quorum'].includes(sender.syncState) || valueOf(primary, 'synchronous_commit') !== 'remote_apply' || !stands) return [];
  return [{ id: 'commits-wait-for-replay', level: 'critical', node: one.node.name, hazard: 'F10', says: `commits on ${primary.node.name} wait for the replay on ${one.node.name}, which ${delay > 0 ? `comes ${showAge(delay)} late` : 'is paused'}`, evidence: ['synchronous_commit = remote_apply', `sync_state = ${sender.syncState}`], hint: 'Go on with replay, or leave that standby out of the synchronous ones.', next: delay > 0 ? ['pgrepl sync off'] : ['SELECT pg_wal_replay_resume()', 'pgrepl sync off'] }];
}

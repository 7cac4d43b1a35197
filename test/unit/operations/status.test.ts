import { describe, expect, test } from 'vitest';
import type { NodeFacts } from '../../../src/operations/facts.ts';
import { judgeState } from '../../../src/operations/observe.ts';
import { exitOfStatus, judgeStatus, type Finding, type StatusDocument } from '../../../src/operations/status.ts';
import { PgreplError } from '../../../src/errors.ts';
import { parseLsn } from '../../../src/postgres/lsn.ts';
import type { Sender } from '../../../src/postgres/server-facts.ts';
import { parseSystemIdentifier } from '../../../src/postgres/names.ts';
import { CURRENT, facts, primary, sender, setting, slot, standby, stopped, SYSTEM, topologyOf, type ServerWords } from './status-facts.ts';

const pair = topologyOf(['node1', 'node2']);
const trio = topologyOf();

const ids = (document: StatusDocument): readonly string[] => document.findings.map(({ id, level, node }) => `${level} ${id} ${node ?? '-'}`);
const the = (document: StatusDocument, id: string): Finding => {
  const found = document.findings.find((finding) => finding.id === id);
  if (found === undefined) throw new Error(`no ${id} among ${ids(document).join(', ')}`);
  return found;
};
const node = (document: StatusDocument, name: string): StatusDocument['nodes'][number] => {
  const found = document.nodes.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
};

test('G01 G03 an idle pair is well: no lag in bytes, none in seconds, exit 0', () => {
  const document = judgeStatus(pair, [primary('node1', ['node2']), standby('node2')]);
  expect(document).toEqual({
    format: 1, cluster: 'shop', verdict: 'ok', systemIdentifier: '7412385928374923001', primary: 'node1', findings: [],
    pace: null, commitsWaiting: { count: 0, longestSeconds: null }, openFences: [],
    connections: { readWrite: 'postgresql://127.0.0.1:5433,127.0.0.1:5434/?target_session_attrs=read-write', readOnly: 'postgresql://127.0.0.1:5434,127.0.0.1:5433/?target_session_attrs=prefer-standby' },
    nodes: [
      { name: 'node1', role: 'primary', state: 'running', host: '127.0.0.1', port: 5433, version: '15.18', timeline: 1, lsn: CURRENT, upstream: null, sync: null, lag: null, slot: null },
      {
        name: 'node2', role: 'standby', state: 'streaming', host: '127.0.0.1', port: 5434, version: '15.18', timeline: 1, lsn: CURRENT, upstream: 'node1', sync: 'async',
        lag: { receivedBytes: 0, replayedBytes: 0, seconds: null }, slot: { name: 'node2', active: true, walStatus: 'reserved', retainedBytes: 0, safeBytes: 1_073_741_824, secondsLeft: null },
      },
    ],
  });
  expect(exitOfStatus(document)).toBe(0);
});

test('G02 a fresh standby that has replayed no commit has a lag without seconds', () => {
  const behind = { replayLsn: parseLsn('0/5000048'), flushLsn: parseLsn(CURRENT) };
  const document = judgeStatus(pair, [primary('node1', [], { senders: [sender('node2', behind)], slots: [slot('node2')] }), standby('node2', 5433, { replayedLsn: null, replayAgeSeconds: null })]);
  expect(node(document, 'node2').lag).toEqual({ receivedBytes: 0, replayedBytes: 256, seconds: null });
});

test('G04 a clock that runs behind never gives negative seconds', () => {
  const old = parseLsn('0/4000000');
  const document = judgeStatus(pair, [primary('node1', [], { senders: [sender('node2', { replayLsn: old })] }), standby('node2', 5433, { replayedLsn: old, replayPause: 'paused', replayAgeSeconds: -3 })]);
  expect(node(document, 'node2').lag?.seconds).toBe(0);
});

test('G05 A02 X12 replay paused by a lower parameter is critical and names it with both values', () => {
  const old = parseLsn('0/4000000');
  const document = judgeStatus(pair, [
    primary('node1', [], { senders: [sender('node2', { replayLsn: old })], slots: [slot('node2')], settings: { max_connections: '200' } }),
    standby('node2', 5433, { replayedLsn: old, replayPause: 'paused', replayAgeSeconds: 12 }),
  ]);
  expect(node(document, 'node2')).toMatchObject({ state: 'paused', lag: { receivedBytes: 0, replayedBytes: 0x1000148, seconds: 12 } });
  expect(the(document, 'replay-paused')).toMatchObject({ level: 'critical', says: 'node2 receives but does not replay: max_connections is 100 here and 200 on the primary' });
  expect(exitOfStatus(document)).toBe(8);
});

test('A02 a lower parameter on a standby that still replays is a warning before its next start', () => {
  const document = judgeStatus(pair, [primary('node1', ['node2'], { settings: { max_worker_processes: '16' } }), standby('node2')]);
  expect(ids(document)).toEqual(['warning parameter-lower node2']);
});

test('G05 replay paused by hand is a warning', () => {
  const document = judgeStatus(pair, [primary('node1', ['node2']), standby('node2', 5433, { replayPause: 'paused' })]);
  expect(ids(document)).toEqual(['warning paused-by-hand node2']);
  expect(exitOfStatus(document)).toBe(7);
});

test('G06 X4 a standby whose slot does not exist is not attached, and the slot is named', () => {
  const document = judgeStatus(pair, [primary('node1', []), standby('node2', 5433, { receiver: null, settings: { primary_slot_name: 'gone' } })]);
  expect(node(document, 'node2')).toMatchObject({ state: 'detached', upstream: null, sync: null });
  expect(the(document, 'not-attached')).toMatchObject({ level: 'critical', says: 'node2 is not attached: its slot "gone" does not exist on node1', next: ['pgrepl rejoin node2'] });
});

test('G06 a delayed standby that holds back a commit is not attached yet, which is a warning and not a riddle', () => {
  const document = judgeStatus(pair, [primary('node1', []), standby('node2', 5433, { receiver: null, holdsBack: true })]);
  expect(the(document, 'not-attached')).toMatchObject({ level: 'warning', says: 'node2 is not attached: it holds back a commit for its delay, and connects when that is replayed' });
});

test('G06 a standby whose primary_conninfo leads nowhere we know is not attached, and the address is named', () => {
  const document = judgeStatus(pair, [primary('node1', []), standby('node2', 9999, { receiver: null })]);
  expect(the(document, 'not-attached').says).toBe('node2 is not attached: its primary_conninfo leads to 127.0.0.1:9999, which is no node of the cluster file');
  expect(the(document, 'not-attached').next).toEqual(['pgrepl follow node2 --upstream node1']);
});

test('G23 a receiver that says streaming is not believed when its upstream does not list it', () => {
  const document = judgeStatus(pair, [primary('node1', []), standby('node2', 5433, { settings: { primary_slot_name: '' } })]);
  expect(node(document, 'node2').state).toBe('detached');
  expect(the(document, 'not-attached').says).toBe('node2 is not attached: node1 does not list it');
});

test('G23 nor when its upstream is proved to be stopped: a receiver that hangs says so for good', () => {
  const document = judgeStatus(topologyOf(['node1', 'node2']), [stopped('node1'), standby('node2', 5433, { replayPause: 'paused' })]);
  expect(node(document, 'node2')).toMatchObject({ state: 'detached', upstream: null });
  expect(the(document, 'not-attached').says).toBe('node2 is not attached: its upstream node1 is stopped');
});

test('G08 a received position behind the replayed one after a restart is not taken for lag', () => {
  const document = judgeStatus(pair, [primary('node1', ['node2']), standby('node2', 5433, { receivedLsn: parseLsn('0/5000000') })]);
  expect(node(document, 'node2')).toMatchObject({ lsn: CURRENT, lag: { receivedBytes: 0 } });
});

test('G09 positions on two timelines are not subtracted', () => {
  const document = judgeStatus(pair, [primary('node1', [], { timeline: 2, slots: [slot('node2', { active: false })] }), standby('node2', 5433, { receiver: null })]);
  expect(node(document, 'node2').lag).toBeNull();
  expect(the(document, 'not-attached').says).toContain('still on timeline 1, the primary on 2');
});

test('G09 a standby on a later timeline than the primary is said to have another history', () => {
  const document = judgeStatus(pair, [primary('node1', []), standby('node2', 5433, { receiver: null, timeline: 3 })]);
  expect(the(document, 'not-attached')).toMatchObject({ says: 'node2 is not attached: it is on timeline 3, the primary node1 on 1', next: ['pgrepl rejoin node2'] });
});

test('G12 system identifiers that differ in the last digit are two clusters', () => {
  const document = judgeStatus(trio, [primary('node1', ['node2']), standby('node2'), standby('node3', 5433, { systemIdentifier: parseSystemIdentifier('7412385928374923002') })]);
  expect(node(document, 'node3').state).toBe('foreign');
  expect(ids(document)).toEqual(['critical foreign-system-identifier node3']);
});

test('G13 a frozen node is critical, the others are shown', () => {
  const document = judgeStatus(trio, [primary('node1', ['node2', 'node3']), standby('node2'), facts('node3', { state: 'silent', trouble: 'no answer within 3 s' })]);
  expect(document.nodes.map(({ state }) => state)).toEqual(['running', 'streaming', 'unreachable']);
  expect(the(document, 'node-silent')).toMatchObject({ level: 'critical', node: 'node3' });
  expect(exitOfStatus(document)).toBe(8);
});

test('G13 a frozen primary leaves the standby with what it says of itself, and that is said', () => {
  const document = judgeStatus(pair, [facts('node1', { state: 'silent' }), standby('node2')]);
  expect(node(document, 'node2')).toMatchObject({ state: 'streaming', upstream: 'node1', lag: { receivedBytes: null, replayedBytes: null, seconds: null } });
  expect(ids(document)).toEqual(['critical no-primary -', 'critical node-silent node1', 'warning attachment-unproved node2']);
});

test('G14 G22 too many clients is no stopped server, and a document of such nodes alone is no exit 10', () => {
  const document = judgeStatus(topologyOf(['node1']), [facts('node1', { state: 'closed', trouble: 'sorry, too many clients already' })]);
  expect(the(document, 'node-closed').says).toContain('sorry, too many clients already');
  expect(exitOfStatus(document)).toBe(8);
});

test('G15 starting and stopping are two states', () => {
  const both = judgeStatus(pair, [facts('node1', { state: 'starting', trouble: 'the database system is starting up' }), facts('node2', { state: 'stopping' })]);
  expect(both.findings.map(({ id, says }) => [id, says])).toEqual(expect.arrayContaining([['node-starting', 'node1 is starting up and lets nobody in yet: the database system is starting up'], ['node-stopping', 'node2 is shutting down']]));
  const document = judgeStatus(trio, [primary('node1', []), facts('node2', { state: 'starting' }), facts('node3', { state: 'stopping' })]);
  expect(document.nodes.map(({ state }) => state)).toEqual(['running', 'starting', 'stopping']);
});

test('G22 nothing reached is exit 10', () => {
  const document = judgeStatus(pair, [facts('node1', { state: 'unknown' }), facts('node2', { state: 'unknown' })]);
  expect(exitOfStatus(document)).toBe(10);
});

test('G19 a standby that reads the archive only is a state of its own', () => {
  const document = judgeStatus(pair, [primary('node1', ['node3']), standby('node2', 5433, { receiver: null, settings: { restore_command: 'cp /a/%f %p', primary_conninfo: '' } })]);
  expect(node(document, 'node2').state).toBe('archive-recovery');
});

test('G21 two primaries are critical, both shown with timeline, position and start; neither is the primary', () => {
  const document = judgeStatus(pair, [primary('node1', []), primary('node2', [], { timeline: 2, currentLsn: parseLsn('0/6000000') })]);
  expect(document.primary).toBeNull();
  expect(the(document, 'two-primaries')).toMatchObject({
    level: 'critical',
    says: '2 nodes take writes: node1 (timeline 1, at 0/5000148, started 2025-10-09T08:53:20Z) and node2 (timeline 2, at 0/6000000, started 2025-10-09T08:53:20Z)',
    next: ['pgrepl rejoin node1'],
  });
});

test('D08 X5 a standby that streams from itself is critical although its lag reads 0', () => {
  const own = standby('node2', 5434, { senders: [sender('node2')], slots: [slot('node2')] });
  const document = judgeStatus(pair, [primary('node1', [], { currentLsn: parseLsn('0/6000148') }), own]);
  expect(the(document, 'self-following')).toMatchObject({ level: 'critical', node: 'node2', next: ['pgrepl follow node2 --upstream node1'] });
  expect(node(document, 'node2')).toMatchObject({ state: 'detached', upstream: null, lag: { receivedBytes: 0x1000000 } });
});

test('D09 a loop without a primary is critical, once', () => {
  const document = judgeStatus(trio, [primary('node1', []), standby('node2', 5435, { senders: [sender('node3')] }), standby('node3', 5434, { senders: [sender('node2')] })]);
  expect(document.findings.filter(({ id }) => id === 'loop')).toHaveLength(1);
  expect(the(document, 'loop').says).toBe('node2 streams from node3 streams from node2: no write of a primary ever arrives');
});

test('a cascaded standby is measured against the primary, not only against its upstream', () => {
  const behind = parseLsn('0/5000048');
  const cascade = topologyOf(['node1', 'node2', 'node3'], { node3: { upstream: pair.nodes[1]?.name } });
  const document = judgeStatus(cascade, [
    primary('node1', ['node2']),
    standby('node2', 5433, { receivedLsn: behind, replayedLsn: behind, senders: [sender('node3', { flushLsn: behind, replayLsn: behind })], slots: [slot('node3')] }),
    standby('node3', 5434, { receivedLsn: behind, replayedLsn: behind }),
  ]);
  expect(document.findings).toEqual([]);
  expect(node(document, 'node3')).toMatchObject({ upstream: 'node2', lag: { receivedBytes: 256, replayedBytes: 256 } });
});

test('E01 an inactive slot is a warning with what it keeps', () => {
  const idle = slot('node2', { active: false, activePid: null, retainedBytes: 33_554_432 });
  const document = judgeStatus(pair, [primary('node1', [], { slots: [idle] }), stopped('node2', { state: 'shut down in recovery' }, { hasSignal: true })]);
  expect(ids(document)).toEqual(['warning node-down node2', 'warning slot-inactive node2']);
  expect(the(document, 'slot-inactive').says).toBe('slot "node2" on node1 is used by nobody and keeps 32 MB of WAL');
});

test('E01 a slot over 80 % of its limit is critical with bytes and time left', () => {
  const full = slot('node2', { active: false, activePid: null, retainedBytes: 943_718_400, safeBytes: 130_023_424, walStatus: 'extended' });
  const document = judgeStatus(pair, [primary('node1', [], { slots: [full] }), stopped('node2', { state: 'shut down in recovery' })], { walBytesPerSecond: 1_048_576 });
  expect(the(document, 'slot-retention')).toMatchObject({ level: 'critical', node: 'node2', says: 'slot "node2" on node1 keeps 900 MB of WAL of at most 1 GB: 124 MB left, about 2 min as the primary writes now until it may be lost' });
});

test('E02 slots without a limit are a warning, and a decision when the cluster file says so', () => {
  const seen = [primary('node1', ['node2'], { settings: { max_slot_wal_keep_size: '-1' } }), standby('node2')];
  expect(ids(judgeStatus(pair, seen))).toEqual(['warning slot-no-limit node1']);
  expect(judgeStatus(topologyOf(['node1', 'node2'], { node1: { set: { max_slot_wal_keep_size: '-1' } } }), seen).verdict).toBe('ok');
});

test('E03 an unreserved slot is critical', () => {
  const document = judgeStatus(pair, [primary('node1', [], { senders: [sender('node2')], slots: [slot('node2', { walStatus: 'unreserved', safeBytes: -5 })] }), standby('node2')]);
  expect(ids(document)).toEqual(['critical slot-retention node2']);
});

test('E05 a lost slot is critical and its standby has to rejoin', () => {
  const document = judgeStatus(pair, [primary('node1', [], { slots: [slot('node2', { walStatus: 'lost', active: false, restartLsn: null })] }), standby('node2', 5433, { receiver: null })]);
  expect(the(document, 'slot-lost').next).toEqual(['pgrepl rejoin node2']);
  expect(the(document, 'not-attached').says).toContain('is lost');
});

test('an open fence stays critical and says how it was stated', () => {
  const document = judgeStatus(topologyOf(['node1', 'node2'], { node1: { fenced: 'power pulled' } }), [facts('node1', { state: 'unknown' }), primary('node2', [])]);
  expect(the(document, 'open-fence')).toMatchObject({ level: 'critical', node: 'node1' });
  expect(the(document, 'open-fence').says).toContain('"power pulled"');
});

test.each([
  ['0/5000000', '0/5000100', 'it has not diverged'],
  ['0/5000100', '0/5000000', 'it has diverged'],
])('an old primary locked by a failover says whether it has diverged (checkpoint %s, left at %s)', (checkpoint, left, says) => {
  const old = stopped('node1', { checkpointLsn: parseLsn(checkpoint) }, { directoryMode: 0o701 });
  const document = judgeStatus(pair, [old, primary('node2', [], { timeline: 2 })], { history: [{ timeline: 1, switchLsn: parseLsn(left), reason: 'no recovery target specified' }] });
  expect(node(document, 'node1')).toMatchObject({ role: 'unknown', state: 'stopped' });
  expect(the(document, 'fenced')).toMatchObject({ level: 'warning', next: ['pgrepl rejoin node1'] });
  expect(the(document, 'fenced').says).toContain(says);
});

test('a stopped primary leaves the cluster without one, and starting it again is said to be the first choice', () => {
  const document = judgeStatus(pair, [stopped('node1', { state: 'in production' }), standby('node2', 5433, { receiver: null })]);
  expect(node(document, 'node1')).toMatchObject({ role: 'primary', state: 'stopped' });
  expect(the(document, 'no-primary')).toMatchObject({ says: 'no node takes writes: node1 is stopped', next: ['pgrepl init-primary node1 --start', 'pgrepl promote --dry-run'] });
});

test('a password in primary_conninfo is a warning and is not shown', () => {
  const document = judgeStatus(pair, [primary('node1', ['node2']), standby('node2', 5433, { settings: { primary_conninfo: 'host=127.0.0.1 port=5433 password=***' } })]);
  expect(ids(document)).toEqual(['warning password-in-conninfo node2']);
});

test('a standby that the file does not know is told, without changing the verdict', () => {
  const document = judgeStatus(topologyOf(['node1']), [primary('node1', ['stray'])]);
  expect(ids(document)).toEqual(['info unknown-standby node1']);
  const proving = primary('node1', [], { senders: [sender('pgrepl doctor', { state: 'startup' })] });
  expect(ids(judgeStatus(topologyOf(['node1']), [proving]))).toEqual([]);
});

test('F01 a primary whose synchronous standby is away lets no commit return', () => {
  const document = judgeStatus(topologyOf(['node1']), [primary('node1', [], { settings: { synchronous_standby_names: 'ANY 1 (node2)' } })]);
  expect(the(document, 'commits-wait').level).toBe('critical');
});

describe('synchronous replication', () => {
  const quorum = (name: string, more: Partial<Sender> = {}): Sender => sender(name, { syncState: 'quorum', ...more });
  const of = (value: string, senders: readonly Sender[], words: ServerWords = {}, sync = 'off', nodes: readonly NodeFacts[] = [standby('node2'), standby('node3')]): StatusDocument =>
    judgeStatus({ ...topologyOf(), sync }, [primary('node1', ['node2', 'node3'], { ...words, senders, settings: { synchronous_standby_names: value, ...words.settings } }), ...nodes]);

  test('F01 how many commits wait, and what lets them go on: the stopped standby started, another one named, or none', () => {
    const away = stopped('node2', { state: 'shut down in recovery' }, { hasSignal: true });
    const document = of('ANY 1 ("node2")', [sender('node3')], { syncWaiters: 3, longestSyncWaitSeconds: 7 }, 'any 1 (node2)', [away, standby('node3')]);
    expect(the(document, 'commits-wait')).toMatchObject({
      level: 'critical',
      says: 'commits on node1 wait: synchronous_standby_names = ANY 1 ("node2") needs 1, and none is there; 3 wait now',
      next: ['pgrepl add-standby node2', 'pgrepl sync any 1 node3', 'pgrepl sync off'],
    });
  });

  test('F01 one that is away, while enough are there', () => {
    const document = of('ANY 1 ("node2", "node3")', [quorum('node2')], {}, 'any 1', [standby('node2'), stopped('node3', { state: 'shut down in recovery' }, { hasSignal: true })]);
    expect(the(document, 'sync-member-away')).toMatchObject({ level: 'warning', says: 'node3 is in ANY 1 ("node2", "node3") and does not stream from node1: if one more goes away, every commit waits', next: ['pgrepl add-standby node3'] });
  });

  test('F06 a namesake, F07 anybody, F11 remote_write, F12 nobody by the level of the server', () => {
    const both = [quorum('node2'), quorum('node3')];
    expect(the(of('ANY 1 ("node2", "node3")', [...both, quorum('Node2', { pid: 7 })]), 'sync-duplicate').says).toMatch(/^2 connections on node1 call themselves "node2" \(pids 100, 7\)/);
    expect(the(of('ANY 1 (*)', both), 'sync-wildcard')).toMatchObject({ level: 'warning', next: ['pgrepl sync any 1 node2 node3'] });
    expect(the(of('ANY 1 ("node2", "node3")', both, { settings: { synchronous_commit: 'remote_write' } }), 'sync-remote-write').level).toBe('info');
    expect(the(of('ANY 1 ("node2", "node3")', both, { settings: { synchronous_commit: 'local' } }), 'sync-not-waited').level).toBe('warning');
  });

  test('F10, F16 commits that wait long although everybody is there, and the one that is slow', () => {
    const document = of('ANY 1 ("node2", "node3")', [quorum('node2', { flushLagSeconds: 2.5 }), quorum('node3')], { syncWaiters: 4, longestSyncWaitSeconds: 61, settings: { synchronous_commit: 'remote_apply' } });
    expect(the(document, 'commits-slow').says).toBe('4 commits on node1 have waited for up to 61 s, although ANY 1 ("node2", "node3") is there');
    expect(the(document, 'sync-slow')).toMatchObject({ node: 'node2', says: 'node2 takes 2.5 s to flush, and commits on node1 wait for ANY 1 ("node2", "node3")' });
    expect(document.nodes[1]?.lag?.flushSeconds).toBe(2.5);
  });

  test('F08 what the cluster file says and the primary does not do', () => {
    const both = [quorum('node2'), quorum('node3')];
    const differs = (value: string, sync: string): unknown => of(value, value === '' ? [sender('node2'), sender('node3')] : both, {}, sync).findings.find(({ id }) => id === 'sync-differs')?.next;
    expect(differs('', 'any 1')).toEqual(['pgrepl sync any 1']);
    expect(differs('ANY 1 ("node2")', 'any 1')).toEqual(['pgrepl sync any 1', 'pgrepl sync any 1 node2']);
    expect(differs('ANY 1 ("node3", "node2")', 'any 1')).toBeUndefined();
    expect(differs('ANY 1 ("node3", "node2")', 'any 1 (node2, node3)')).toBeUndefined();
    expect(differs('FIRST 1 ("node3", "node2")', 'first 1 (node2, node3)')).toBeDefined();
    // Whoever sets it without pgrepl is not reminded of anything.
    expect(differs('ANY 1 ("node2")', 'off')).toBeUndefined();
  });
});

test('a standby that streams from another node than the file says is a warning, with the command that moves it', () => {
  const cascade = topologyOf(['node1', 'node2', 'node3'], { node3: { upstream: pair.nodes[1]?.name } });
  const document = judgeStatus(cascade, [primary('node1', ['node2', 'node3']), standby('node2'), standby('node3')]);
  expect(the(document, 'other-upstream')).toMatchObject({ level: 'warning', node: 'node3', says: 'node3 streams from node1, the cluster file says node2', next: ['pgrepl follow node3 --upstream node2'] });
});

test('A14: settings that wait for a restart are named', () => {
  const waiting = primary('node1', ['node2']);
  const settings = { ...waiting.server!.settings, wal_level: setting('replica', { pendingRestart: true }), max_connections: setting('100', { pendingRestart: true }) };
  const document = judgeStatus(pair, [{ ...waiting, server: { ...waiting.server!, settings } }, standby('node2')]);
  expect(ids(document)).toEqual(['warning pending-restart node1']);
  expect(the(document, 'pending-restart').says).toBe('node1 waits for a restart to take up max_connections, wal_level');
});

test('D03: a node that an unfinished run is making names that run, and both ways out', () => {
  const marker = { format: 1, node: 'node2', cluster: 'shop', run: '20260101T000000Z-abcd', command: 'add-standby', pgdata: '/srv/pg/node2', slot: 'node2', upstream: 'node1', systemIdentifier: SYSTEM, also: [] } as const;
  const document = judgeStatus(pair, [primary('node1', []), facts('node2', { state: 'unknown', directory: 'missing', staging: { holder: '/srv/pg/node2.pgrepl-staging', marker } })]);
  expect(the(document, 'unfinished-run')).toMatchObject({ level: 'warning', node: 'node2', says: 'add-standby of node2 has not finished (run 20260101T000000Z-abcd)', next: ['pgrepl add-standby node2', 'pgrepl undo 20260101T000000Z-abcd'] });
});

test('a stopped standby is started again by the command that made it, while there is a primary', () => {
  const down = stopped('node2', { state: 'shut down in recovery' }, { hasSignal: true });
  const kept = slot('node2', { active: false, activePid: null });
  const document = judgeStatus(pair, [primary('node1', [], { slots: [kept] }), down]);
  expect([the(document, 'node-down').next, the(document, 'slot-inactive').next]).toEqual([['pgrepl add-standby node2'], ['pgrepl add-standby node2']]);
  expect(the(judgeStatus(pair, [stopped('node1', { state: 'in production' }), down]), 'node-down').next).not.toContain('pgrepl add-standby node2');
});

test('A01 a stopped standby with less than its WAL demands is told the parameter: started as it is it would stop again', () => {
  const down = stopped('node2', { state: 'in archive recovery', required: { max_connections: 137, max_worker_processes: 8, max_wal_senders: 10, max_prepared_transactions: 0, max_locks_per_transaction: 64 } }, { hasSignal: true });
  const judged = (own: number): Finding => the(judgeStatus(pair, [primary('node1', []), down], { ownRequired: new Map([['node2', { max_connections: own, max_worker_processes: 8 }]]) }), 'node-down');
  expect(judged(100)).toMatchObject({ level: 'warning', says: 'node2 is stopped and would not start: max_connections is 100 in its configuration, and its WAL demands 137', hint: 'Raise max_connections to 137 on node2, then start it: as a standby it goes on where it was, as long as its WAL is kept.', next: ['pgrepl add-standby node2'] });
  expect(judged(137).says).toBe('node2 is stopped');
});

test('a node that cannot be reached may still write', () => {
  const document = judgeStatus(pair, [facts('node1', { state: 'unknown', trouble: 'no route to host' }), standby('node2', 5433, { receiver: null })]);
  expect(document.findings.filter(({ id }) => id === 'node-unreachable')).toMatchObject([{ node: 'node1', says: 'node1 cannot be reached: no route to host', hint: 'Whether it runs is not known: it may still take writes.' }]);
});

const empty = { directory: 'data', processes: [], pidFile: null, trouble: null } as const;
const failed = (code: string): { readonly error: PgreplError } => ({ error: new PgreplError('unreachable', code, 'x') });
const postmaster = [{ pid: 7, command: '/usr/lib/postgresql/15/bin/postgres -D /srv/pg/node1' }];

test('G15 G16 a refused port is a stopped server only where no process has its directory', () => {
  expect(judgeState(failed('server-down'), empty)).toBe('down');
  expect(judgeState(failed('connect-failed'), { ...empty, processes: [{ pid: 9, command: 'postgres: shop: checkpointer' }] })).toBe('silent');
  expect(judgeState(failed('connect-failed'), { ...empty, directory: 'missing' })).toBe('unknown');
  expect(judgeState(failed('connect-failed'), { ...empty, processes: null })).toBe('unknown');
  expect(judgeState(null, { ...empty, processes: postmaster })).toBe('silent');
  expect(judgeState(failed('server-starting'), empty)).toBe('starting');
  expect(judgeState(failed('too-many-clients'), empty)).toBe('closed');
  expect(judgeState(failed('another-server'), empty)).toBe('unknown');
});

test('G04 clocks that differ are shown, and decide nothing', () => {
  const clock = (aheadSeconds: number, withinSeconds = 0.01): { readonly clock: { readonly aheadSeconds: number; readonly withinSeconds: number } } => ({ clock: { aheadSeconds, withinSeconds } });
  const at = (one: number, two: number, within?: number): StatusDocument => judgeStatus(pair, [{ ...primary('node1', ['node2']), ...clock(one) }, { ...standby('node2'), ...clock(two, within) }]);
  const ahead = at(-1, 91);
  expect(the(ahead, 'clock-skew')).toMatchObject({ level: 'info', node: 'node2', says: 'the clock of node2 is 92 s ahead of that of node1' });
  expect([ahead.verdict, exitOfStatus(ahead)]).toEqual(['ok', 0]);
  expect(the(at(0, -5), 'clock-skew').says).toBe('the clock of node2 is 5 s behind that of node1');
  // Both away from this machine is no skew between them, and a slow answer may explain it.
  expect(ids(at(500, 501))).toEqual([]);
  expect(ids(at(0, 4, 3))).toEqual([]);
});

test('G14 a primary that is full is the primary, with its position; two primaries are two, full or not', () => {
  const glimpse = { systemIdentifier: parseSystemIdentifier(SYSTEM), inRecovery: false, timeline: 3, lsn: parseLsn(CURRENT), dataDirectory: '/srv/pg/node1', version: '15.18' };
  const full = facts('node1', { state: 'closed', glimpse, trouble: 'sorry, too many clients already' });
  const document = judgeStatus(pair, [full, standby('node2')]);
  expect(document).toMatchObject({ primary: 'node1', verdict: 'critical' });
  expect(node(document, 'node1')).toMatchObject({ role: 'primary', state: 'running', timeline: 3, lsn: CURRENT, version: '15.18' });
  expect(node(document, 'node2')).toMatchObject({ state: 'streaming', upstream: 'node1', lag: { receivedBytes: 0, replayedBytes: 0 } });
  expect(ids(document)).toEqual(['critical node-full node1', 'warning attachment-unproved node2']);
  const both = judgeStatus(pair, [full, primary('node2', [])]);
  expect([both.primary, the(both, 'two-primaries').says]).toEqual([null, `2 nodes take writes: node1 (timeline 3, at ${CURRENT}, started ?) and node2 (timeline 1, at ${CURRENT}, started 2025-10-09T08:53:20Z)`]);
});

test('a slot that a change of roles left behind is told as that, with the command that drops it', () => {
  const left = { ...standby('node2'), server: { ...standby('node2').server!, slots: [slot('node1', { active: false }), slot('node3', { active: false })] } };
  const document = judgeStatus(trio, [primary('node1', ['node2', 'node3']), left, standby('node3')]);
  expect(document.findings.map(({ id, hint, next }) => [id, hint, next])).toEqual([
    ['slot-inactive', 'node1 is the primary: this one was left by a change of roles, and keeps WAL for nothing.', ['pgrepl promote node1']],
    ['slot-inactive', 'node3 streams from node1 with a slot there: this one was left by a change of roles, and keeps WAL for nothing.', ['pgrepl promote node1']],
  ]);
});

test('I15 an old primary that a hand-over left stopped is brought back by a command that is named', () => {
  const left = stopped('node2', { state: 'shut down', timeline: 1 }, { hasSignal: true });
  const found = the(judgeStatus(pair, [primary('node1', [], { timeline: 2 }), left]), 'node-down');
  expect(found).toMatchObject({ level: 'warning', node: 'node2', next: ['pgrepl promote node1'] });
  // One that was a standby all the time is only stopped.
  expect(the(judgeStatus(pair, [primary('node1', []), stopped('node2', { state: 'shut down in recovery' }, { hasSignal: true })]), 'node-down').says).toBe('node2 is stopped');
});

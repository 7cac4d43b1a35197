import { describe, expect, test } from 'vitest';
import { judgeCluster, judgeNode, READY_WITHIN, type HealthKind, type HealthQuestion } from '../../../../src/operations/serve/health.ts';
import { snapshotOf, type Snapshot } from '../../../../src/operations/serve/snapshot.ts';
import { judgeStatus } from '../../../../src/operations/status.ts';
import type { NodeFacts } from '../../../../src/operations/facts.ts';
import type { Topology } from '../../../../src/topology/topology.ts';
import { parseLsn } from '../../../../src/postgres/lsn.ts';
import { CURRENT, facts, primary, sender, slot, standby, stopped, topologyOf } from '../status-facts.ts';

const trio = topologyOf();
const look = (seen: readonly NodeFacts[], before: Snapshot | null = null, topology: Topology = trio): Snapshot =>
  snapshotOf(topology, { facts: seen, document: judgeStatus(topology, seen) }, before?.lastWritten ?? null, { at: 1_760_000_000, tookSeconds: 0.01 });
const asks = (kind: HealthKind, more: Partial<HealthQuestion> = {}): HealthQuestion => ({ kind, lag: kind === 'readiness' ? READY_WITHIN : null, mode: 'apply', replicationState: null, ...more });
const silent = (name: string): NodeFacts => facts(name, { state: 'silent', trouble: 'no answer within 2 s' });

const BEHIND = parseLsn('0/4000000');
const healthy = [primary('node1', ['node2', 'node3']), standby('node2'), standby('node3')];
const lagging = [
  primary('node1', [], { senders: [sender('node2', { replayLsn: BEHIND, replayLagSeconds: 12 }), sender('node3', { pid: 101 })], slots: [slot('node2'), slot('node3', { activePid: 101 })] }),
  standby('node2', 5433, { replayedLsn: BEHIND }),
  standby('node3'),
];

/** Which nodes meet the question. */
const who = (question: HealthQuestion, snapshot: Snapshot): string => ['node1', 'node2', 'node3'].filter((name) => judgeNode(question, name, snapshot).ok).join(' ');

describe('which node meets what a balancer asks', () => {
  test.each<[HealthKind, string]>([
    ['primary', 'node1'], ['replica', 'node2 node3'], ['read-only', 'node1 node2 node3'], ['sync', ''], ['async', 'node2 node3'], ['read-only-sync', 'node1'], ['health', 'node1 node2 node3'], ['readiness', 'node1 node2 node3'],
  ])('a healthy cluster without synchronous standbys: %s is "%s"', (kind, expected) => {
    expect(who(asks(kind), look(healthy))).toBe(expected);
  });

  test('a synchronous standby and one of a quorum are both /sync and not /async', () => {
    const senders = [sender('node2', { syncState: 'sync' }), sender('node3', { pid: 101, syncState: 'quorum' })];
    const snapshot = look([primary('node1', ['node2', 'node3'], { senders }), standby('node2'), standby('node3')]);
    expect([who(asks('sync'), snapshot), who(asks('async'), snapshot), who(asks('read-only-sync'), snapshot)]).toEqual(['node2 node3', '', 'node1 node2 node3']);
  });

  test('a lag of exactly the limit is within it, as with Patroni; one byte more is not', () => {
    const behind = 0x1000148;
    expect(who(asks('replica', { lag: { bytes: behind } }), look(lagging))).toBe('node2 node3');
    expect(who(asks('replica', { lag: { bytes: behind - 1 } }), look(lagging))).toBe('node3');
    expect(judgeNode(asks('replica', { lag: { bytes: 1024 } }), 'node2', look(lagging)).why).toBe('node2 is 16 MB behind (limit 1 kB)');
    expect(who(asks('readiness'), look(lagging))).toBe('node1 node3');
  });

  test('a limit in seconds counts nothing for a standby that has replayed everything, and refuses one whose time is not known', () => {
    expect(who(asks('replica', { lag: { seconds: 11 } }), look(lagging))).toBe('node3');
    expect(who(asks('replica', { lag: { seconds: 12 } }), look(lagging))).toBe('node2 node3');
    const unknown = [primary('node1', [], { senders: [sender('node2', { replayLsn: BEHIND, replayLagSeconds: null })], slots: [slot('node2')] }), standby('node2', 5433, { replayedLsn: BEHIND, replayAgeSeconds: null }), standby('node3')];
    expect(judgeNode(asks('replica', { lag: { seconds: 60 } }), 'node2', look(unknown))).toMatchObject({ ok: false, why: 'by how much time node2 is behind is not known' });
  });

  test('what is received counts with mode=write, where what is replayed would refuse', () => {
    const limit = { lag: { bytes: 1024 } };
    expect(who(asks('readiness', { ...limit, mode: 'write' }), look(lagging))).toBe('node1 node2 node3');
    expect(who(asks('readiness', limit), look(lagging))).toBe('node1 node3');
  });

  test('the primary is gone: readers are served on, with lag counted from what it was last seen to have written', () => {
    const before = look(healthy);
    const alone = { receiver: null, receivedLsn: parseLsn(CURRENT), replayedLsn: parseLsn('0/5000048') };
    const gone = look([silent('node1'), standby('node2', 5433, alone), standby('node3', 5433, { ...alone, replayedLsn: parseLsn(CURRENT) })], before);
    expect(who(asks('primary'), gone)).toBe('');
    expect(judgeNode(asks('primary'), 'node1', gone).why).toBe('node1 is unreachable');
    expect(who(asks('replica'), gone)).toBe('node2 node3');
    expect(who(asks('replica', { lag: { bytes: 255 } }), gone)).toBe('node3');
    expect(who(asks('replica', { lag: { bytes: 256 } }), gone)).toBe('node2 node3');
    expect(who(asks('readiness'), gone)).toBe('');
    // Nothing is remembered: then no lag is known.
    expect(who(asks('replica', { lag: { bytes: 1e9 } }), look([silent('node1'), standby('node2', 5433, alone), silent('node3')]))).toBe('');
  });

  test('two nodes that take writes are both no primary, and the answer says so; with an open fence it is the other one', () => {
    const two = [primary('node1', ['node3']), primary('node2', [], { timeline: 2 }), standby('node3')];
    expect(who(asks('primary'), look(two))).toBe('');
    expect(judgeNode(asks('primary'), 'node2', look(two)).why).toBe('node1 and node2 both take writes, and nothing says which is right');
    const fenced = topologyOf(undefined, { node1: { fenced: 'power off' } });
    expect(who(asks('primary'), look(two, null, fenced))).toBe('node2');
    expect(judgeNode(asks('primary'), 'node1', look(two, null, fenced)).why).toContain('open fence');
    expect(who(asks('primary'), look([primary('node1', ['node3']), silent('node2'), standby('node3')], null, fenced))).toBe('');
  });

  test('a stopped, a hung and a foreign node meet nothing', () => {
    const foreign = standby('node3', 5433, { systemIdentifier: '7000000000000000001' as never });
    const snapshot = look([stopped('node1'), silent('node2'), foreign]);
    for (const kind of ['primary', 'replica', 'read-only', 'sync', 'async', 'readiness'] as const) expect([kind, who(asks(kind), snapshot)]).toEqual([kind, '']);
  });

  test('replication_state=streaming leaves out a standby that reads an archive', () => {
    const archive = standby('node3', 5433, { receiver: null, settings: { restore_command: 'cp %f %p' } });
    const snapshot = look([primary('node1', ['node2']), standby('node2'), archive]);
    expect(who(asks('replica'), snapshot)).toBe('node2 node3');
    expect(who(asks('replica', { replicationState: 'streaming' }), snapshot)).toBe('node2');
    expect(who(asks('replica', { replicationState: 'in archive recovery' }), snapshot)).toBe('node3');
  });
});

test('about the cluster: the first node that meets the question, or why each of them does not', () => {
  expect(judgeCluster(asks('replica'), look(healthy))).toEqual({ ok: true, node: 'node2', why: 'node2 is standby, streaming' });
  expect(judgeCluster(asks('sync'), look(healthy))).toEqual({ ok: false, node: null, why: 'node1 is no synchronous standby; node2 is no synchronous standby; node3 is no synchronous standby' });
});

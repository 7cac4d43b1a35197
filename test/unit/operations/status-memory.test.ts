import { expect, test } from 'vitest';
import { connectionsOf } from '../../../src/operations/connections.ts';
import { lastPrimary, paceOf, parseMemory, remember, renderMemory, type Memory } from '../../../src/operations/status-memory.ts';
import { judgeStatus } from '../../../src/operations/status.ts';
import { parseLsn } from '../../../src/postgres/lsn.ts';
import type { ServerFacts } from '../../../src/postgres/server-facts.ts';
import { facts, primary, slot, standby, SYSTEM, topologyOf, type ServerWords } from './status-facts.ts';

const T0 = 1_760_000_000;

function writes(now: number, lsn: string, retainedBytes: number, more: ServerWords = {}): ReturnType<typeof primary> {
  return primary('node1', [], { now, currentLsn: parseLsn(lsn), slots: [slot('node2', { active: false, activePid: null, retainedBytes, safeBytes: 36_000_000 })], ...more });
}

function serverOf(node: ReturnType<typeof primary>): ServerFacts {
  if (node.server === null) throw new Error('it does not run');
  return node.server;
}

const first = remember(null, [writes(T0, '0/5000000', 1_000_000)], SYSTEM, T0 * 1_000);

test('what a look remembers is read back as it was, and anything else is nothing', () => {
  expect(parseMemory(renderMemory(first!))).toEqual(first);
  expect([parseMemory(null), parseMemory('{'), parseMemory('{"format":2}'), parseMemory('7')]).toEqual([null, null, null, null]);
});

test('the pace of a primary since an earlier look: by its own clock, on one timeline, and not of a moment', () => {
  const later = (seconds: number, more: ServerWords = {}): unknown => paceOf(first, 'node1', serverOf(writes(T0 + seconds, '0/5100000', 1_500_000, more)));
  expect(later(100)).toEqual({ seconds: 100, walBytesPerSecond: 10_485.76, keptPerSecond: { node2: 5_000 } });
  expect(later(1)).toBeNull();
  expect(later(100_000)).toBeNull();
  expect(later(100, { timeline: 2 })).toBeNull();
  expect(later(100, { currentLsn: parseLsn('0/4000000') })).toBeNull();
  expect(paceOf(first, 'node2', serverOf(writes(T0 + 100, '0/5100000', 0)))).toBeNull();
});

test('looks every second still have a base that is a while ago', () => {
  let memory: Memory | null = null;
  for (let second = 0; second <= 200; second += 1) memory = remember(memory, [writes(T0 + second, '0/5000000', 0)], SYSTEM, (T0 + second) * 1_000);
  expect(memory?.nodes['node1']?.moments.map(({ at }) => at - T0)).toEqual([120, 180]);
  expect(memory?.nodes['node1']?.seenAt).toBe((T0 + 200) * 1_000);
});

test('E01 E03 time to danger stands next to what a slot keeps, and in its finding', () => {
  const server = writes(T0 + 100, '0/5100000', 1_500_000);
  const document = judgeStatus(topologyOf(['node1', 'node2']), [server, facts('node2', { state: 'down' })], { pace: paceOf(first, 'node1', serverOf(server)) });
  expect(document.pace).toEqual({ seconds: 100, walBytesPerSecond: 10_485.76 });
  expect(document.nodes[1]?.slot?.secondsLeft).toBe(7_200);
  expect(document.findings.find(({ id }) => id === 'slot-inactive')?.says).toBe('slot "node2" on node1 is used by nobody and keeps 1.4 MB of WAL: about 57 min until it may be lost, as was written in the last 100 s');
});

test('a primary that is gone is remembered, with what its standbys lack for certain', () => {
  const gone = remember(first, [facts('node1', { state: 'unknown' }), standby('node2')], SYSTEM, (T0 + 700) * 1_000);
  expect(lastPrimary(gone, SYSTEM)).toMatchObject({ name: 'node1', known: { lsn: '0/5000000', timeline: 1, seenAt: T0 * 1_000 } });
  expect(lastPrimary(gone, '7')).toBeNull();
  const hint = (lsn: string): string | null | undefined => judgeStatus(topologyOf(['node1', 'node2']), [facts('node1', { state: 'unknown' }), standby('node2', 5433, { receivedLsn: parseLsn(lsn), replayedLsn: parseLsn(lsn) })], { memory: gone, nowMs: (T0 + 720) * 1_000 }).findings.find(({ id }) => id === 'no-primary')?.hint;
  expect(hint('0/4FFFC00')).toContain('When it was seen last, 12 min ago, node1 was at 0/5000000 on timeline 1, and node2 lacks 1 kB of that.');
  expect(hint('0/5000148')).toContain('and node2 has all of that.');
});

test('connection strings: the primary first for writing and last for reading, no delayed standby, IPv6 in brackets', () => {
  const { nodes } = topologyOf(['node1', 'node2', 'node3'], { node1: { host: 'fd00::1' }, node3: { delay: '1h' } });
  expect(connectionsOf(nodes, 'node2')).toEqual({
    readWrite: 'postgresql://127.0.0.1:5434,[fd00::1]:5433,127.0.0.1:5435/?target_session_attrs=read-write',
    readOnly: 'postgresql://[fd00::1]:5433,127.0.0.1:5434/?target_session_attrs=prefer-standby',
  });
  expect(connectionsOf([], null)).toBeNull();
});

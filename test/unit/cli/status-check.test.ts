import { expect, test } from 'vitest';
import { parseThreshold, renderCheck, renderCheckFailure, type CheckLimits } from '../../../src/cli/output/status-check.ts';
import { usageError } from '../../../src/errors.ts';
import { judgeStatus } from '../../../src/operations/status.ts';
import { parseLsn } from '../../../src/postgres/lsn.ts';
import { facts, primary, sender, slot, standby, topologyOf } from '../operations/status-facts.ts';

const pair = topologyOf(['node1', 'node2']);
const none: CheckLimits = { warn: null, crit: null, delayed: new Set() };
const old = parseLsn('0/4000148');
const behind = judgeStatus(pair, [primary('node1', [], { senders: [sender('node2', { replayLsn: old, replayLagSeconds: 42 })], slots: [slot('node2')] }), standby('node2', 5433, { replayedLsn: old })]);

test('a healthy pair is OK, with performance data', () => {
  expect(renderCheck(judgeStatus(pair, [primary('node1', ['node2']), standby('node2')]), none)).toEqual({
    exit: 0,
    line: "PGREPL OK - shop: node1 is the primary, 1 standby follows | 'node2 received lag'=0B 'node2 replayed lag'=0B 'node2 time lag'=0s 'node2 WAL kept'=0B",
  });
});

test('a lag over a size is a warning or critical, and the limits are in the performance data', () => {
  const { exit, line } = renderCheck(behind, { ...none, warn: { bytes: 8_388_608 }, crit: { bytes: 1_073_741_824 } });
  expect(exit).toBe(1);
  expect(line).toContain('PGREPL WARNING - node2 is 16 MB behind (limit 8 MB) |');
  expect(line).toContain("'node2 replayed lag'=16777216B;8388608;1073741824;0");
  expect(renderCheck(behind, { ...none, crit: { bytes: 8_388_608 } }).exit).toBe(2);
});

test('a lag over a time', () => {
  const { exit, line } = renderCheck(behind, { ...none, warn: { seconds: 10 }, crit: { seconds: 30 } });
  expect(exit).toBe(2);
  expect(line).toContain("'node2 time lag'=42s;10;30;0");
});

test('a standby that is late on purpose is held only against what it has received', () => {
  expect(renderCheck(behind, { warn: { seconds: 10 }, crit: { bytes: 8_388_608 }, delayed: new Set(['node2']) }).exit).toBe(0);
});

test('a bar or a line feed in a finding does not end the text', () => {
  const { line, exit } = renderCheck(judgeStatus(pair, [primary('node1', ['node2']), facts('node2', { state: 'closed', trouble: 'a|b\nc' })]), none);
  expect(exit).toBe(1);
  expect(line.split('|')).toHaveLength(2);
  expect(line).toContain('a/b c | ');
});

test('G22 what could not be seen at all is UNKNOWN, and so is every failure of pgrepl', () => {
  expect(renderCheck(judgeStatus(pair, [facts('node1', { state: 'unknown' }), facts('node2', { state: 'unknown' })]), none).exit).toBe(3);
  expect(renderCheckFailure(usageError('cluster-file-missing', 'there is no cluster file /x', { hint: 'Name one.' }))).toEqual({ exit: 3, line: 'PGREPL UNKNOWN - there is no cluster file /x (Name one.)' });
});

test('a limit is a size or a time, never a bare number', () => {
  expect(parseThreshold('--warn', '64MB')).toEqual({ bytes: 67_108_864 });
  expect(parseThreshold('--warn', '1.5min')).toEqual({ seconds: 90 });
  expect(() => parseThreshold('--warn', '64')).toThrow('--warn 64 is neither a size nor a time');
  expect(() => parseThreshold('--crit', '64mb')).toThrow('neither');
});

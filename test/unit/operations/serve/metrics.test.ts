import { expect, test } from 'vitest';
import { renderMetrics, type ServeCounts } from '../../../../src/operations/serve/metrics.ts';
import { snapshotOf } from '../../../../src/operations/serve/snapshot.ts';
import { judgeStatus } from '../../../../src/operations/status.ts';
import { facts, primary, standby, topologyOf } from '../status-facts.ts';

const counts: ServeCounts = { looks: 3, requests: new Map(), lookedAt: 1_760_000_000.5, lookSeconds: 0.02 };
const trio = { ...topologyOf(), cluster: 'a"b\\c\nd' };
const seen = [primary('node1', ['node2']), standby('node2'), facts('node3', { state: 'unknown', trouble: 'gone' })];
const snapshot = snapshotOf(trio, { facts: seen, document: judgeStatus(trio, seen) }, null, { at: 1, tookSeconds: 0 });
const lines = renderMetrics(snapshot, counts).split('\n');

test('what is not known is absent and never 0: a node without an answer has no lag, no timeline and no slot', () => {
  expect(lines.filter((line) => line.includes('node="node3"') && /lag|timeline|slot_/.test(line))).toEqual([]);
  expect(lines).toContain('pgrepl_node_up{cluster="a\\"b\\\\c\\nd",node="node3"} 0');
});

test('everything replayed is 0 seconds behind, whatever the clock of the last commit says', () => {
  expect(lines).toContain('pgrepl_standby_replayed_lag_seconds{cluster="a\\"b\\\\c\\nd",node="node2"} 0');
});

test('each family has its HELP and TYPE once, before its samples, and each series is there once', () => {
  const names = lines.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' ')[2]);
  expect(new Set(names).size).toBe(names.length);
  const series = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.slice(0, line.lastIndexOf(' ')));
  expect(new Set(series).size).toBe(series.length);
  for (const one of series) expect(names).toContain(one.split('{')[0]);
});

test('without a look that can be believed only serve itself is told of', () => {
  expect(renderMetrics(null, counts)).not.toContain('pgrepl_node');
  expect(renderMetrics(null, counts)).toContain('pgrepl_last_look_timestamp_seconds 1760000000.5\n');
});

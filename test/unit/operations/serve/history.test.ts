import { expect, test } from 'vitest';
import { remember, type HistoryPoint } from '../../../../src/operations/serve/history.ts';
import type { Snapshot } from '../../../../src/operations/serve/snapshot.ts';
import { judgeStatus } from '../../../../src/operations/status.ts';
import { primary, standby, topologyOf } from '../status-facts.ts';

const document = judgeStatus(topologyOf(['node1', 'node2']), [primary('node1', ['node2']), standby('node2')]);
const at = (seconds: number, replayedBytes: number | null): Snapshot => ({ document, writer: 'node1', noWriter: '', lags: replayedBytes === null ? new Map() : new Map([['node2', { receivedBytes: 0, replayedBytes, seconds: null }]]), lastWritten: null, at: seconds, tookSeconds: 0 });

test('looks within ten seconds are one point with the worst of them; unknown is no number', () => {
  const points = [at(100, 5), at(104, 900), at(108, 7), at(110, null)].reduce<readonly HistoryPoint[]>(remember, []);
  expect(points).toEqual([{ at: 100, lag: { node2: 900 }, primary: 'node1' }, { at: 110, lag: { node2: null }, primary: 'node1' }]);
});

test('an hour is kept, however long it runs', () => {
  let points: readonly HistoryPoint[] = [];
  for (let second = 0; second < 9_000; second += 2) points = remember(points, at(second, second));
  expect(points).toHaveLength(360);
  expect([points[0]?.at, points.at(-1)?.at]).toEqual([5_400, 8_990]);
});

import { expect, test } from 'vitest';
import { resting, restsAfter, type Rests } from '../../../../src/operations/serve/rest.ts';
import { facts, primary } from '../status-facts.ts';

const INTERVAL = 2_000;

test('a node without an answer rests twice as long after each look, ten seconds at most, and is asked as ever once it has answered', () => {
  let rests: Rests = new Map();
  const waits: number[] = [];
  let now = 0;
  for (let look = 0; look < 5; look += 1) {
    rests = restsAfter(rests, [primary('node1', []), facts('node2', { state: 'silent' })], now, INTERVAL);
    const until = rests.get('node2')?.untilMs ?? 0;
    waits.push(until - now);
    now = until;
  }
  expect(waits).toEqual([2_000, 4_000, 8_000, 10_000, 10_000]);
  expect(restsAfter(rests, [facts('node2', { state: 'up' })], now, INTERVAL).size).toBe(0);
});

test('while it rests, what was seen of it stands, and does not count as another failure', () => {
  const seen = facts('node2', { state: 'unknown', trouble: 'its machine cannot be reached' });
  const first = restsAfter(new Map(), [seen], 0, INTERVAL);
  expect(resting(first, 1_999)).toEqual([seen]);
  expect(resting(first, 2_000)).toEqual([]);
  expect(restsAfter(first, [seen], 1_000, INTERVAL)).toEqual(first);
});

test('a server that is stopped, starting or full is asked at every look: it answers at once', () => {
  const answering = (['down', 'starting', 'stopping', 'closed'] as const).map((state, index) => facts(`node${index + 1}`, { state }));
  expect(restsAfter(new Map(), answering, 0, INTERVAL).size).toBe(0);
});

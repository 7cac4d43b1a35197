import { expect, test } from 'vitest';
import { isToReplayLate } from '../../../src/topology/topology.ts';

test('a delay of nothing is none, whatever its unit', () => {
  expect([undefined, '0', '0s', '0 min', '0.0h', '-1'].map((delay) => isToReplayLate({ delay }))).toEqual([false, false, false, false, false, false]);
  expect(['1ms', '0.5h', '30 min', '250'].map((delay) => isToReplayLate({ delay }))).toEqual([true, true, true, true]);
});

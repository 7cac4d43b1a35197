import { expect, test } from 'vitest';
import { afterAttach, afterFailover, afterRemoval, afterSwitchover, describeBelief, expectedOf, flat } from '../../../chaos/belief.ts';

const START = flat('node1', ['node2', 'node3']);

test('after a planned change the old primary and its other standbys stream from the new one', () => {
  expect(describeBelief(afterSwitchover(START, 'node2'))).toBe('primary node2, node1 from node2, node3 from node2');
});

test('a cascade below the new primary stays where it is, one below a sibling too', () => {
  const cascade = afterAttach(START, 'node3', 'node2');
  expect(expectedOf(cascade).file).toEqual({ node1: null, node2: null, node3: 'node2' });
  expect(describeBelief(afterSwitchover(cascade, 'node2'))).toBe('primary node2, node1 from node2, node3 from node2');
  expect(describeBelief(afterFailover(cascade, 'node2'))).toBe('primary node2, node3 from node2, node1 fenced');
});

test('a failover leaves the old primary locked until it is attached again', () => {
  const fallen = afterFailover(START, 'node3');
  expect(expectedOf(fallen)).toEqual({ primary: 'node3', streams: { node2: 'node3' }, stopped: { node1: 0o701 }, file: { node1: null, node2: null, node3: null }, status: [7, 8] });
  expect(describeBelief(afterAttach(fallen, 'node1', 'node3'))).toBe('primary node3, node1 from node3, node2 from node3');
});

test('who was taken out is in no file and streams from nobody', () => {
  const two = afterRemoval(START, 'node2');
  expect(expectedOf(two)).toEqual({ primary: 'node1', streams: { node3: 'node1' }, stopped: {}, file: { node1: null, node3: null } });
  expect(describeBelief(afterAttach(two, 'node2', 'node3'))).toBe('primary node1, node2 from node3, node3 from node1');
});

test('a synchronous set goes along with every change of roles', () => {
  const sync = flat('node1', ['node2', 'node3'], true);
  expect([afterSwitchover(sync, 'node2').sync, afterFailover(sync, 'node3').sync, afterRemoval(sync, 'node2').sync]).toEqual([true, true, true]);
  expect(describeBelief(sync)).toBe('primary node1, node2 from node1, node3 from node1, sync any 1');
});

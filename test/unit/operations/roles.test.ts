import { expect, test } from 'vitest';
import type { NodeView } from '../../../src/operations/cluster.ts';
import type { NodeFacts } from '../../../src/operations/facts.ts';
import { promotingNode } from '../../../src/operations/roles.ts';
import { facts, standby, topologyOf } from './status-facts.ts';

function viewed(seen: NodeFacts): NodeView {
  const spec = topologyOf().nodes.find((node) => node.name === seen.place.name);
  if (spec === undefined) throw new Error('not in the file');
  return { spec, facts: seen, config: null, inventory: null };
}

const sent = viewed(standby('node2', 5433, { timeline: 2, receiver: null }));
const sibling = viewed(standby('node3', 5433, { timeline: 1 }));
const unseen = viewed(facts('node1', { state: 'unknown' }));

test('a promote under way: one standby alone has the newest timeline and receives from nobody', () => {
  expect(promotingNode({ topology: topologyOf(), nodes: [sent, sibling] })).toBe(sent);
});

test('a node that nobody sees may be on any timeline: a failover with a statement waits for nothing', () => {
  expect(promotingNode({ topology: topologyOf(), nodes: [unseen, sent, sibling] })).toBeUndefined();
});

test('a standby that lost its primary on the first timeline is not being promoted', () => {
  const left = viewed(standby('node2', 5433, { timeline: 1, receiver: null }));
  expect(promotingNode({ topology: topologyOf(), nodes: [left, sibling] })).toBeUndefined();
});

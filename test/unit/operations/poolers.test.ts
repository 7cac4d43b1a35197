import { expect, test } from 'vitest';
import type { ClusterView, NodeView } from '../../../src/operations/cluster.ts';
import { planPoolers, type PoolerFacts } from '../../../src/operations/poolers.ts';
import { chooseNodes } from '../../../src/operations/route/choose.ts';
import { sealed } from '../../../src/operations/route/file.ts';
import { databasesIn, renderPgbouncer } from '../../../src/operations/route/pgbouncer.ts';
import { judgeStatus } from '../../../src/operations/status.ts';
import type { PoolerDatabase } from '../../../src/postgres/pooler.ts';
import { primary, standby, topologyOf } from './status-facts.ts';

const topology = topologyOf(['node1', 'node2', 'node3'], { node2: { host: '10.0.0.2', port: 5433 }, node3: { host: '10.0.0.3', port: 5433 } });
const facts = [primary('node1', ['node2', 'node3']), standby('node2'), standby('node3')];
const view: ClusterView = { topology, nodes: topology.nodes.map((spec, index) => ({ spec, facts: facts[index], config: null, inventory: null }) as NodeView) };
const [node1, node2] = view.nodes as readonly [NodeView, NodeView];
const nodes = chooseNodes(judgeStatus(topology, facts), topology, 16_777_216);
const file = sealed('pgbouncer', 'shop', renderPgbouncer(nodes, nodes[0]!, ['shop']));

const database = (name: string, more: Partial<PoolerDatabase> = {}): PoolerDatabase => ({ name, hosts: ['127.0.0.1'], port: 5433, paused: false, atRest: false, poolMode: 'transaction', ...more });
const seen = (more: Partial<PoolerFacts> = {}, named = true): PoolerFacts => ({ wish: { console: { host: 'pool', port: 6432, user: 'admin' }, file: named ? { via: 'local', path: '/etc/p.ini' } : null }, databases: [database('shop'), database('shop_ro', { hosts: ['10.0.0.2', '10.0.0.3'] })], text: named ? file : null, trouble: null, ...more });
const plan = (one: PoolerFacts, from: NodeView | null = node1) => planPoolers([one], view, { from, to: node2, budgetMs: 30_000, returning: [] });
const outline = (one: PoolerFacts, from: NodeView | null = node1): readonly string[] => {
  const { before, after } = plan(one, from);
  return [...before, ...after].map((step) => `${step.kind} ${'databases' in step ? step.databases.join(',') : ''}`.trim());
};

test('only what leads to the primary is held; readers go on at the standbys', () => {
  expect(outline(seen())).toEqual(['pause-pooler shop', 'route-pooler', 'resume-pooler shop,shop_ro']);
  const step = plan(seen()).after.find(({ kind }) => kind === 'route-pooler');
  expect(step).toMatchObject({ node: 'node2', leads: [{ name: 'shop', hosts: ['10.0.0.2'], port: 5433 }, { name: 'shop_ro', hosts: ['127.0.0.1', '10.0.0.3'], port: 5433 }] });
});

test('the pause is a part of the budget, and shared by all poolers', () => {
  const { pauseMs, before } = planPoolers([seen(), seen()], view, { from: node1, to: node2, budgetMs: 6_000, returning: [] });
  expect([pauseMs, before.map((step) => 'deadlineMs' in step && step.deadlineMs)]).toEqual([2_000, [1_000, 1_000]]);
});

test('where nobody takes writes any more nothing is held, and everybody is led and let go', () => {
  expect(outline(seen(), null)).toEqual(['route-pooler', 'resume-pooler shop,shop_ro']);
});

test('with a balancer behind it that finds the primary, all of it is held, and no file is written', () => {
  const behind = seen({ databases: [database('shop', { hosts: ['balancer'], port: 5000 }), database('other', { hosts: ['balancer'], port: 5001 })] }, false);
  expect(outline(behind)).toEqual(['pause-pooler shop,other', 'resume-pooler shop,other']);
});

test.each<readonly [string, PoolerFacts, string]>([
  ['a console that does not answer', seen({ databases: [], trouble: { message: 'connection refused', hint: undefined } }), 'pooler-unreachable'],
  ['a pool by session', seen({ databases: [database('shop', { poolMode: 'session' })] }), 'pooler-session-mode'],
  ['no file, and a database that leads to the primary itself', seen({}, false), 'pooler-not-led'],
  ['a database that is not in the file', seen({ databases: [database('shop'), database('other')] }), 'pooler-not-led'],
  ['a file that is not there', seen({ text: null }), 'pooler-file-missing'],
  ['a file that was edited', seen({ text: file.replace('dbname=shop', 'dbname=shop pool_size=3') }), 'pooler-file-edited'],
  ['a file of others', seen({ text: '[databases]\nshop = host=127.0.0.1 port=5433 dbname=shop\n' }), 'pooler-file-edited'],
])('%s is refused before anything is touched', (_what, one, code) => {
  const { reasons, before, after } = plan(one);
  expect([reasons.map((reason) => reason.code), before, after]).toEqual([[code], [], []]);
});

test('the databases of a file are read back from it', () => {
  expect(databasesIn(renderPgbouncer(nodes, nodes[0]!, ['shop', 'a b', 'x"y', 'ends_ro']))).toEqual(['shop', 'a b', 'x"y', 'ends_ro']);
});

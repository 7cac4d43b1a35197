import { describe, expect, test } from 'vitest';
import { candidatesOf } from '../../../src/operations/candidates.ts';
import { splitBrain, type ClusterView, type NodeView } from '../../../src/operations/cluster.ts';
import type { NodeFacts } from '../../../src/operations/facts.ts';
import { judgeCandidate, judgePrimary, whatBreaks, whatBreaksWithout } from '../../../src/operations/preflight-promote.ts';
import { addBytes, parseLsn } from '../../../src/postgres/lsn.ts';
import { parseSystemIdentifier } from '../../../src/postgres/names.ts';
import type { Inventory } from '../../../src/postgres/server.ts';
import { IDLE_INVENTORY } from '../../support/idle-inventory.ts';
import { CURRENT, facts, primary, sender, slot, standby, stopped, topologyOf, type ServerWords } from './status-facts.ts';

const PREPARED = { max_replication_slots: '10' };

function viewed(seen: NodeFacts, inventory: Partial<Inventory> = {}): NodeView {
  const spec = topologyOf().nodes.find((node) => node.name === seen.place.name);
  if (spec === undefined) throw new Error('not in the file');
  const config = { folder: '', confFile: '', conf: "include 'pgrepl.conf'\n", owned: '', standby: null, auto: null, hbaFile: '', hba: null, identFile: '', ident: null, walSpace: { totalBytes: 0, freeBytes: 0 } };
  return { spec, facts: seen, config, inventory: { ...IDLE_INVENTORY, ...inventory } };
}

/** A primary with two standbys, all well unless the words say otherwise. */
function trio(words: { readonly one?: ServerWords; readonly two?: ServerWords; readonly three?: ServerWords; readonly inventory?: Partial<Inventory> } = {}): { readonly view: ClusterView; readonly one: NodeView; readonly two: NodeView; readonly three: NodeView } {
  const set = (more: ServerWords | undefined): ServerWords => ({ ...more, settings: { ...PREPARED, ...more?.settings } });
  const one = viewed(primary('node1', ['node2', 'node3'], set(words.one)), words.inventory);
  const [two, three] = [viewed(standby('node2', 5433, set(words.two))), viewed(standby('node3', 5433, set(words.three)))];
  return { view: { topology: topologyOf(), nodes: [one, two, three] }, one, two, three };
}

type Trio = ReturnType<typeof trio>;
const ofPrimary = ({ one }: Trio): readonly string[] => judgePrimary(one, false).map(({ code }) => code);
const ofCandidate = ({ view, one, two, three }: Trio, way: 'planned' | 'failover' = 'planned'): readonly string[] => judgeCandidate(view, one, two, [three], way).map(({ code }) => code);

test('a healthy trio has nothing in the way of a switchover', () => {
  const all = trio();
  expect([ofPrimary(all), ofCandidate(all), whatBreaks(all.one, all.two)]).toEqual([[], [], []]);
});

describe('a shutdown that would be long or harmful is refused before', () => {
  test.each([
    ['I06 the archive is behind', { inventory: { archiveReady: 17 } }, ['archive-backlog']],
    ['I06 the archive fails, with anything left', { inventory: { archiveReady: 1, archiveFailing: true } }, ['archive-backlog']],
    ['a failure of the archive long ago', { inventory: { archiveFailing: true } }, []],
    ['I12 a base backup runs', { inventory: { runningBackups: 1 } }, ['backup-running']],
    ['F03 commits wait for a synchronous standby', { inventory: { waitingForSync: 2 } }, ['commits-wait']],
    ['M09 H21 somebody else manages it', { inventory: { otherManagers: ['Patroni'] } }, ['managed-by-other']],
    ['A24 a slot that logical senders wait for is used by nobody', { one: { settings: { synchronized_standby_slots: '"node2", gone' } } }, ['synchronized-slot-inactive']],
    ['A24 all of them are used', { one: { settings: { synchronized_standby_slots: 'node2,node3' } } }, []],
    ['I06 a receiver that is far behind', { one: { senders: [sender('slow', { flushLsn: addBytes(parseLsn(CURRENT), -17 * 1024 * 1024) })] } }, ['receiver-behind']],
    ['a backup in its own connection is no receiver', { one: { senders: [sender('pg_basebackup', { state: 'backup', flushLsn: parseLsn('0/0') })] } }, []],
  ] as const)('%s', (_name, words, codes) => {
    expect(ofPrimary(trio(words))).toEqual(codes);
  });

  test('of a primary that is stopped already, nothing of this can be asked', () => {
    expect(judgePrimary(viewed(stopped('node1')), true)).toEqual([]);
  });
});

describe('a standby that could not take over is refused before', () => {
  const old = parseLsn('0/3000000');
  test.each([
    ['A03 lower than its primary: never, whatever is accepted', { one: { settings: { max_connections: '200' } } }, ['parameter-too-low'], ['parameter-too-low']],
    ['A04 higher than its siblings: they would stop', { two: { settings: { max_worker_processes: '16' } } }, ['sibling-parameter-too-low'], []],
    ['I09 too few WAL senders', { two: { settings: { max_wal_senders: '1' } } }, ['parameter-too-low', 'senders', 'sibling'], ['parameter-too-low']],
    ['I09 E07 no room for the slots of those who follow', { two: { settings: { max_replication_slots: '1' } } }, ['slots'], []],
    ['E07 slots that are there already need no room', { two: { settings: { max_replication_slots: '2' }, slots: [slot('node1'), slot('node3')] } }, [], []],
    ['a delayed one', { two: { settings: { recovery_min_apply_delay: '3600000' } } }, ['delayed'], []],
    ['replay paused', { two: { replayPause: 'paused' } }, ['replay-paused'], []],
    ['F01 its first commit would wait for ever', { two: { settings: { synchronous_standby_names: 'FIRST 1 (elsewhere)' } } }, ['sync-names'], []],
    ['of another cluster', { two: { systemIdentifier: parseSystemIdentifier('1') } }, ['another-cluster'], []],
    ['H20 it is no standby', { two: { inRecovery: false } }, ['not-a-standby'], ['not-a-standby']],
    ['I17 it does not stream from the primary', { one: { senders: [] } }, ['not-streaming'], []],
    ['far behind in replay', { two: { replayedLsn: old } }, ['lagging'], []],
  ] as const)('%s', (_name, words, planned, failover) => {
    const all = trio(words);
    const seen = ofCandidate(all);
    for (const code of planned) if (code !== 'sibling') expect(seen).toContain(code);
    if (planned.length === 0) expect(seen).toEqual([]);
    expect(ofCandidate(all, 'failover').filter((code) => code !== 'senders')).toEqual(failover);
  });

  test('one that is not prepared by pgrepl, and a sibling that is not', () => {
    const { view, one, two, three } = trio();
    const bare = { ...three, config: null };
    expect(judgeCandidate(view, one, two, [bare], 'planned').map(({ code, node }) => [code, node])).toEqual([['not-prepared', 'node3']]);
  });
});

test('H23 G15 a standby that has not reached consistency lets nobody in, and cannot take over yet', () => {
  const { view, one, three } = trio();
  const early = viewed(facts('node2', { state: 'starting', trouble: 'the server is starting up' }));
  expect(judgeCandidate({ ...view, nodes: [one, early, three] }, one, early, [], 'failover')).toMatchObject([{ code: 'candidate-down', message: 'node2 cannot take over: the server is starting up' }]);
});

test('G09 G08 the newest history first, then the later of received and replayed; a delayed one loses a tie', () => {
  const at = (lsn: string): ReturnType<typeof parseLsn> => parseLsn(lsn);
  const view = (two: ServerWords, three: ServerWords): ClusterView => trio({ two, three }).view;
  const names = (seen: ClusterView): readonly string[] => candidatesOf(seen, null).map(({ node }) => node.spec.name);
  expect(names(view({ timeline: 1, receivedLsn: at('0/9000000') }, { timeline: 2, receivedLsn: at('0/4000000') }))).toEqual(['node3', 'node2']);
  expect(names(view({ receivedLsn: at('0/3000000'), replayedLsn: at('0/6000000') }, { receivedLsn: at('0/5000000'), replayedLsn: at('0/5000000') }))).toEqual(['node2', 'node3']);
  expect(names(view({ settings: { recovery_min_apply_delay: '1000' } }, {}))).toEqual(['node3', 'node2']);
  expect(names(view({}, { systemIdentifier: parseSystemIdentifier('1') })).length).toBe(2);
  expect(candidatesOf(view({}, { systemIdentifier: parseSystemIdentifier('1') }), '7412385928374923001').map(({ node }) => node.spec.name)).toEqual(['node2']);
});

test('what a switchover breaks without losing it is said before (E12, H14, H16, I14, archive)', () => {
  const { one, two } = trio({ one: { settings: { archive_mode: 'on' }, slots: [slot('sub', { type: 'logical' })] }, inventory: { unloggedTables: ['shop.public.cache'], preparedTransactions: 2, longTransactions: 3 } });
  expect(whatBreaks(one, two)).toEqual([
    'logical slots stay behind, and their subscribers stop: sub',
    'nothing will be archived: archive_mode of node2 is off, and a restart is needed to turn it on',
    'unlogged tables will be empty: shop.public.cache',
    '2 prepared transactions come over with their locks',
    '3 sessions in a transaction for over 10 seconds will be ended',
  ]);
});

test('what a failover breaks is said by the standby that takes over (H14, H16, F01)', () => {
  const { two, three } = trio({ two: { settings: { max_prepared_transactions: '5', synchronous_standby_names: 'ANY 1 (node1)' } } });
  expect(whatBreaksWithout(two, [three], ['shop.public.cache'])).toEqual([
    'unlogged tables will be empty: shop.public.cache',
    'transactions that were prepared come alive again with their locks: look at pg_prepared_xacts afterwards',
    'synchronous_standby_names of node2 is "ANY 1 (node1)", and none of its standbys is named: commits of clients will wait until that is changed there',
  ]);
  const named = trio({ two: { settings: { synchronous_standby_names: 'ANY 1 (node1, node3)' } } });
  expect(whatBreaksWithout(named.two, [named.three], [])).toEqual([]);
});

test('G14 G21 a primary that is full counts as one that writes', () => {
  const glimpse = { systemIdentifier: parseSystemIdentifier('1'), inRecovery: false, timeline: 4, lsn: null, dataDirectory: '', version: '15.18' };
  const full = viewed(facts('node2', { state: 'closed', glimpse }));
  const { one } = trio();
  expect(splitBrain({ topology: topologyOf(), nodes: [one, full] })).toMatchObject([{ code: 'two-primaries', message: 'node1 (timeline 1) and node2 (timeline 4) both take writes' }]);
});

import { describe, expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import { decideSync } from '../../../src/operations/sync.ts';
import { parseSyncWish, renderSyncWish, syncCommand } from '../../../src/operations/sync-wish.ts';
import { attempt } from '../../support/rehearsal.ts';
import { addStandby, carriedOut, cluster, promote, sync, syncCluster, type Made } from '../../support/crash-commands.ts';
import { settingOf } from '../../support/fake-fleet.ts';
import { Gate } from '../../support/fake-gate.ts';
import { FakeWorld } from '../../support/fake-world.ts';

const inForce = ({ fleet }: Made, node = 'node1'): string => settingOf(fleet.startedServer(node), 'synchronous_standby_names');

/** Code and message of each reason. */
async function refusal(made: Made, words: string): Promise<Readonly<Record<string, string>>> {
  try {
    await decideSync(made.fleet.world(), made.desk.topology, { wish: parseSyncWish(words) });
  } catch (thrown) {
    if (thrown instanceof PgreplError) return Object.fromEntries(thrown.reasons.map(({ code, message }) => [code, message]));
    throw thrown;
  }
  return {};
}

test.each([
  ['off', 'pgrepl sync off'],
  ['any 1', 'pgrepl sync any 1'],
  ['any 2 (node2, node3)', 'pgrepl sync any 2 node2 node3'],
  ['first 1 (node3, node2)', 'pgrepl sync first 1 node3 node2'],
])('sync: %s of the cluster file is typed as %s', (text, command) => {
  expect([renderSyncWish(parseSyncWish(text)), syncCommand(parseSyncWish(text))]).toEqual([text, command]);
});

describe('what would make every commit wait, or count somebody else, is refused', () => {
  test('F14 a cascaded standby never counts', async () => {
    const made = await cluster(['node2'], ['node3', 'node2']);
    expect(await refusal(made, 'any 1 (node3)')).toEqual({ cascaded: 'node3 streams from node2, not from the primary node1: a cascaded standby never counts' });
    await carriedOut(made, sync('any 1'));
    expect(inForce(made)).toBe('ANY 1 ("node2")');
  });

  test('F13, F01 one that does not stream, and fewer than are needed', async () => {
    const made = await cluster(['node2'], ['node3']);
    made.fleet.stopServer('node3');
    expect(await refusal(made, 'any 1 (node3)')).toHaveProperty('not-streaming');
    expect(await refusal(made, 'any 2')).toEqual({ 'too-few-standbys': 'any 2 needs 2 standbys, and one standby streams from node1 (node2): every commit would wait' });
  });

  test('F06, F15 two connections of one name, whatever its case', async () => {
    const made = await cluster(['node2'], ['node3']);
    const receiver = made.fleet.startedServer('node3').receiver;
    if (receiver === null) throw new Error('it streams');
    Object.assign(receiver, { applicationName: 'NODE2' });
    expect((await refusal(made, 'any 1 (node2)'))['duplicate-name']).toMatch(/^2 connections on node1 call themselves "node2" \(pids [0-9]+, [0-9]+\), and any of them would acknowledge for node2$/);
  });

  test('F10 remote_apply with a replay that is paused; one that replays at once is enough for any, not for first', async () => {
    const made = await cluster(['node2'], ['node3']);
    const server = await made.fleet.world().node('node1').server();
    await server.setSystemSettings({ synchronous_commit: 'remote_apply' });
    await server.reload();
    made.fleet.startedServer('node3').replayPaused = true;
    expect(await refusal(made, 'any 1 (node3)')).toEqual({ 'waits-for-replay': 'node3 has its replay paused, and synchronous_commit of node1 is remote_apply: every commit would wait for that' });
    expect(await refusal(made, 'any 1 (node2, node3)')).toEqual({});
    expect(await refusal(made, 'first 1 (node2, node3)')).toEqual({});
    expect(await refusal(made, 'first 1 (node3, node2)')).toHaveProperty('waits-for-replay');
  });

  test('A15 what another place says: set: of the cluster file, ALTER SYSTEM where that is off', async () => {
    const made = await cluster(['node2']);
    const [first, ...rest] = made.desk.topology.nodes;
    if (first === undefined) throw new Error('there is one');
    const topology = { ...made.desk.topology, nodes: [{ ...first, set: { synchronous_standby_names: 'node2' } }, ...rest] };
    expect(await refusal({ ...made, desk: { ...made.desk, topology } }, 'any 1')).toHaveProperty('set-in-file');
  });

  test('the primary itself', async () => {
    expect(await refusal(await cluster(['node2']), 'any 1 (node1)')).toEqual({ 'is-the-primary': 'node1 is the primary itself: it cannot be its own standby' });
  });
});

test('add.13: a new standby that leaves in the moment in which commits begin to wait for it is taken off the list again', async () => {
  const made = await syncCluster('any 1 (node2)', [['node2']]);
  made.fleet.addNode('node3', { port: 5450 });
  const { fleet } = made;
  let died = false;
  const gate = new Gate((what) => {
    fleet.look(what);
    if (!died && inForce(made).includes('node3')) {
      died = true;
      fleet.killServer('node3');
    }
  });
  // Two of two: without it every commit would wait.
  const { result } = await attempt(addStandby(fleet, 'node3', null, { sync: true }), new FakeWorld(fleet, {}, gate), made.desk);
  fleet.endSessions();
  fleet.settle();
  expect([died, result.outcome, inForce(made), made.desk.topology.sync]).toEqual([true, 'undone', 'ANY 1 ("node2")', 'any 1 (node2)']);
  expect(fleet.state.violations).toEqual([]);
});

test('F08: the old primary takes the place of the new one in the list of names, and back', async () => {
  const made = await syncCluster('first 1 (node2, node3)', [['node2'], ['node3']], { mustNotWait: false });
  await carriedOut(made, promote('node2', { mode: 'planned' }));
  expect([made.desk.topology.sync, inForce(made, 'node2'), inForce(made, 'node1')]).toEqual(['first 1 (node1, node3)', 'FIRST 1 ("node1", "node3")', '']);
  await carriedOut(made, promote('node1', { mode: 'planned' }));
  expect([made.desk.topology.sync, inForce(made, 'node1'), inForce(made, 'node2')]).toEqual(['first 1 (node2, node3)', 'FIRST 1 ("node2", "node3")', '']);
  expect([made.fleet.state.violations, made.fleet.lost()]).toEqual([[], []]);
});

test('F08, J26: a cascade below the candidate streams from the primary once that is one, and commits wait for it, too', async () => {
  const made = await syncCluster('any 1', [['node2'], ['node3', 'node2']]);
  expect(inForce(made)).toBe('ANY 1 ("node2")');
  await carriedOut(made, promote('node2', { mode: 'planned' }));
  expect([made.desk.topology.sync, inForce(made, 'node2')]).toEqual(['any 1', 'ANY 1 ("node1", "node3")']);
  expect([made.fleet.state.violations, made.fleet.lost()]).toEqual([[], []]);
});

test('F08: a primary whose names somebody else manages is left as it is', async () => {
  const made = await cluster(['node2'], ['node3']);
  const server = await made.fleet.world().node('node1').server();
  await server.setSystemSettings({ synchronous_standby_names: 'node2' });
  await server.reload();
  await carriedOut(made, promote('node2', { mode: 'planned' }));
  expect([made.desk.topology.sync, inForce(made, 'node2'), inForce(made, 'node1')]).toEqual(['off', '', 'node2']);
});

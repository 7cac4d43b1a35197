import { describe, expect, test } from 'vitest';
import { decideAddStandby } from '../../../src/operations/add-standby.ts';
import { decideFollow } from '../../../src/operations/follow.ts';
import { decideInitPrimary } from '../../../src/operations/init-primary.ts';
import { decidePromote } from '../../../src/operations/promote.ts';
import { decideRemoveStandby } from '../../../src/operations/remove-standby.ts';
import type { AddStandby, Follow, InitPrimary, Promote, RemoveStandby } from '../../../src/operations/wants.ts';
import { parseNodeName, type NodeName } from '../../../src/postgres/names.ts';
import { errorAnywhere, powerCutThenAgain, powerCutThenUndo, rehearseDryRun, undisturbed, type Situation } from '../../support/crash-matrix.ts';
import { diskOf } from '../../support/fake-fleet.ts';
import type { FakeFleet } from '../../support/fake-world.ts';
import { givenForeignPair, givenForeignPrimary, givenMachine, givenMachines, givenMachineWith } from '../../support/given.ts';
import { attempt, newDesk, specOf, type Desk, type Rehearsed } from '../../support/rehearsal.ts';

interface Made {
  readonly fleet: FakeFleet;
  readonly desk: Desk;
}

const name = (text: string): NodeName => parseNodeName(text);

function initPrimary(fleet: FakeFleet, more: Partial<InitPrimary> = {}): Rehearsed<InitPrimary> {
  return { decide: decideInitPrimary, want: { node: specOf(fleet, 'node1'), restart: false, start: false, overReject: [], replaceEdits: false, ...more } };
}

function addStandby(fleet: FakeFleet, node: string, upstream: string | null = null): Rehearsed<AddStandby> {
  return { decide: decideAddStandby, want: { node: specOf(fleet, node), upstream: upstream === null ? null : name(upstream), checkpoint: 'fast', compress: 'auto', maxRate: null, verify: true } };
}

function promote(to: string | null, more: Partial<Promote> = {}): Rehearsed<Promote> {
  return { decide: decidePromote, want: { name: to === null ? null : name(to), mode: 'either', fenced: null, acceptLoss: null, budgetMs: 30_000, ...more } };
}

async function carriedOut<W>({ fleet, desk }: Made, command: Rehearsed<W>): Promise<Made> {
  const { result } = await attempt(command, fleet.world(), desk);
  if (result.error !== null) throw result.error;
  fleet.settle();
  return { fleet, desk };
}

type Standby = readonly [node: string, upstream?: string];

/** A cluster made by the product itself: node1 and its standbys; a second word names another upstream than the primary. */
async function cluster(...standbys: readonly Standby[]): Promise<Made> {
  return await clusterOn(givenMachine('node1', ...standbys.map(([node]) => node)), standbys);
}

async function clusterOn(fleet: FakeFleet, standbys: readonly Standby[]): Promise<Made> {
  const made = { fleet, desk: newDesk() };
  await carriedOut(made, initPrimary(made.fleet));
  made.fleet.write('node1');
  for (const [node, upstream] of standbys) await carriedOut(made, addStandby(made.fleet, node, upstream ?? null));
  made.fleet.write('node1');
  made.fleet.settle();
  return { fleet: made.fleet, desk: newDesk(made.desk.topology.nodes) };
}

/** The same on PostgreSQL 13, where only a start changes `restore_command`. */
async function clusterOn13(...standbys: readonly Standby[]): Promise<Made> {
  return await clusterOn(givenMachineWith({ versionNumber: 130_023 }, 'node1', ...standbys.map(([node]) => node)), standbys);
}

/** The same in the layout of Debian: an old cluster of the machine adopted, the others made as halves of pairs. */
async function debianCluster(...names: readonly string[]): Promise<Made> {
  const made = { fleet: await givenForeignPair(), desk: newDesk() };
  await carriedOut(made, initPrimary(made.fleet));
  made.fleet.write('node1');
  for (const [index, node] of names.entries()) {
    made.fleet.addNode(node, { port: 5440 + index, debian: true });
    await carriedOut(made, addStandby(made.fleet, node));
  }
  made.fleet.write('node1');
  made.fleet.settle();
  return { fleet: made.fleet, desk: newDesk(made.desk.topology.nodes) };
}

/** A node that is still to be made, beside a cluster. */
async function clusterWithRoomFor(node: string, change: (fleet: FakeFleet) => void = () => undefined, ...standbys: readonly Standby[]): Promise<Made> {
  const made = await cluster(...standbys);
  made.fleet.addNode(node, { port: 5450 });
  change(made.fleet);
  return made;
}

const situations: readonly (readonly [title: string, make: () => Promise<Situation<never>>])[] = [
  situation('init-primary makes a new one', async () => {
    const fleet = givenMachine('node1');
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet) });
  }),
  situation('init-primary makes a new one in a mount point', async () => {
    const fleet = givenMachine('node1');
    mountAt(fleet, '/srv/pg/node1');
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet) });
  }),
  situation('init-primary adopts a running server', async () => {
    const fleet = givenForeignPrimary();
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet) });
  }),
  situation('init-primary adopts a running server and restarts it', async () => {
    const fleet = givenForeignPrimary({ settings: { wal_level: 'minimal', max_wal_senders: '0' } });
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet, { restart: true }) });
  }),
  situation('init-primary adopts a running server that has to wait for its restart', async () => {
    const fleet = givenForeignPrimary({ settings: { wal_level: 'minimal', max_wal_senders: '0' } });
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet) });
  }),
  situation('init-primary adopts a stopped server and starts it', async () => {
    const fleet = givenForeignPrimary();
    fleet.stopServer('node1');
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet, { start: true }) });
  }),
  situation('add-standby', async () => {
    const made = await clusterWithRoomFor('node2');
    return { ...made, ...addStandby(made.fleet, 'node2') };
  }),
  situation('add-standby to an adopted primary', async () => {
    const fleet = givenForeignPrimary();
    const made = { fleet, desk: newDesk() };
    await carriedOut(made, initPrimary(fleet));
    fleet.addNode('node2', { port: 5450 });
    return { fleet, desk: newDesk(made.desk.topology.nodes), ...addStandby(fleet, 'node2') };
  }),
  situation('add-standby into an empty directory', async () => {
    const made = await clusterWithRoomFor('node2', (fleet) => {
      diskOf(fleet.state, 'here').makeDirectory('/srv/pg/node2', { owner: 'postgres', mode: 0o755 });
    });
    return { ...made, ...addStandby(made.fleet, 'node2') };
  }),
  situation('add-standby into a mount point', async () => {
    const made = await clusterWithRoomFor('node2', (fleet) => {
      mountAt(fleet, '/srv/pg/node2');
    });
    return { ...made, ...addStandby(made.fleet, 'node2') };
  }),
  situation('add-standby that cascades', async () => {
    const made = await clusterWithRoomFor('node3', undefined, ['node2']);
    return { ...made, ...addStandby(made.fleet, 'node3', 'node2') };
  }),
  situation('init-primary makes a new cluster of Debian', async () => {
    const fleet = givenMachineWith({ debian: true }, 'node1');
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet) });
  }),
  situation('init-primary adopts a cluster of Debian and restarts it', async () => {
    const fleet = await givenForeignPair({ settings: { wal_level: 'minimal', max_wal_senders: '0' } });
    return { fleet, desk: newDesk(), ...initPrimary(fleet, { restart: true }) };
  }),
  situation('add-standby to a cluster of Debian, as another one', async () => {
    const made = await debianCluster();
    made.fleet.addNode('node2', { port: 5450, debian: true });
    return { ...made, ...addStandby(made.fleet, 'node2') };
  }),
  situation('add-standby to a cluster of Debian, in a plain directory', async () => {
    const made = await debianCluster();
    made.fleet.addNode('node2', { port: 5450 });
    return { ...made, ...addStandby(made.fleet, 'node2') };
  }),
  situation('a switchover between clusters of Debian, with a sibling', async () => ({ ...(await debianCluster('node2', 'node3')), ...promote('node2', { mode: 'planned' }) })),
  situation('a switchover', async () => ({ ...(await cluster(['node2'])), ...promote('node2', { mode: 'planned' }) })),
  situation('a switchover with a sibling', async () => ({ ...(await cluster(['node2'], ['node3'])), ...promote('node2', { mode: 'planned' }) })),
  situation('a switchover with a cascaded standby', async () => ({ ...(await cluster(['node2'], ['node3', 'node2'])), ...promote('node2') })),
  situation('a switchover under load', async () => {
    const made = await cluster(['node2'], ['node3']);
    made.fleet.state.underLoad = true;
    made.fleet.settle();
    return { ...made, ...promote('node2', { mode: 'planned' }) };
  }),
  situation('a switchover with a sibling on 13', async () => ({ ...(await clusterOn13(['node2'], ['node3'])), ...promote('node2', { mode: 'planned' }) })),
  situation('a switchover there and back on 13', async () => {
    const made = await clusterOn13(['node2']);
    await carriedOut(made, promote('node2', { mode: 'planned' }));
    made.fleet.settle();
    return { fleet: made.fleet, desk: newDesk(made.desk.topology.nodes), ...promote('node1', { mode: 'planned' }) };
  }),
  situation('a switchover from an adopted primary with a restore_command of its own on 13', async () => {
    const fleet = givenForeignPrimary({ versionNumber: 130_023, settings: { restore_command: 'cp /srv/wal/%f %p' } });
    const made = { fleet, desk: newDesk() };
    await carriedOut(made, initPrimary(fleet));
    fleet.addNode('node2', { port: 5450, versionNumber: 130_023 });
    await carriedOut(made, addStandby(fleet, 'node2'));
    return { fleet, desk: newDesk(made.desk.topology.nodes), ...promote('node2', { mode: 'planned' }), tolerates: /^server here:\/srv\/pg\/node1 (?:pending: \[\] → \["restore_command"\]$|has other settings: restore_command: '[^']*' → missing$)/ };
  }),
  situation('a failover after a crash on 13', async () => {
    const made = await clusterOn13(['node2'], ['node3']);
    made.fleet.killServer('node1');
    made.fleet.settle();
    return { ...made, ...promote('node2') };
  }),
  situation('a failover after a crash', async () => {
    const made = await cluster(['node2'], ['node3']);
    made.fleet.killServer('node1');
    made.fleet.settle();
    return { ...made, ...promote('node2') };
  }),
  situation('a failover after a clean stop', async () => {
    const made = await cluster(['node2'], ['node3']);
    made.fleet.stopServer('node1');
    made.fleet.settle();
    return { ...made, ...promote('node2', { mode: 'failover' }) };
  }),
  situation('a failover while the old primary cannot be reached', async () => {
    const made = await clusterOn(givenMachines('node1', 'node2', 'node3'), [['node2'], ['node3']]);
    made.fleet.killServer('node1');
    made.fleet.isolate('node1');
    made.fleet.settle();
    return { ...made, ...promote('node2', { fenced: 'the rack is off', acceptLoss: 'unknown' }) };
  }),
  situation('add-standby on another machine', async () => {
    const made = await clusterOn(givenMachines('node1'), []);
    made.fleet.addNode('node2', { port: 5432, machine: 'm-node2' });
    return { ...made, ...addStandby(made.fleet, 'node2') };
  }),
  situation('a switchover between machines', async () => ({ ...(await clusterOn(givenMachines('node1', 'node2', 'node3'), [['node2'], ['node3']])), ...promote('node2', { mode: 'planned' }) })),
  situation<Follow>('follow a standby', async () => ({ ...(await cluster(['node2'], ['node3'])), decide: decideFollow, want: { name: name('node3'), upstream: name('node2') } })),
  situation<Follow>('follow the primary again', async () => ({ ...(await cluster(['node2'], ['node3', 'node2'])), decide: decideFollow, want: { name: name('node3'), upstream: name('node1') } })),
  situation<RemoveStandby>('remove-standby', async () => ({ ...(await cluster(['node2'], ['node3'])), decide: decideRemoveStandby, want: { name: name('node3') } })),
];

function situation<W>(title: string, make: () => Promise<Situation<W>>): readonly [string, () => Promise<Situation<never>>] {
  // What is wanted is known to this command only; the matrix hands it back unseen.
  return [title, make as unknown as () => Promise<Situation<never>>];
}

function mountAt(fleet: FakeFleet, path: string): void {
  diskOf(fleet.state, 'here').makeDirectory(path, { owner: 'postgres', mode: 0o700, device: 'volume' });
}

/** Fails with every complaint, because the first one alone seldom tells what is wrong. */
function expectNone(complaints: readonly string[]): void {
  if (complaints.length > 0) expect.fail(`${complaints.length} complaints:\n${complaints.join('\n')}`);
}

describe.each(situations)('%s', (_title, make) => {
  test('changes nothing in a dry run', async () => {
    expectNone(await rehearseDryRun(await make()));
  });

  test('is done, and has nothing to do a second time', async () => {
    const given = await make();
    const { fleet, desk, after } = await undisturbed(given);
    expect(fleet.state.violations).toEqual([]);
    expect(fleet.lost()).toEqual([]);
    expect(fleet.strayStaging()).toEqual([]);
    if (given.decide === (decideRemoveStandby as unknown)) return;
    const world = fleet.world();
    const { result } = await attempt(given, world, desk);
    fleet.settle();
    expect([result.outcome, world.log]).toEqual(['unchanged', []]);
    expect(fleet.snapshot()).toEqual(after);
  });

  test('after a power cut anywhere the same command ends it, with the journal and without', async () => {
    const given = await make();
    expectNone(await powerCutThenAgain(given, await undisturbed(given)));
  }, 120_000);

  test('after a power cut anywhere it can be undone, up to the point of no return', async () => {
    const given = await make();
    expectNone(await powerCutThenUndo(given, await undisturbed(given)));
  }, 120_000);

  test('an error anywhere leaves all as before, or past the point of no return a way on', async () => {
    const given = await make();
    expectNone(await errorAnywhere(given, await undisturbed(given)));
  }, 120_000);
});

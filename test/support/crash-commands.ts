import { describe, expect, test } from 'vitest';
import { decideAddStandby } from '../../src/operations/add-standby.ts';
import { decideInitPrimary } from '../../src/operations/init-primary.ts';
import { decidePromote } from '../../src/operations/promote.ts';
import { decideRemoveStandby } from '../../src/operations/remove-standby.ts';
import { decideRejoin } from '../../src/operations/rejoin.ts';
import { decideFollow } from '../../src/operations/follow.ts';
import { decideSync } from '../../src/operations/sync.ts';
import { parseSyncWish } from '../../src/operations/sync-wish.ts';
import type { AddStandby, Follow, InitPrimary, Promote, Rejoin, Sync } from '../../src/operations/wants.ts';
import { parseNodeName, type NodeName } from '../../src/postgres/names.ts';
import { errorAnywhere, powerCutThenAgain, powerCutThenUndo, rehearseDryRun, undisturbed, type Situation } from './crash-matrix.ts';
import { diskOf } from './fake-fleet.ts';
import type { FakeFleet } from './fake-world.ts';
import { givenForeignPair, givenMachine, givenMachineWith } from './given.ts';
import { attempt, newDesk, specOf, type Desk, type Rehearsed } from './rehearsal.ts';

/** A title, and how the situation is made. */
export type CrashSituation = readonly [title: string, make: () => Promise<Situation<never>>];

/** Machines as some commands have left them, and the operator's desk. */
export interface Made {
  readonly fleet: FakeFleet;
  readonly desk: Desk;
}

/** A node name that is right. */
export const name = (text: string): NodeName => parseNodeName(text);

/** init-primary of node1. */
export function initPrimary(fleet: FakeFleet, more: Partial<InitPrimary> = {}): Rehearsed<InitPrimary> {
  return { decide: decideInitPrimary, want: { node: specOf(fleet, 'node1'), restart: false, start: false, overReject: [], replaceEdits: false, ...more } };
}

/** add-standby of that node, to the primary unless another upstream is named. */
export function addStandby(fleet: FakeFleet, node: string, upstream: string | null = null, more: Partial<AddStandby> = {}): Rehearsed<AddStandby> {
  return { decide: decideAddStandby, want: { node: specOf(fleet, node), upstream: upstream === null ? null : name(upstream), checkpoint: 'fast', compress: 'auto', maxRate: null, verify: true, ...more } };
}

/** promote of that node, which may be a switchover. */
export function promote(to: string | null, more: Partial<Promote> = {}): Rehearsed<Promote> {
  return { decide: decidePromote, want: { name: to === null ? null : name(to), mode: 'either', fenced: null, acceptLoss: null, budgetMs: 30_000, ...more } };
}

/** rejoin of that node. */
export function rejoin(node: string, more: Partial<Rejoin> = {}): Rehearsed<Rejoin> {
  return { decide: decideRejoin, want: { name: name(node), discard: false, copy: false, restoreTargetWal: false, maxRate: null, ...more } };
}

/** node1 has written what nobody received, and fallen; node2 has taken over. What was lost with it was accepted, and counts as lost no more. */
export async function fallen({ fleet, desk }: Made, how: 'crashed' | 'stopped' = 'crashed'): Promise<Made> {
  const others = ['node2', 'node3'].filter((one) => fleet.nodes.has(one) && fleet.running(one) !== null);
  for (const one of others) fleet.startedServer(one).frozen = true;
  const before = fleet.state.acknowledged.length;
  for (let round = 0; round < 3; round += 1) fleet.write('node1');
  fleet.state.acknowledged.splice(before);
  if (how === 'crashed') fleet.killServer('node1');
  else fleet.stopServer('node1');
  for (const one of others) {
    const server = fleet.startedServer(one);
    server.frozen = false;
    server.receiver = null;
  }
  fleet.settle();
  await carriedOut({ fleet, desk }, promote('node2', { mode: 'failover', acceptLoss: 'unknown' }));
  fleet.write('node2');
  fleet.settle();
  return { fleet, desk: newDesk(desk.topology.nodes) };
}

/** sync of these words, as the cluster file has them. */
export function sync(words: string): Rehearsed<Sync> {
  return { decide: decideSync, want: { wish: parseSyncWish(words) } };
}

/** follow of that node to that upstream. */
export function follow(node: string, upstream: string): Rehearsed<Follow> {
  return { decide: decideFollow, want: { name: name(node), upstream: name(upstream) } };
}

/**
 * A cluster whose commits wait by this line of its cluster file, with a client that writes all the time: from here on none may be acknowledged without a
 * standby, and, unless a role change has to pass through a moment without any, none may wait for one that is not there.
 */
export async function syncCluster(words: string, standbys: readonly Standby[], { mustNotWait = true } = {}): Promise<Made> {
  const made = await cluster(...standbys);
  await carriedOut(made, sync(words));
  const { state } = made.fleet;
  Object.assign(state, { underLoad: true, mustNotWait, mustBeSynchronous: true });
  made.fleet.settle();
  return { fleet: made.fleet, desk: { ...newDesk(made.desk.topology.nodes), topology: made.desk.topology } };
}

/** Runs the command to its end. Throws its error. */
export async function carriedOut<W>({ fleet, desk }: Made, command: Rehearsed<W>): Promise<Made> {
  const { result } = await attempt(command, fleet.world(), desk);
  if (result.error !== null) throw result.error;
  fleet.settle();
  return { fleet, desk };
}

type Standby = readonly [node: string, upstream?: string];

/** A cluster made by the product itself: node1 and its standbys; a second word names another upstream than the primary. */
export async function cluster(...standbys: readonly Standby[]): Promise<Made> {
  return await clusterOn(givenMachine('node1', ...standbys.map(([node]) => node)), standbys);
}

/** The same on these machines. */
export async function clusterOn(fleet: FakeFleet, standbys: readonly Standby[]): Promise<Made> {
  const made = { fleet, desk: newDesk() };
  await carriedOut(made, initPrimary(made.fleet));
  made.fleet.write('node1');
  for (const [node, upstream] of standbys) await carriedOut(made, addStandby(made.fleet, node, upstream ?? null));
  made.fleet.write('node1');
  made.fleet.settle();
  return { fleet: made.fleet, desk: newDesk(made.desk.topology.nodes) };
}

/** The same on PostgreSQL 13, where only a start changes `restore_command`. */
export async function clusterOn13(...standbys: readonly Standby[]): Promise<Made> {
  return await clusterOn(givenMachineWith({ versionNumber: 130_023 }, 'node1', ...standbys.map(([node]) => node)), standbys);
}

/** The same in the layout of Debian: an old cluster of the machine adopted, the others made as halves of pairs. */
export async function debianCluster(...names: readonly string[]): Promise<Made> {
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
export async function clusterWithRoomFor(node: string, change: (fleet: FakeFleet) => void = () => undefined, ...standbys: readonly Standby[]): Promise<Made> {
  const made = await cluster(...standbys);
  made.fleet.addNode(node, { port: 5450 });
  change(made.fleet);
  return made;
}


/** One line of the matrix. */
export function situation<W>(title: string, make: () => Promise<Situation<W>>): CrashSituation {
  // What is wanted is known to this command only; the matrix hands it back unseen.
  return [title, make as unknown as () => Promise<Situation<never>>];
}

/** A file system of its own, empty, at this path. */
export function mountAt(fleet: FakeFleet, path: string): void {
  diskOf(fleet.state, 'here').makeDirectory(path, { owner: 'postgres', mode: 0o700, device: 'volume' });
}

/** Fails with every complaint, because the first one alone seldom tells what is wrong. */
function expectNone(complaints: readonly string[]): void {
  if (complaints.length > 0) expect.fail(`${complaints.length} complaints:\n${complaints.join('\n')}`);
}

/** Tells the whole matrix of these situations. */
export function tellMatrix(situations: readonly CrashSituation[]): void {
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
}

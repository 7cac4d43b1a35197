import { expect, test } from 'vitest';
import { waitFor } from '../../../src/plan/wait.ts';
import type { Programs } from '../../../src/postgres/tools.ts';
import { handOver, type HandOver } from '../../../src/steps/hand-over.ts';
import type { World } from '../../../src/steps/world.ts';
import { givenCluster } from '../../support/given.ts';

const TELL = { progress: () => undefined, noReturn: async () => await Promise.resolve() } as unknown as Parameters<typeof handOver.apply>[2];

/** A switchover whose mark of the stopped primary takes as long as the test wants, and a run that is interrupted as soon as it was asked for. */
function givenSlowMark() {
  const fleet = givenCluster(['node1', 'node2']);
  const interrupt = new AbortController();
  const inner = fleet.world({ signal: interrupt.signal });
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => { release = resolve; });
  let ask = (): void => undefined;
  const asked = new Promise<void>((resolve) => { ask = resolve; });
  const world: World = {
    signal: interrupt.signal,
    run: inner.run,
    givenPassword: null,
    node: (name) => {
      const node = inner.node(name);
      return {
        ...node,
        programs: async () => {
          const programs = await node.programs();
          const slow: Programs['markStoppedPrimary'] = async (directory, options) => {
            ask();
            await released;
            return await programs.markStoppedPrimary(directory, options);
          };
          return new Proxy(programs, { get: (target, key) => (key === 'markStoppedPrimary' ? slow : bound(target, key)) });
        },
      };
    },
    machine: () => Promise.reject(new Error('no other machine')),
    pooler: () => Promise.reject(new Error('no pooler')),
    withSignal: () => { throw new Error('not here'); },
    waitFor: async (what, probe, limits) => await waitFor(what, async (say) => { fleet.settle(); return await probe(say); }, { ...limits, firstMs: 0, everyMs: 0, signal: interrupt.signal }),
  };
  return { fleet, world, interrupt, asked, release, after: inner.withSignal(new AbortController().signal) };
}

function bound(target: Programs, key: string | symbol): unknown {
  const value: unknown = Reflect.get(target, key);
  return typeof value === 'function' ? value.bind(target) : value;
}

test('interrupted while the stopped primary is being marked, a hand-over ends only after the mark, so that undo takes it away and the old primary takes writes again (I03, X13)', async () => {
  const { fleet, world, interrupt, asked, release, after } = givenSlowMark();
  const facts = await (await after.node('node1').server()).facts();
  const step: HandOver = { kind: 'hand-over', node: 'node2', primary: { node: 'node1', directory: '/srv/pg/node1', configFile: null }, systemIdentifier: facts.systemIdentifier, timeline: facts.timeline, budgetMs: 30_000 };
  let isOver = false;
  const applying = handOver.apply(step, world, TELL).then(() => 'done', (error: unknown) => error).finally(() => { isOver = true; });
  await asked;
  interrupt.abort();
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
  expect(isOver).toBe(false);
  release();
  expect(await applying).toMatchObject({ code: 'interrupted' });
  expect(await after.node('node1').host.stat('/srv/pg/node1/standby.signal')).not.toBeNull();
  if (handOver.undo === 'nothing' || handOver.undo === 'impossible') throw new Error('it has an undo');
  await handOver.undo(step, null, after);
  expect(await after.node('node1').host.stat('/srv/pg/node1/standby.signal')).toBeNull();
  expect((await (await after.node('node1').server()).facts()).inRecovery).toBe(false);
  fleet.settle();
});

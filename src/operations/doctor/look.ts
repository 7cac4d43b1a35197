import { PgreplError } from '../../errors.ts';
import type { NodeWorld, World } from '../../steps/world.ts';
import type { Topology } from '../../topology/topology.ts';
import { isForeign, viewCluster } from '../status-links.ts';
import { seeStatus } from '../status-look.ts';
import { within, type Limits } from '../within.ts';
import { askClock } from './clock.ts';
import { compareContents } from './contents.ts';
import type { DoctorFacts, MachineFacts } from './facts.ts';
import { withRates } from './rates.ts';
import { askServer } from './server.ts';
import { tryLogins } from './logins.ts';
import { lookAtMachine } from './machine.ts';
import type { Need } from './rule.ts';

/**
 * Gathers what these needs ask for, everything at once, each node and each login with its own deadline. Changes nothing; what did not come in
 * time is unknown, never an exception. Throws only `interrupted`, when the signal fires.
 */
export async function lookForDoctor(world: World, topology: Topology, needs: ReadonlySet<Need>, limits: Limits): Promise<DoctorFacts> {
  const names = topology.nodes.map(({ name }) => name);
  const ofEach = async <T>(need: Need, look: (node: NodeWorld) => Promise<T>): Promise<ReadonlyMap<string, T>> =>
    (needs.has(need) || (need === 'servers' && needs.has('health'))) ? new Map(await Promise.all(names.map(async (name) => [name, await look(world.node(name))] as const))) : new Map<string, T>();
  const [{ facts, document }, machines, servers, logins] = await Promise.all([
    seeStatus(world, topology, 'change', limits),
    ofEach('machines', async (node) => await lookAtMachine(node, limits)),
    ofEach('servers', async (node) => await askServer(node, { health: needs.has('health'), databases: needs.has('databases') }, limits)),
    needs.has('logins') ? tryLogins(world, names, limits) : [],
  ]);
  const [clocked, paced] = await Promise.all([withClocks(world, machines, limits), needs.has('health') ? withRates(world, servers, limits) : servers]);
  const view = viewCluster(topology, facts);
  const standbys = view.nodes.filter((node) => node.server?.inRecovery === true && !isForeign(node, view)).map(({ name }) => name);
  const contents = needs.has('contents') && view.primary !== null ? await compareContents(world, view.primary.name, standbys, limits) : [];
  // What was cut short looks like what is not there.
  if (limits.signal.aborted) throw new PgreplError('interrupted', 'interrupted', 'interrupted');
  return { view, status: document, machines: clocked, servers: paced, logins, contents };
}

/** The clocks last, when this program has nothing else to do: its own work would count as round trip. */
async function withClocks(world: World, machines: ReadonlyMap<string, MachineFacts>, limits: Limits): Promise<ReadonlyMap<string, MachineFacts>> {
  const asked = [...machines].map(async ([name, machine]) => {
    const clock = machine.trouble === null ? await within(limits, askClock(world.node(name).host)) : null;
    return [name, { ...machine, clock: clock ?? null }] as const;
  });
  return new Map(await Promise.all(asked));
}


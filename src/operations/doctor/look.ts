import { asPgreplError } from '../../errors.ts';
import type { NodeWorld, World } from '../../steps/world.ts';
import type { Topology } from '../../topology/topology.ts';
import { viewCluster } from '../status-links.ts';
import { seeStatus } from '../status-look.ts';
import { within, type Limits } from '../within.ts';
import { askClock } from './clock.ts';
import type { DoctorFacts, MachineFacts, ServerExtras } from './facts.ts';
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
    needs.has(need) ? new Map(await Promise.all(names.map(async (name) => [name, await look(world.node(name))] as const))) : new Map<string, T>();
  const [{ facts, document }, machines, servers, logins] = await Promise.all([
    seeStatus(world, topology, 'change', limits),
    ofEach('machines', async (node) => await lookAtMachine(node, limits)),
    ofEach('servers', async (node) => await askServer(node, limits)),
    needs.has('logins') ? tryLogins(world, names, limits) : [],
  ]);
  return { view: viewCluster(topology, facts), status: document, machines: await withClocks(world, machines, limits), servers, logins };
}

/** The clocks last, when this program has nothing else to do: its own work would count as round trip. */
async function withClocks(world: World, machines: ReadonlyMap<string, MachineFacts>, limits: Limits): Promise<ReadonlyMap<string, MachineFacts>> {
  const asked = [...machines].map(async ([name, machine]) => {
    const clock = machine.trouble === null ? await within(limits, askClock(world.node(name).host)) : null;
    return [name, { ...machine, clock: clock ?? null }] as const;
  });
  return new Map(await Promise.all(asked));
}

async function askServer(node: NodeWorld, limits: Limits): Promise<ServerExtras> {
  const seen: { -readonly [K in keyof ServerExtras]: ServerExtras[K] } = { role: undefined, otherManagers: null, commitLevels: null, hba: null };
  await within(limits, fill(node, seen));
  return { ...seen };
}

async function fill(node: NodeWorld, seen: { -readonly [K in keyof ServerExtras]: ServerExtras[K] }): Promise<void> {
  const server = await node.server();
  const piece = async (work: Promise<void>): Promise<void> => {
    await work.catch((thrown: unknown) => {
      const error = asPgreplError(thrown);
      if (error.kind === 'bug') throw error;
    });
  };
  await Promise.all([
    piece(server.role(node.place.replicationUser).then((role) => void (seen.role = role))),
    piece(server.otherManagers().then((managers) => void (seen.otherManagers = managers))),
    piece(server.commitLevels().then((levels) => void (seen.commitLevels = levels))),
    piece(readHba(node).then((hba) => void (seen.hba = hba))),
  ]);
}

async function readHba(node: NodeWorld): Promise<ServerExtras['hba']> {
  const server = await node.server();
  const file = (await server.facts()).hbaFile;
  const [text, loaded] = await Promise.all([node.host.readText(file), server.hasLoaded(file)]);
  return text === null ? null : { file, text, loaded };
}

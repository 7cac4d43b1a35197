import { newestTimeline, REQUIRED_PARAMETERS, type RequiredParameters } from '../postgres/control-data.ts';
import { bytesBetween } from '../postgres/lsn.ts';
import { configFileOf } from '../postgres/service.ts';
import { parseHistory, type HistoryEntry } from '../postgres/timeline.ts';
import type { World } from '../steps/world.ts';
import type { Topology } from '../topology/topology.ts';
import type { NodeFacts } from './facts.ts';
import { observeNodes, type ObserveOptions } from './observe.ts';
import { judgeStatus, type StatusDocument, type StatusExtras } from './status.ts';
import { paceOf, type Memory, type Pace } from './status-memory.ts';
import { within, type Limits } from './within.ts';
import { pause } from '../host/pause.ts';

/** `timeoutMs` is for each node. `memory`: what an earlier look knew, and the time of this one. */
export interface LookOptions extends Limits {
  readonly memory?: Memory | null;
  readonly nowMs?: number;
}

/** How long the primary's log is watched for its speed, where a slot is in danger. */
const RATE_WINDOW_MS = 400;

/** Looks at every node of the file and judges. Asks a second question only where the first answers raise one. Changes nothing. */
export async function lookAtStatus(world: World, topology: Topology, options: LookOptions): Promise<StatusDocument> {
  return (await seeStatus(world, topology, 'status', options)).document;
}

/**
 * The same with the facts that it was judged from. With depth `change` the files and processes of every node are looked at. `resting` is what was
 * seen before of nodes that are not to be asked now.
 */
export async function seeStatus(world: World, topology: Topology, depth: ObserveOptions['depth'], options: LookOptions, resting: readonly NodeFacts[] = []): Promise<{ readonly facts: readonly NodeFacts[]; readonly document: StatusDocument }> {
  const rests = new Map<string, NodeFacts>(resting.map((seen) => [seen.place.name, seen]));
  const asked = await observeNodes(world, topology.nodes.map(({ name }) => name).filter((name) => !rests.has(name)), { ...options, depth });
  const first = [...asked, ...rests.values()];
  const { memory = null, nowMs } = options;
  const primaryOf = (seen: readonly NodeFacts[], name: string | null): NodeFacts | undefined => seen.find(({ place, server }) => server !== null && place.name === name);
  const paceIn = (seen: readonly NodeFacts[], name: string | null): Pace | null => {
    const server = primaryOf(seen, name)?.server ?? null;
    return server === null || name === null ? null : paceOf(memory, name, server);
  };
  const known = { memory, nowMs };
  const paced = (seen: readonly NodeFacts[], name: string | null): StatusExtras => {
    const pace = paceIn(seen, name);
    return { ...known, pace, walBytesPerSecond: pace?.walBytesPerSecond };
  };
  const before = judgeStatus(topology, first, paced(first, onlyPrimary(first)));
  const facts = before.primary === null ? await Promise.all(first.map(async (seen) => await withControl(world, seen, options))) : first;
  const measured = paced(facts, before.primary);
  const document = facts === first ? before : judgeStatus(topology, facts, measured);
  const primary = primaryOf(facts, document.primary);
  const [history, walBytesPerSecond, ownRequired] = await Promise.all([
    primary !== undefined && facts.some((seen) => hasFallenOut(seen, primary)) ? within(options, historyOf(world, primary)) : undefined,
    primary !== undefined && measured.pace === null && document.findings.some(({ id }) => id === 'slot-retention') ? within(options, walRate(world, primary)) : undefined,
    requiredOfStopped(world, facts, options),
  ]);
  const extras: StatusExtras = { ...measured, history, ...(walBytesPerSecond === undefined ? {} : { walBytesPerSecond }), ownRequired };
  return { facts, document: history === undefined && walBytesPerSecond === undefined && ownRequired.size === 0 ? document : judgeStatus(topology, facts, extras) };
}

/** The name of the one server that takes writes, as a first judgement would have it. */
function onlyPrimary(facts: readonly NodeFacts[]): string | null {
  const writing = facts.filter(({ server }) => server?.inRecovery === false);
  return writing.length === 1 ? (writing[0]?.place.name ?? null) : null;
}

/** What their files give the stopped standbys for the parameters that a start is refused for (xlogrecovery.c, CheckRequiredParameterValues). */
async function requiredOfStopped(world: World, facts: readonly NodeFacts[], options: LookOptions): Promise<ReadonlyMap<string, Partial<RequiredParameters>>> {
  const stopped = facts.filter(({ state, hasSignal, control }) => state === 'down' && hasSignal && control !== null);
  const found = await Promise.all(stopped.map(async (seen) => [seen.place.name, await within(options, requiredOf(world, seen))] as const));
  return new Map(found.flatMap(([name, values]) => (values === undefined ? [] : [[name, values] as const])));
}

async function requiredOf(world: World, { place }: NodeFacts): Promise<Partial<RequiredParameters>> {
  const node = world.node(place.name);
  const [programs, service] = await Promise.all([node.programs(), node.service()]);
  const configFile = configFileOf(service);
  const values = await Promise.all(REQUIRED_PARAMETERS.map(async (name) => [name, await programs.settingValue(place.pgdata, configFile, name)] as const));
  return Object.fromEntries(values.flatMap(([name, value]) => (value === null ? [] : [[name, Number(value)]])));
}

/**
 * A paused standby with its control data: where no primary can be asked, that file alone knows the parameters that WAL demands (a standby
 * writes them there before it pauses).
 */
async function withControl(world: World, seen: NodeFacts, options: LookOptions): Promise<NodeFacts> {
  if (seen.server === null || !seen.server.inRecovery || seen.server.replayPause === 'not paused') return seen;
  const node = world.node(seen.place.name);
  const control = await within(options, node.programs().then(async (programs) => await programs.controlData(seen.place.pgdata)));
  return { ...seen, control: control ?? null };
}

/** A stopped node on a timeline that the primary has left. */
function hasFallenOut(seen: NodeFacts, primary: NodeFacts): boolean {
  return seen.state === 'down' && seen.control !== null && newestTimeline(seen.control) < (primary.server?.timeline ?? 0);
}

async function historyOf(world: World, primary: NodeFacts): Promise<readonly HistoryEntry[]> {
  const server = await world.node(primary.place.name).server();
  return parseHistory(await server.timelineHistory(primary.server?.timeline ?? 1));
}

async function walRate(world: World, primary: NodeFacts): Promise<number | undefined> {
  const server = await world.node(primary.place.name).server();
  const before = await server.positions();
  const start = performance.now();
  await pause(RATE_WINDOW_MS, world.signal);
  const after = await server.positions();
  if (before.currentLsn === null || after.currentLsn === null) return undefined;
  return bytesBetween(before.currentLsn, after.currentLsn) / ((performance.now() - start) / 1_000);
}

import { readOnly } from '../host/read-only.ts';
import { openWays, type Ways } from '../host/ways.ts';
import { placesOf, type Machines } from '../operations/places.ts';
import type { NodePlace } from '../steps/world.ts';
import type { NodeSpec, Topology } from '../topology/topology.ts';

/**
 * Where these nodes live, with the ways by which that was found out: the world goes on with them, and closes them. `askMs` is how long a
 * machine may take to say who owns a directory.
 */
export async function findPlaces(topology: Topology, nodes: readonly NodeSpec[], askMs?: number): Promise<{ readonly places: readonly NodePlace[]; readonly ways: Ways }> {
  const ways = openWays();
  try {
    return { places: await placesOf(topology, nodes, lookingAt(ways), askMs), ways };
  } catch (thrown) {
    await ways.close();
    throw thrown;
  }
}

/** The same machines, to look at only. */
function lookingAt(ways: Ways): Machines {
  return { open: async (via) => readOnly(await ways.to(via)) };
}

/** Machines to look at before it is known which command it will be; closed afterwards. */
export async function withMachines<T>(use: (machines: Machines) => Promise<T>): Promise<T> {
  const ways = openWays();
  try {
    return await use(lookingAt(ways));
  } finally {
    await ways.close();
  }
}

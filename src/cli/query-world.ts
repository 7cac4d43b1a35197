import { createWorld } from '../steps/live-world.ts';
import type { World } from '../steps/world.ts';
import type { Topology } from '../topology/topology.ts';
import type { Context } from './command.ts';
import { findPlaces } from './machines.ts';
import { passwordsFor, passwordsFrom } from './passwords.ts';
import { pause } from '../host/pause.ts';

/** Part of the deadline that may go into reaching a machine and the question who owns a data directory, before its server is asked. */
const OWNER_SHARE = 1 / 2;

/** How long the end of a query waits for the farewells of its sessions. */
export const FAREWELL_MS = 200;

/**
 * The nodes of a cluster file for a command that only looks: on hosts that refuse every change. `use` gets what is left of the deadline
 * after it was found out who owns each server. A node that hangs does not hold the end either.
 */
export async function withQueryWorld<T>(context: Context, topology: Topology, timeoutMs: number, use: (world: World, leftMs: number) => Promise<T>): Promise<T> {
  const { io, name } = context;
  // Given, or in the operator's passfile; a query never asks.
  const passwords = passwordsFor(context, await passwordsFrom(context));
  const start = performance.now();
  const { places, ways } = await findPlaces(topology, topology.nodes, timeoutMs * OWNER_SHARE);
  const world = createWorld({
    places,
    ways,
    binDirs: Object.fromEntries(topology.nodes.map((node) => [node.name, node.binDir])),
    run: name,
    signal: io.signal,
    givenPassword: null,
    readOnly: true,
    adminPassword: async (place) => await passwords.admin(place),
  });
  try {
    return await use(world, timeoutMs - (performance.now() - start));
  } finally {
    await Promise.race([world.close().catch(() => undefined), pause(FAREWELL_MS, io.signal)]);
  }
}

import { asPgreplError, PgreplError } from '../errors.ts';
import { holderOf, lockAll, type HeldLocks } from '../plan/lock.ts';
import type { NodePlace, World } from '../steps/world.ts';
import type { Parsed } from './command.ts';

/** Those of these places that a command locks. Pure. */
export function placesToLock(places: readonly NodePlace[], parsed: Pick<Parsed<unknown>, 'locks'>): readonly NodePlace[] {
  return places.filter((place) => parsed.locks.includes(place.name));
}

/**
 * The locks before the first look. `null` where they cannot be had: a plan that is refused or has nothing to do needs none, and says so; one
 * that would run asks again, and fails with the reason. Meanwhile the ways to the servers are opened: neither a session nor the place of
 * the programs is evidence.
 */
export async function locksBeforehand(world: World, places: readonly NodePlace[], command: string, run: string): Promise<HeldLocks | null> {
  for (const { name } of places) {
    const node = world.node(name);
    for (const opening of [node.server(), node.programs()]) opening.catch(() => undefined);
  }
  try {
    return await takeLocks(world, places, command, run);
  } catch (thrown) {
    if (asPgreplError(thrown).kind === 'bug') throw thrown;
    return null;
  }
}

/** Every reachable node, all or none. A machine that does not answer cannot be locked, and what is done without it is decided by evidence. */
export async function takeLocks(world: World, places: readonly NodePlace[], command: string, run: string): Promise<HeldLocks> {
  const targets = await Promise.all(
    places.map(async (place) => {
      const { host } = world.node(place.name);
      try {
        return [{ node: place.name, host, key: await host.realPath(place.pgdata) }];
      } catch (thrown) {
        if (thrown instanceof PgreplError && thrown.kind === 'unreachable') return [];
        throw thrown;
      }
    }),
  );
  return await lockAll(targets.flat(), holderOf(command, run));
}

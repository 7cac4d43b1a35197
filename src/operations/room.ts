import { dirname } from 'node:path/posix';
import type { Reason } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { renderBytes } from '../postgres/units.ts';
import type { World } from '../steps/world.ts';
import type { AddStandbyFacts } from './add-standby.ts';
import type { AddStandby } from './wants.ts';

/** The copy, and what grows while it runs. */
const SPACE_FACTOR = 1.2;
const WAL_ALLOWANCE_BYTES = 64 * 1024 * 1024;

interface Part {
  readonly path: string;
  readonly bytes: number;
}

/**
 * Whether each file system that the copy fills has room for its share: the data directory (which may be a mount point itself), every
 * tablespace, and the WAL where it has a place of its own (hazard D15). Reads only.
 */
export async function roomReasons(world: World, want: AddStandby, { upstream, standby }: AddStandbyFacts): Promise<readonly Reason[]> {
  const { inventory } = upstream;
  // What an unfinished copy of ours has written already is in the way of counting.
  if (inventory === null || standby.facts.staging !== null) return [];
  const { host, place } = world.node(standby.spec.name);
  const mapped = want.node.tablespaces ?? {};
  const spaces = inventory.tablespaces.map((space): Part => ({ path: mapped[space.location] ?? space.location, bytes: space.sizeBytes }));
  const elsewhere = spaces.reduce((sum, space) => sum + space.bytes, 0);
  const parts: readonly Part[] = [
    { path: place.pgdata, bytes: Math.ceil((inventory.databaseBytes - elsewhere) * SPACE_FACTOR) },
    { path: want.node.waldir ?? place.pgdata, bytes: WAL_ALLOWANCE_BYTES },
    ...spaces.map(({ path, bytes }) => ({ path, bytes: Math.ceil(bytes * SPACE_FACTOR) })),
  ];
  const fileSystems = new Map<string, { readonly path: string; bytes: number }>();
  for (const part of parts) {
    const device = await deviceOf(host, part.path);
    const known = fileSystems.get(device) ?? { path: part.path, bytes: 0 };
    known.bytes += part.bytes;
    fileSystems.set(device, known);
  }
  const reasons = await Promise.all(
    [...fileSystems.values()].map(async ({ path, bytes }): Promise<readonly Reason[]> => {
      const { freeBytes } = await host.space(path);
      if (freeBytes >= bytes) return [];
      return [{ code: 'no-space', node: standby.spec.name, message: `the file system of ${path} has ${renderBytes(freeBytes)} free; the copy of ${upstream.spec.name} needs ${renderBytes(bytes)} there`, hint: 'That is its size, a fifth more, and the WAL of the copy. Free some, or choose another place.', next: [`df -h ${dirname(path)}`] }];
    }),
  );
  return reasons.flat();
}

/** The file system on which this path is, or will be made. */
async function deviceOf(host: Host, path: string): Promise<string> {
  for (let at = await host.realPath(path); ; at = dirname(at)) {
    const stat = await host.stat(at);
    if (stat !== null) return stat.device;
    if (at === '/') return '';
  }
}

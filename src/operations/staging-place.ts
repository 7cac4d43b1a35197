import type { Host } from '../host/host.ts';
import { besideHolder, insideHolder, type Staging } from '../steps/staging.ts';
import type { NodePlace } from '../steps/world.ts';
import { folderOf } from './config.ts';

/**
 * Where a directory is made before it gets its name: beside it, so that publishing is one rename(2); inside it when it is a mount
 * point or its owner may not write the parent (hazard D37).
 */
export async function stagingFor(host: Host, pgdata: string): Promise<Staging> {
  const parent = folderOf(pgdata);
  const [target, above] = await Promise.all([host.stat(pgdata), host.stat(parent)]);
  const mounted = target !== null && above !== null && target.device !== above.device;
  const usable = above === null || (await host.canWrite(parent));
  return { holder: mounted || !usable ? insideHolder(pgdata) : besideHolder(pgdata), pgdata };
}

/** True when the superuser of a new cluster and its owner on the machine have different names: peer authentication then needs a map. */
export function ownerMap(place: NodePlace): boolean {
  return place.osUser !== place.adminUser;
}

/** Where Debian's and Red Hat's builds put their sockets by default; a server that may not write there does not start. */
const PACKAGED_SOCKETS = '/var/run/postgresql';

/** A place for the sockets of a new server whose owner may not use the packaged one; `null` when the default will do. */
export async function socketDirectoryFor(host: Host): Promise<string | null> {
  if ((await host.stat(PACKAGED_SOCKETS)) === null || (await host.canWrite(PACKAGED_SOCKETS))) return null;
  return '/tmp';
}

import { PgreplError, type Reason } from '../errors.ts';
import type { Staging } from '../steps/staging.ts';
import type { NodePlace, World } from '../steps/world.ts';
import type { ClusterView, NodeView } from './cluster.ts';
import { folderOf } from './config.ts';

/** What to do about a server that lets nobody in. */
export const NEEDS_SESSION = {
  hint: 'pgrepl needs a session of the superuser. A password that is asked for comes from --admin-password-file, from ~/.pgpass, or is asked for on a terminal.',
  next: ['--admin-password-file FILE'],
} as const;

/** Something listens at the port that the node is to have. Looks from the node's own machine. */
export async function portInUse(world: World, place: NodePlace): Promise<readonly Reason[]> {
  try {
    const stream = await world.node(place.name).host.connect({ host: '127.0.0.1', port: place.port }, 2_000);
    stream.destroy();
  } catch (error) {
    if (error instanceof PgreplError && error.kind !== 'bug') return [];
    throw error;
  }
  return [{ code: 'port-in-use', node: place.name, message: `port ${place.port} is in use`, hint: 'Choose another one with --port.', next: [`--port ${place.port + 1}`] }];
}

/** The directory is missing, and the owner of the server cannot make it. */
export async function cannotMake(world: World, place: NodePlace, staging: Staging): Promise<readonly Reason[]> {
  const inside = staging.holder.startsWith(`${place.pgdata}/`);
  if (!inside || (await world.node(place.name).host.stat(place.pgdata)) !== null) return [];
  return [{
    code: 'parent-not-writable',
    node: place.name,
    message: `${place.osUser} cannot make ${place.pgdata}: ${folderOf(place.pgdata)} is not writable for it, or read-only`,
    hint: 'An empty directory of its own at that place is enough.',
    next: [`install -d -m 0700 -o ${place.osUser} ${place.pgdata}`],
  }];
}

/**
 * A stopped server is not started while another node with its system identifier runs as a primary or cannot be seen: it could become
 * a second writer (hazards H01, I01). Pure.
 */
export function otherNodeMayRun(view: ClusterView, node: NodeView): readonly Reason[] {
  const own = node.facts.control?.systemIdentifier ?? null;
  return view.nodes
    .filter((other) => other !== node)
    .flatMap((other): Reason[] => {
      const { state, server, control, trouble } = other.facts;
      const theirs = server?.systemIdentifier ?? control?.systemIdentifier ?? null;
      const same = theirs === null || theirs === own;
      if (server !== null && !same) return [];
      if (server?.inRecovery === false) return [{ code: 'second-primary', node: node.spec.name, message: `${other.spec.name} runs as the primary of the same system identifier`, next: ['pgrepl status'] }];
      if (state === 'down' && other.facts.directory !== null) return [];
      if (server === null && same) return [{ code: 'other-node-unseen', node: node.spec.name, message: `${other.spec.name} cannot be seen (${trouble ?? state}) and may be the primary`, next: ['pgrepl status'] }];
      return [];
    });
}

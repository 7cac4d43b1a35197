import { dirname } from 'node:path/posix';
import { PgreplError, type Reason } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { errnoOf } from '../host/io-error.ts';
import { renderBytes } from '../postgres/units.ts';
import type { Staging } from '../steps/staging.ts';
import type { NodePlace, World } from '../steps/world.ts';
import type { ClusterView, NodeView } from './cluster.ts';
import { folderOf } from './config.ts';
import { isServerProcess } from '../postgres/server-process.ts';

/** What to do about a server that lets nobody in. */
export const NEEDS_SESSION = {
  hint: 'pgrepl needs a session of the superuser. A password that is asked for comes from --admin-password-file, from ~/.pgpass, or is asked for on a terminal.',
  next: ['--admin-password-file FILE'],
} as const;

/**
 * A directory that is missing or empty, and a server that still works in what it was: removed, or another put in its place, under it
 * (hazard M03). It ends by itself within a minute, when it misses its postmaster.pid (ServerLoop in postmaster.c), and until then it would be
 * taken for the new one. Pure.
 */
export function serverWithoutDirectory({ spec, facts }: NodeView): readonly Reason[] {
  const { place, processes, directory, staging } = facts;
  const ghost = staging === null && (directory === 'missing' || directory === 'empty') ? processes?.find(isServerProcess) : undefined;
  if (ghost === undefined) return [];
  return [{ code: 'directory-was-removed', node: spec.name, message: `a server (process ${ghost.pid}) still runs in ${place.pgdata}, which was removed under it`, hint: 'It ends by itself within a minute. A directory is moved away only after its server is stopped.', next: [`kill -QUIT ${ghost.pid}`] }];
}

/** What a new cluster takes: about 40 MB as initdb leaves it, and its first WAL. */
const NEW_CLUSTER_BYTES = 64 * 1024 * 1024;

/**
 * Something listens at the port that the node is to have, or the address of the node is none that its own machine can resolve and reach.
 * Looks from that machine.
 */
export async function portInUse(world: World, place: NodePlace): Promise<readonly Reason[]> {
  const inUse: Reason = { code: 'port-in-use', node: place.name, message: `port ${place.port} is in use`, hint: 'Choose another one with --port.', next: [`--port ${place.port + 1}`] };
  if ((await answerAt(world, place, '127.0.0.1')) === null) return [inUse];
  const answer = await answerAt(world, place, place.host);
  if (answer === null) return [inUse];
  const what = `host ${place.host} of ${place.name}`;
  const wanted = 'It is the address at which the other nodes reach this one.';
  if (answer === 'ENOTFOUND' || answer === 'EAI_AGAIN') return [{ code: 'host-unresolved', node: place.name, message: `${what} cannot be resolved on its own machine`, hint: wanted, next: [`getent hosts ${place.host}`] }];
  if (answer === 'EHOSTUNREACH' || answer === 'ENETUNREACH' || answer === 'ETIMEDOUT') return [{ code: 'host-unreachable', node: place.name, message: `${what} cannot be reached from its own machine`, hint: `${wanted} A server there would not be reached.`, next: ['ip addr'] }];
  return [];
}

/** `null` when something takes the connection, else the code of the system, or of the failure. */
async function answerAt(world: World, place: NodePlace, address: string): Promise<string | null> {
  try {
    const stream = await world.node(place.name).host.connect({ host: address, port: place.port }, 2_000);
    stream.destroy();
    return null;
  } catch (error) {
    if (error instanceof PgreplError && error.kind !== 'bug') return error.details[0] ?? error.code;
    throw error;
  }
}

/** The file system has no room for a new cluster. */
export async function noRoom(world: World, place: NodePlace): Promise<readonly Reason[]> {
  const { freeBytes } = await world.node(place.name).host.space(place.pgdata);
  if (freeBytes >= NEW_CLUSTER_BYTES) return [];
  return [{ code: 'no-space', node: place.name, message: `the file system of ${place.pgdata} has ${renderBytes(freeBytes)} free; a new cluster needs ${renderBytes(NEW_CLUSTER_BYTES)}`, hint: 'Free some, or choose another directory.', next: [`df -h ${dirname(place.pgdata)}`] }];
}

/** The directory cannot be made by the owner of the server, or is there and he may not write it. */
export async function cannotMake(world: World, place: NodePlace, staging: Staging): Promise<readonly Reason[]> {
  const { host } = world.node(place.name);
  if (!staging.holder.startsWith(`${place.pgdata}/`)) return [];
  const exists = (await host.stat(place.pgdata)) !== null;
  if (exists && (await host.canWrite(place.pgdata))) return [];
  const [folder, verb] = exists ? [place.pgdata, 'write'] : [folderOf(place.pgdata), 'make'];
  if (await isReadOnly(host, folder)) {
    return [{ code: 'read-only', node: place.name, message: `${place.osUser} cannot ${verb} ${place.pgdata}: the file system of ${folder} is read-only`, hint: 'Mount it writable, or choose another directory.', next: [`findmnt -T ${folder}`] }];
  }
  return [{
    code: exists ? 'directory-not-writable' : 'parent-not-writable',
    node: place.name,
    message: `${place.osUser} cannot ${verb} ${place.pgdata}: ${folder} is not writable for it`,
    hint: 'An empty directory of its own at that place is enough.',
    next: [`install -d -m 0700 -o ${place.osUser} ${place.pgdata}`],
  }];
}

/** Removing what is not there changes nothing, and tells: a read-only file system refuses before it looks for the name (do_rmdir of Linux). */
async function isReadOnly(host: Host, folder: string): Promise<boolean> {
  return errnoOf(await host.run({ argv: ['rmdir', `${folder}/.pgrepl-is-not-here`], effect: 'reads' })) === 'EROFS';
}

/** The passfile of the server's owner has no place: his home is missing, or he may not write it (`nobody`). */
export async function noPlaceForPassfile(world: World, place: NodePlace): Promise<readonly Reason[]> {
  const { host } = world.node(place.name);
  if (!place.passfile.startsWith('/') || (await host.stat(place.passfile)) !== null) return [];
  let folder = dirname(place.passfile);
  while (folder !== '/' && (await host.stat(folder)) === null) folder = dirname(folder);
  if (await host.canWrite(folder)) return [];
  return [{
    code: 'passfile-no-place',
    node: place.name,
    message: `${place.osUser} cannot make ${place.passfile}, where the replication password would live: ${folder} is not writable for it`,
    hint: 'Another place is named with passfile: /PATH for the node (or under defaults) in the cluster file; it must survive a restart. Another owner of the server is named with --os-user.',
    next: [`install -d -m 0700 -o ${place.osUser} ${dirname(place.passfile)}`],
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

import { asPgreplError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { besideHolder, insideHolder, readMarker } from '../steps/staging.ts';
import type { NodePlace } from '../steps/world.ts';
import type { NodeSpec, Topology } from '../topology/topology.ts';

/** The machines, as seen before it is known who owns a server on them. */
export interface Machines {
  /** With the rights of whoever pgrepl comes as. */
  open(via: string): Promise<Host>;
}

/** How long a machine may take to say who owns a directory; without an answer the usual owner is assumed. */
const ASK_MS = 5000;

/**
 * Where each node lives, with everything resolved: the owner of the server is the owner of the data directory (or of our staging
 * beside it), else `postgres` for root, else the caller. A machine that does not answer makes no failure here: its node gets the usual
 * names, and whoever needs it will see for himself.
 */
export async function placesOf(topology: Topology, nodes: readonly NodeSpec[], machines: Machines, askMs: number = ASK_MS): Promise<readonly NodePlace[]> {
  return await Promise.all(
    nodes.map(async (node) => {
      const { osUser, passfile } = await ownerAndPassfile(topology, node, machines, askMs);
      return {
        name: node.name,
        cluster: topology.cluster,
        host: node.host,
        port: node.port,
        pgdata: node.pgdata,
        via: node.via,
        connect: node.connect,
        service: node.service,
        osUser,
        adminUser: node.adminUser ?? 'postgres',
        passfile,
        replicationUser: topology.replicationUser,
        tls: node.tls,
        auth: topology.auth,
      };
    }),
  );
}

/** Name of the node whose unfinished run left its marker at this directory; `null` when there is none, or it cannot be seen. */
export async function unfinishedNodeAt(machines: Machines, via: string, pgdata: string, cluster: string): Promise<string | null> {
  const host = await machines.open(via);
  for (const holder of [besideHolder(pgdata), insideHolder(pgdata)]) {
    try {
      // One look first: most directories have no staging, and reading a file may cost a program.
      if ((await host.stat(holder)) === null) continue;
      const marker = await readMarker(host.as((await host.stat(holder))?.owner ?? host.user), holder);
      if (marker !== null && marker.cluster === cluster && marker.pgdata === pgdata) return marker.node;
    } catch (thrown) {
      // Not being allowed to look is no reason to give up the command: the name is only a convenience.
      if (asPgreplError(thrown).kind === 'bug') throw thrown;
    }
  }
  return null;
}

async function ownerAndPassfile(topology: Topology, node: NodeSpec, machines: Machines, askMs: number): Promise<{ readonly osUser: string; readonly passfile: string }> {
  const said = node.passfile?.startsWith('/') === true ? node.passfile : null;
  if (node.osUser !== undefined && said !== null) return { osUser: node.osUser, passfile: said };
  // One that cannot be reached has no caller of its own to ask, and whoever needs it will see for himself.
  const usual = node.via === 'local' ? callerOrPostgres(await machines.open(node.via)) : 'postgres';
  const osUser = node.osUser ?? (await orAfter(askMs, usual, async () => await likelyOwner(await machines.open(node.via), node.pgdata)));
  const relative = node.passfile?.startsWith('~/') === true ? node.passfile.slice(2) : `.pgrepl/${topology.cluster}.pass`;
  const passfile = said ?? (await orAfter(askMs, `~${osUser}/${relative}`, async () => `${await (await machines.open(node.via)).as(osUser).home()}/${relative}`));
  return { osUser, passfile };
}

function callerOrPostgres(host: Host): string {
  return host.user === 'root' ? 'postgres' : host.user;
}

async function likelyOwner(host: Host, pgdata: string): Promise<string> {
  if (host.label === 'local' || host.user === 'root') return (await ownerOf(host, pgdata)) ?? callerOrPostgres(host);
  // On another machine whoever logs in is seldom meant: an administrator is there to act as `postgres`, where he may. He himself may often
  // not even look: the home of postgres is closed on RHEL.
  return (await ownerSeenBy(host, 'postgres', pgdata)) ?? (await ownerOf(host, pgdata)) ?? host.user;
}

/** The owner of the directory, else that user, as he sees it; `null` where nobody can act as him. */
async function ownerSeenBy(host: Host, user: string, pgdata: string): Promise<string | null> {
  if (!(await host.userExists(user))) return null;
  try {
    return (await ownerOf(host.as(user), pgdata)) ?? user;
  } catch (thrown) {
    if (asPgreplError(thrown).kind === 'refused') return null;
    throw thrown;
  }
}

async function ownerOf(host: Host, pgdata: string): Promise<string | null> {
  const found = await host.stat(pgdata);
  const data = found?.kind === 'symlink' ? await host.stat(await host.realPath(pgdata)) : found;
  // An empty directory that root made for the server says nothing about its owner.
  const owner = data?.owner ?? (await host.stat(besideHolder(pgdata)))?.owner ?? null;
  return owner === 'root' ? null : owner;
}

async function orAfter<T>(ms: number, otherwise: T, ask: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => {
      resolve(otherwise);
    }, ms);
  });
  const asked = ask().catch((thrown: unknown) => {
    const error = asPgreplError(thrown);
    if (error.kind === 'bug' || error.kind === 'usage') throw error;
    return otherwise;
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}

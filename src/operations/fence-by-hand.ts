import { quoteWord } from '../host/quote.ts';
import { configFolderOf } from '../postgres/service.ts';
import type { NodeSpec } from '../topology/topology.ts';

type Where = Pick<NodeSpec, 'name' | 'pgdata' | 'via'> & Partial<Pick<NodeSpec, 'service' | 'binDir'>>;

/** What to type, and where. */
export interface ByHand {
  /** `on the machine of node1, as root` */
  readonly where: string;
  readonly commands: readonly string[];
}

/**
 * What to type where a node lives that pgrepl cannot reach, so that its server ends and is not started again: by nobody's
 * hand, at no boot. The mode of the directory comes first, because it is the only guard against every way of starting at once; in a container
 * it is none (the entry point of the official image sets it back), and its restart policy is. Pure.
 */
export function fenceByHand(node: Where): ByHand {
  const container = containerOf(node.via);
  if (container !== null) return { where: `where the container of ${node.name} runs`, commands: [`docker update --restart=no ${container}`, `docker stop ${container}`] };
  const lock = `chmod 0701 ${quoteWord(node.pgdata)}`;
  const asRoot = `on the machine of ${node.name}, as root`;
  const { service } = node;
  const pair = pairOf(node.pgdata);
  if (service !== undefined && service !== 'pg_ctl' && service !== 'pg_ctlcluster') return { where: asRoot, commands: [lock, `systemctl disable --now ${quoteWord(service)}`] };
  if (pair !== null && service !== 'pg_ctl') return { where: asRoot, commands: [lock, `echo disabled > ${configFolderOf(pair)}/start.conf`, `pg_ctlcluster ${pair.version} ${pair.name} stop -m fast`] };
  const pgCtl = node.binDir === undefined ? 'pg_ctl' : quoteWord(`${node.binDir}/pg_ctl`);
  return { where: `on the machine of ${node.name}, as the owner of the server`, commands: [lock, `${pgCtl} stop -m fast -D ${quoteWord(node.pgdata)}`] };
}

/** The container that this way leads into; `null`: it leads to a machine. Pure. */
export function containerOf(via: string): string | null {
  const [, container] = /(?:^docker:\/|\/docker)\/([^/]+)$/.exec(via) ?? [];
  return container ?? null;
}

/** Debian's layout, by its name alone: nobody can look. */
function pairOf(pgdata: string): { readonly version: string; readonly name: string } | null {
  const [, version, name] = /^\/var\/lib\/postgresql\/([0-9]+)\/([A-Za-z0-9_.-]+)\/?$/.exec(pgdata) ?? [];
  return version === undefined || name === undefined ? null : { version, name };
}

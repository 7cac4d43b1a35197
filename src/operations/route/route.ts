import { PgreplError } from '../../errors.ts';
import type { World } from '../../steps/world.ts';
import type { Topology } from '../../topology/topology.ts';
import { exitOfStatus, type StatusDocument } from '../status.ts';
import { lookAtStatus } from '../status-look.ts';
import type { Limits } from '../within.ts';
import { chooseNodes, type RouteNode } from './choose.ts';
import { sealed, type RouteKind } from './file.ts';
import { renderHaproxy, type HaproxyWords } from './haproxy.ts';
import { renderLibpq, type Way } from './libpq.ts';
import { renderPgbouncer } from './pgbouncer.ts';

/** What the words of `pgrepl route` come to. */
export interface RouteWish {
  readonly kind: RouteKind;
  readonly databases: readonly [string, ...string[]];
  readonly maxLagBytes: number;
  /** Of libpq on the clients, as `server_version_num`; `null`: as the servers. */
  readonly libpqVersion: number | null;
  readonly haproxy: Pick<HaproxyWords, 'bind' | 'writePort' | 'readPort' | 'health'>;
}

export interface Route {
  readonly kind: RouteKind;
  readonly cluster: string;
  readonly primary: string | null;
  readonly nodes: readonly RouteNode[];
  readonly text: string;
  /** Of libpq alone. */
  readonly ways: { readonly readWrite: Way; readonly readOnly: Way } | null;
}

/** Looks at the whole cluster once and renders. Throws `nothing-answered`, and as `decideRoute`. */
export async function seeRoute(world: World, topology: Topology, wish: RouteWish, limits: Limits): Promise<Route> {
  return decideRoute(await lookAtStatus(world, topology, limits), topology, wish);
}

/** Throws `two-primaries`, `no-primary` where the text needs one, and `nothing-answered`. Pure. */
export function decideRoute(document: StatusDocument, topology: Topology, wish: RouteWish): Route {
  if (exitOfStatus(document) === 10) throw new PgreplError('unreachable', 'nothing-answered', 'not one node answered: what the cluster looks like is not known', { next: ['pgrepl status'] });
  const two = document.findings.find(({ id }) => id === 'two-primaries');
  if (two !== undefined) throw new PgreplError('refused', 'two-primaries', two.says, { hint: 'Clients must be led to one of them only.', next: ['pgrepl status'] });
  const nodes = chooseNodes(document, topology, wish.maxLagBytes);
  const route = { kind: wish.kind, cluster: topology.cluster, primary: document.primary, nodes };
  switch (wish.kind) {
    case 'libpq': {
      const { body, ...ways } = renderLibpq(nodes, { cluster: topology.cluster, database: wish.databases[0], libpqVersion: wish.libpqVersion ?? versionOf(document) });
      return { ...route, text: sealed('libpq', topology.cluster, body), ways };
    }
    case 'haproxy':
      return { ...route, text: sealed('haproxy', topology.cluster, renderHaproxy(nodes, { ...wish.haproxy, cluster: topology.cluster, maxLagBytes: wish.maxLagBytes })), ways: null };
    case 'pgbouncer': {
      const primary = nodes.find(({ name }) => name === document.primary);
      if (primary === undefined) throw new PgreplError('refused', 'no-primary', 'no node takes writes now, and PgBouncer must be told which one does', { hint: 'libpq and haproxy find it by themselves.', next: ['pgrepl status'] });
      return { ...route, text: sealed('pgbouncer', topology.cluster, renderPgbouncer(nodes, primary, wish.databases)), ways: null };
    }
    default:
      return wish.kind satisfies never;
  }
}

/** The lowest of what runs: clients are seldom newer than that. */
function versionOf(document: StatusDocument): number {
  const majors = document.nodes.flatMap(({ version }) => (version === null ? [] : [Number.parseInt(version, 10)])).filter((one) => one > 0);
  return Math.min(...majors) * 10_000;
}

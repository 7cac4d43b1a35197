import type { Step } from '../steps/index.ts';
import { blockLabel, hbaRules, identRules } from './access.ts';
import type { NodePlace } from '../steps/world.ts';
import { certificateRules, takesOnlyTls } from './tls.ts';
import type { ClusterView, NodeView } from './cluster.ts';

/**
 * One pg_hba.conf block on every running node: whichever is the primary one day lets the others in (hazard I10). Nodes whose block is
 * right already are skipped when the plan runs. Pure.
 */
export function openForStandbys(view: ClusterView, except: NodeView | null, ranges: readonly string[], plan: { readonly ready?: string; readonly serves?: string } = {}): readonly Step[] {
  return view.nodes.flatMap((node): readonly Step[] => {
    const { facts, config } = node;
    if (node === except || facts.server === null || config?.hba === null || config === null) return [];
    const label = blockLabel(facts.place.cluster);
    const map = hasMap(node);
    const at = { node: node.spec.name, staging: null, reload: true };
    const onlyTls = takesOnlyTls(view, node, plan);
    const ident = [...(map ? identRules(facts.place) : []), ...certificateRules(view, facts.place)];
    return [
      // Before the rules that name its maps.
      ...(facts.place.auth === 'cert' ? [{ ...at, kind: 'put-block', path: config.identFile, label, lines: ident, what: `the certificates of ${view.nodes.length} nodes are "${facts.place.replicationUser}"` } as const] : []),
      {
        ...at,
        kind: 'put-block',
        path: config.hbaFile,
        label,
        lines: hbaRules(facts.place, ranges, map, onlyTls),
        what: describeDoor(facts.place, ranges, onlyTls),
      },
    ];
  });
}

/** For the title of the block. Pure. */
export function describeDoor({ replicationUser, auth }: NodePlace, ranges: readonly string[], onlyTls: boolean): string {
  return `open replication for "${replicationUser}" from ${ranges.join(', ')}${onlyTls ? `, with TLS alone${auth === 'cert' ? ' and by certificate' : ''}` : ''}`;
}

/** True when we made this cluster for an owner whose name is not the superuser's: its block carries the map. */
export function hasMap(node: NodeView): boolean {
  const rules = identRules(node.facts.place);
  return rules.every((rule) => (node.config?.ident ?? '').includes(rule));
}

/** The password for every node's address, in the passfile of every node's owner; nodes that share a file get it once. Pure. */
export function passfileSteps(view: ClusterView, primary: NodeView): readonly Step[] {
  const targets = view.nodes.map((node) => ({ host: node.spec.host, port: node.spec.port }));
  const from = { node: primary.spec.name, path: primary.facts.place.passfile, host: primary.spec.host, port: primary.spec.port };
  const seen = new Set<string>();
  return view.nodes.flatMap((node): readonly Step[] => {
    const { place, state } = node.facts;
    const key = `${place.via} ${place.passfile}`;
    if (seen.has(key) || (state === 'unknown' && node.facts.directory === null)) return [];
    seen.add(key);
    return [{ kind: 'write-passfile', node: node.spec.name, path: place.passfile, user: place.replicationUser, targets, from }];
  });
}

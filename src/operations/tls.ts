import type { Reason } from '../errors.ts';
import { blockLines } from '../postgres/hba-file.ts';
import { parseConninfo } from '../postgres/conninfo.ts';
import { sslWords, type SslWords } from '../postgres/tls-files.ts';
import type { NodePlace } from '../steps/world.ts';
import { blockLabel, CERT_MAP } from './access.ts';
import type { ClusterView, NodeView } from './cluster.ts';
import { valuesOf } from './config.ts';

/**
 * How `node` connects to `upstream`: as `sslWords`, but not before that serves TLS, so that no standby is sent away while certificates are being
 * introduced (hazard C13). Pure.
 */
export function sslBetween(node: NodeView, upstream: NodeView): SslWords {
  const { server } = upstream.facts;
  return server !== null && server.settings['ssl']?.value !== 'on' ? {} : sslWords(node.facts.place, upstream.facts.place);
}

/**
 * Whether the rules of pgrepl on this node let nobody in without TLS. They do so from the moment when that sends nobody away: the server has it, every
 * node has a certificate, and no standby's own file would bring it without. A node that cannot be seen keeps them as they are. `ready`: a node that
 * this plan makes ready, `serves`: one that it lets serve TLS. Pure.
 */
export function takesOnlyTls(view: ClusterView, node: NodeView, plan: { readonly ready?: string; readonly serves?: string } = {}): boolean {
  const { spec, facts } = node;
  if (spec.tls === undefined || (plan.serves !== spec.name && facts.server?.settings['ssl']?.value !== 'on')) return false;
  const already = (blockLines(node.config?.hba ?? '', blockLabel(facts.place.cluster)) ?? []).some((line) => line.startsWith('hostssl'));
  return view.nodes.every((other) => {
    if (other === node) return true;
    if (other.spec.tls === undefined) return false;
    return other.spec.name === plan.ready || (other.config === null ? already || other.facts.state !== 'unknown' : comesVerified(other));
  });
}

/** Whether a standby's file brings it to its upstream as the cluster file wants it; true of a primary, which goes nowhere. Pure. */
export function comesVerified({ config, facts }: NodeView): boolean {
  const text = valuesOf(config?.standby ?? null).get('primary_conninfo');
  if (text === undefined || text === '') return true;
  try {
    const { sslmode, sslcert } = parseConninfo(text);
    return sslmode === 'verify-full' && (facts.place.auth !== 'cert' || sslcert !== undefined);
  } catch {
    return false;
  }
}

/** A node without a certificate in a cluster whose primary has one: the day it is the primary, nobody could come to it encrypted. Pure. */
export function certificateMissing(node: NodeView, primary: NodeView): readonly Reason[] {
  if (node.spec.tls !== undefined || primary.spec.tls === undefined) return [];
  return [{ code: 'tls-missing', node: node.spec.name, message: `${primary.spec.name} has a certificate and ${node.spec.name} has none: after a change of roles nobody could reach it encrypted`, hint: 'All three are files on its own machine. Under defaults: in the cluster file they hold for every node.', next: ['--tls-cert FILE --tls-key FILE --tls-ca FILE'] }];
}

/** What is told of a server whose rules still let in without TLS, although it has a certificate. Pure. */
export function stillOpen(view: ClusterView, node: NodeView, plan: { readonly ready?: string; readonly serves?: string }): readonly string[] {
  if (node.spec.tls === undefined || takesOnlyTls(view, node, plan)) return [];
  const late = view.nodes.filter((other) => other !== node && other.spec.name !== plan.ready && (other.spec.tls === undefined || (other.config !== null && !comesVerified(other)))).map((other) => other.spec.name);
  return late.length === 0 ? [] : [`${late.join(', ')} ${late.length === 1 ? 'comes' : 'come'} without a verified certificate: logins without TLS stay possible until ${late.map((name) => `pgrepl add-standby ${name} --tls-cert … --tls-key … --tls-ca …`).join(', ')}`];
}

/** Line of pg_ident.conf for the certificate of each node, by its common name. Pure. */
export function certificateRules(view: ClusterView, place: NodePlace): readonly string[] {
  if (place.auth !== 'cert') return [];
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const names = view.nodes.flatMap(({ commonName = null }) => (commonName === null ? [] : [commonName]));
  return [...new Set(names)].sort().map((name) => `${CERT_MAP} ${quoted(name)} ${quoted(place.replicationUser)}`);
}

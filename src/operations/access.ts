import type { Reason } from '../errors.ts';
import { isIP } from 'node:net';
import { cidrContains, hostCidr, parseAllowed } from '../postgres/address.ts';
import { blockLines, firstRejecting, localPeerRule, parseHba, plainRefused, replicationRule, sameDoor, type Door } from '../postgres/hba-file.ts';
import type { NodePlace } from '../steps/world.ts';
import type { NodeSpec } from '../topology/topology.ts';
import type { ConfigFacts } from './config.ts';

/** Name of the pg_ident map that lets the server's owner in as the superuser of a new cluster. */
export const ADMIN_MAP = 'pgrepl';

/** Name of the pg_ident map that lets the certificates of the nodes in as the replication role. */
export const CERT_MAP = 'pgrepl_cert';

/** Label of our block in pg_hba.conf and pg_ident.conf. */
export function blockLabel(cluster: string): string {
  return cluster;
}

/**
 * Who may connect for replication: what the nodes say in `allow`, else the addresses of all nodes, and loopback when one of them
 * is local. One list for the whole cluster, because every node may become the primary. Pure.
 */
export function allowedRanges(nodes: readonly Pick<NodeSpec, 'host' | 'via' | 'allow'>[]): readonly string[] {
  const said = nodes.flatMap((node) => node.allow ?? []);
  const addresses = nodes.map((node) => node.host).filter((host) => isIP(host) !== 0);
  const loopback = nodes.some((node) => node.via === 'local') ? ['127.0.0.1/32', '::1/128'] : [];
  const all = said.length > 0 ? said.map(parseAllowed) : [...loopback, ...addresses.map(hostCidr)];
  return [...new Set(all)].sort();
}

/** A node of the cluster that the list leaves out could never connect. */
export function leftOut(nodes: readonly NodeSpec[], ranges: readonly string[]): readonly Reason[] {
  return nodes
    .filter((node) => isIP(node.host) !== 0 && !ranges.some((range) => cidrContains(range, node.host)))
    .map((node) => ({
      code: 'address-not-allowed',
      node: node.name,
      message: `${node.host} of ${node.name} is in none of the allowed ranges ${ranges.join(', ')}`,
      hint: 'Add it to allow in the cluster file, or give --allow.',
    }));
}

/** The rules of our block: the owner's way in where a map is needed, then the replication role from each range. */
export function hbaRules(place: NodePlace, ranges: readonly string[], mapsOwner: boolean, onlyTls = false): readonly string[] {
  const door = doorOf(place, onlyTls);
  return [...(mapsOwner ? [localPeerRule(place.adminUser, ADMIN_MAP)] : []), ...ranges.map((range) => replicationRule(place.replicationUser, range, door)), ...(onlyTls ? [plainRefused(place.replicationUser)] : [])];
}

/** By certificate only where nobody comes without one: until then those who have no certificate in their file come by password. Pure. */
export function doorOf(place: NodePlace, onlyTls: boolean): Door {
  return { onlyTls, certMap: onlyTls && place.auth === 'cert' ? CERT_MAP : null };
}

/** Line of pg_ident.conf for exactly the server's owner. */
export function identRules(place: NodePlace): readonly string[] {
  return [`${ADMIN_MAP} "${place.osUser.replaceAll('"', '""')}" "${place.adminUser.replaceAll('"', '""')}"`];
}

/**
 * What stands in pg_hba.conf against opening these ranges: lines that do not parse (the next restart would fail, hazard B01), and
 * rules that reject replication from one of them, which somebody wrote on purpose (hazard B03). Pure.
 */
export function hbaTrouble(place: NodePlace, config: ConfigFacts, ranges: readonly string[], rules: readonly string[], overReject: readonly number[], joinsLines: boolean): readonly Reason[] {
  if (config.hba === null) return [{ code: 'hba-missing', node: place.name, message: `${config.hbaFile} is missing` }];
  const lines = parseHba(config.hba, { joinsLines });
  const broken = lines.filter((line) => line.error !== null);
  if (broken.length > 0) {
    return broken.map((line) => ({
      code: 'hba-broken',
      node: place.name,
      message: `line ${line.line} of ${config.hbaFile} cannot be read (${line.error ?? ''}); the next restart of the server would fail`,
      hint: 'Mend that line first.',
    }));
  }
  const present = blockLines(config.hba, blockLabel(place.cluster));
  if (present !== null && present.join('\n') === rules.join('\n')) return [];
  if (present !== null) {
    const lost = present.filter((line) => !rules.some((rule) => sameDoor(rule, line)) && line !== plainRefused(place.replicationUser));
    if (lost.length > 0) {
      return lost.map((line) => ({ code: 'hba-entry-lost', node: place.name, message: `the block of pgrepl in ${config.hbaFile} has "${line}", which the cluster file does not ask for`, hint: 'Add its range to allow in the cluster file, or take the line out of the block.' }));
    }
  }
  const onlyTls = rules.includes(plainRefused(place.replicationUser));
  const own = new Set(config.hba.split('\n').flatMap((line, index) => (line === plainRefused(place.replicationUser) ? [index + 1] : [])));
  const open = lines.filter((line) => !overReject.includes(line.line) && !own.has(line.line) && !(onlyTls && line.type === 'hostnossl'));
  const rejecting = firstRejecting(open, place.replicationUser, ranges);
  if (rejecting === null) return [];
  return [
    {
      code: 'hba-rejects',
      node: place.name,
      message: `line ${rejecting.line.line} of ${config.hbaFile} rejects replication from ${rejecting.cidr}`,
      hint: 'Somebody wrote it on purpose. The block of pgrepl would stand above it and win.',
      next: [`--over-reject ${rejecting.line.line}`],
    },
  ];
}

import { parseConninfo } from '../../../postgres/conninfo.ts';
import type { ViewedNode } from '../../status-links.ts';
import type { DoctorFacts } from '../facts.ts';
import type { Rule, RuleFinding } from '../rule.ts';

/** A renewal takes a person, a request and a weekend. */
const SOON_DAYS = 30;

export const tls: Rule = {
  id: 'tls',
  hazards: ['C13', 'C15', 'C16', 'C17'],
  about: 'certificates do not run out, keys will be taken at the next start, and standbys verify their upstream where both have certificates',
  needs: ['servers'],
  judge: (facts) => facts.view.nodes.flatMap((node) => [...certificateOf(node, facts), ...notUsed(node), ...unverified(node, facts)]),
};

function certificateOf(node: ViewedNode, { servers }: DoctorFacts): readonly RuleFinding[] {
  const seen = servers.get(node.name)?.certificate;
  if (seen == null) return [];
  const { path, notAfter, daysLeft, keyPath, keyTrouble } = seen;
  const of = (finding: Omit<RuleFinding, 'node' | 'next'>): RuleFinding => ({ ...finding, node: node.name, next: [] });
  const date = notAfter?.slice(0, 10) ?? '';
  const hint = 'Put a new one under the same name and reload the server; streams that stand are not broken.';
  return [
    ...(daysLeft === null || daysLeft >= SOON_DAYS ? [] : [daysLeft < 0
      ? of({ id: 'certificate-expired', level: 'critical', hazard: 'C17', says: `the certificate of ${node.name} has expired: whoever verifies it cannot connect any more`, evidence: [`${path}: until ${date}`], hint })
      : of({ id: 'certificate-expires', level: 'warning', hazard: 'C17', says: `the certificate of ${node.name} expires in ${daysLeft} ${daysLeft === 1 ? 'day' : 'days'}`, evidence: [`${path}: until ${date}`], hint })]),
    ...(keyTrouble === null ? [] : [of({ id: 'certificate-key', level: 'warning', hazard: 'C16', says: `the next start of ${node.name} would refuse its key: ${keyTrouble}`, evidence: [keyPath], hint: 'A reload goes on with the one that was loaded; a start fails.' })]),
  ];
}

/** The cluster file has a certificate that the server does not show. */
function notUsed({ name, facts, server }: ViewedNode): readonly RuleFinding[] {
  const wanted = facts.place.tls;
  if (wanted === undefined || server === null) return [];
  const value = (setting: string): string => server.settings[setting]?.value ?? '';
  if (value('ssl') === 'on' && value('ssl_cert_file') === wanted.cert) return [];
  const again = server.inRecovery ? `pgrepl add-standby ${name}` : `pgrepl init-primary ${name}`;
  return [{ id: 'tls-not-used', level: 'warning', node: name, hazard: 'C15', says: `${name} does not show the certificate that the cluster file has for it`, evidence: [`ssl = ${value('ssl')}`, `ssl_cert_file = ${value('ssl_cert_file')}`], hint: 'It is written into pgrepl.conf by the command that made the node.', next: [again] }];
}

/** A standby that takes whoever answers at the address for its upstream. */
function unverified({ name, facts, server }: ViewedNode, { view }: DoctorFacts): readonly RuleFinding[] {
  const upstream = view.links.get(name)?.upstream;
  if (server?.inRecovery !== true || facts.place.tls === undefined || upstream?.facts.place.tls === undefined) return [];
  const mode = modeOf(server.settings['primary_conninfo']?.value ?? '');
  if (mode === 'verify-full') return [];
  return [{ id: 'stream-unverified', level: 'warning', node: name, hazard: 'C13', says: `${name} does not verify that it streams from ${upstream.name}`, evidence: [`sslmode=${mode} in its primary_conninfo`], hint: 'Both have certificates: its files can be written anew.', next: [`pgrepl add-standby ${name}`] }];
}

function modeOf(conninfo: string): string {
  try {
    return parseConninfo(conninfo)['sslmode'] ?? 'prefer';
  } catch {
    return 'prefer';
  }
}

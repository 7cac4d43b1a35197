import { isIP } from 'node:net';
import { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';

/** The names in a certificate, as libpq looks at them. */
export interface CertificateNames {
  readonly dns: readonly string[];
  readonly addresses: readonly string[];
  /** The first common name of its subject. */
  readonly commonName: string | null;
}

/**
 * Whether a certificate with these names is for this host, by the rules of libpq with `sslmode=verify-full` (documentation 34.19.1;
 * fe-secure-common.c and pgtls_verify_peer_name_matches_certificate_guts): a name is compared with the DNS names, an address with the
 * addresses too; the common name counts only where there is no entry of that kind. `addresses: false` is libpq before 15, which compares an
 * address like a name. Pure.
 */
export function isForHost(names: CertificateNames, host: string, { addresses }: { readonly addresses: boolean } = { addresses: true }): boolean {
  const isAddress = isIP(host) !== 0;
  if (names.dns.some((name) => nameMatches(name, host))) return true;
  if (isAddress && addresses && names.addresses.some((one) => sameAddress(one, host))) return true;
  const ofItsKind = isAddress && addresses ? names.addresses : names.dns;
  return ofItsKind.length === 0 && names.commonName !== null && nameMatches(names.commonName, host);
}

/** The names in a certificate that Node has parsed. */
export function namesOf(certificate: X509Certificate): CertificateNames {
  const entries = (certificate.subjectAltName ?? '').match(/[A-Za-z ]+:(?:"(?:[^"\\]|\\.)*"|[^,]*)/g) ?? [];
  const of = (kind: string): readonly string[] =>
    entries.map((entry) => entry.trim()).filter((entry) => entry.startsWith(`${kind}:`)).map((entry) => {
      const value = entry.slice(kind.length + 1);
      return value.startsWith('"') ? String(JSON.parse(value)) : value;
    });
  const commonName = /^CN=(.*)$/m.exec(certificate.subject)?.[1]?.replace(/\\(.)/g, '$1') ?? null;
  return { dns: of('DNS'), addresses: of('IP Address'), commonName };
}

/** For `checkServerIdentity` of a TLS connection: libpq's rules in place of those of browsers. */
export function refuseOtherHost(host: string, peer: PeerCertificate): Error | undefined {
  const names = namesOf(new X509Certificate(peer.raw));
  return isForHost(names, host) ? undefined : new Error(`the certificate is for ${describeNames(names)}, not for ${host}`);
}

/** For messages. */
export function describeNames({ dns, addresses, commonName }: CertificateNames): string {
  const all = [...dns, ...addresses];
  return all.length > 0 ? all.join(', ') : (commonName ?? 'nobody');
}

/** Equal whatever the case; a `*.` in front stands for one label (pq_verify_peer_name_matches_certificate_name). */
function nameMatches(pattern: string, host: string): boolean {
  const [wanted, name] = [pattern.toLowerCase(), host.toLowerCase()];
  if (wanted === name) return true;
  if (!wanted.startsWith('*.') || wanted.length >= name.length + 1) return false;
  const rest = wanted.slice(1);
  const label = name.slice(0, name.length - rest.length);
  return name.endsWith(rest) && label !== '' && !label.includes('.');
}

function sameAddress(a: string, b: string): boolean {
  return canonical(a) === canonical(b);
}

/** IPv6 has several spellings; the URL parser of Node has one. */
function canonical(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]`).hostname : address;
}

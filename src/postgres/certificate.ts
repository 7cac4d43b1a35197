import { createPrivateKey, X509Certificate } from 'node:crypto';
import { Duplex, PassThrough } from 'node:stream';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describeNames, isForHost, namesOf } from './server-identity.ts';

/** What a certificate file says of itself; of the first certificate in it, which is the one of the node. */
export interface CertificateFacts {
  readonly commonName: string | null;
  readonly names: string;
  /** ISO 8601, UTC. */
  readonly notBefore: string;
  readonly notAfter: string;
  readonly issuer: string;
}

/** Contents of the three files of a node, PEM. */
export interface NodeCertificate {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** One thing that is wrong with them: which file, a stable code, and the fact. */
export interface CertificateFlaw {
  readonly file: 'cert' | 'key' | 'ca';
  readonly code: 'tls-not-pem' | 'tls-key-encrypted' | 'tls-key-mismatch' | 'tls-expired' | 'tls-not-yet-valid' | 'tls-wrong-host' | 'tls-untrusted' | 'tls-wrong-purpose';
  readonly says: string;
}

const BLOCK = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** The first certificate of the text; `null` when there is none that can be read. */
export function readCertificate(pem: string): CertificateFacts | null {
  const certificate = certificatesIn(pem)?.[0];
  if (certificate === undefined) return null;
  const names = namesOf(certificate);
  return {
    commonName: names.commonName,
    names: describeNames(names),
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
    issuer: certificate.issuer.replaceAll('\n', ', '),
  };
}

/** Whole days until this time, negative once it has passed. Pure. */
export function daysUntil(notAfter: string, now: Date): number {
  return Math.floor((Date.parse(notAfter) - now.getTime()) / 86_400_000);
}

/**
 * What is wrong with the certificate of a node, both as the one that its server shows at this host and, with `asClient`, as the one that it shows
 * to others: first each file by itself, then a TLS connection between the two within this process, in which the very library decides that libpq
 * and the server use. `addresses`: whether libpq of this major compares addresses (since 15).
 */
export async function judgeCertificate(files: NodeCertificate, how: { readonly host: string; readonly addresses: boolean; readonly asClient: boolean; readonly now: Date }): Promise<readonly CertificateFlaw[]> {
  const [chain, authorities] = [certificatesIn(files.cert), certificatesIn(files.ca)];
  const flaws: CertificateFlaw[] = [];
  const leaf = chain?.[0];
  if (leaf === undefined) flaws.push({ file: 'cert', code: 'tls-not-pem', says: 'it has no certificate in PEM form' });
  if (authorities === null || authorities.length === 0) flaws.push({ file: 'ca', code: 'tls-not-pem', says: 'it has no certificate in PEM form' });
  const key = keyFlaw(files.key, leaf);
  if (key !== null) flaws.push(key);
  if (leaf === undefined || flaws.length > 0) return flaws;
  flaws.push(...validity('cert', leaf, how.now), ...(chain ?? []).slice(1).flatMap((one) => validity('cert', one, how.now)));
  const names = namesOf(leaf);
  if (!isForHost(names, how.host, { addresses: how.addresses })) flaws.push({ file: 'cert', code: 'tls-wrong-host', says: `it is for ${describeNames(names)}, not for ${how.host}, where the other nodes connect${!how.addresses && isForHost(names, how.host) ? ' (libpq before 15 compares an address with the DNS names alone: the certificate needs it there, too)' : ''}` });
  if (flaws.length > 0) return flaws;
  const handshake = await shakeHands(files, how.asClient);
  return handshake === null ? [] : [handshake];
}

function certificatesIn(pem: string): readonly X509Certificate[] | null {
  try {
    return (pem.match(BLOCK) ?? []).map((block) => new X509Certificate(block));
  } catch {
    return null;
  }
}

function keyFlaw(pem: string, leaf: X509Certificate | undefined): CertificateFlaw | null {
  try {
    const key = createPrivateKey(pem);
    return leaf === undefined || leaf.checkPrivateKey(key) ? null : { file: 'key', code: 'tls-key-mismatch', says: 'it is not the key of the certificate' };
  } catch (thrown) {
    const code = (thrown as { readonly code?: unknown }).code;
    if (code === 'ERR_MISSING_PASSPHRASE' || /^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(pem)) return { file: 'key', code: 'tls-key-encrypted', says: 'it is protected by a passphrase, which nobody gives to the server when it starts' };
    return { file: 'key', code: 'tls-not-pem', says: 'it has no private key in PEM form' };
  }
}

function validity(file: 'cert' | 'ca', certificate: X509Certificate, now: Date): readonly CertificateFlaw[] {
  const [from, to] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
  if (to < now) return [{ file, code: 'tls-expired', says: `it expired on ${to.toISOString().slice(0, 10)}` }];
  if (from > now) return [{ file, code: 'tls-not-yet-valid', says: `it is valid only from ${from.toISOString().slice(0, 19)}Z on` }];
  return [];
}

/** Both ends of a connection in memory, each proving itself to the other; what the library says is wrong, `null` when nothing is. */
async function shakeHands({ cert, key, ca }: NodeCertificate, asClient: boolean): Promise<CertificateFlaw | null> {
  const [there, back] = [new PassThrough(), new PassThrough()];
  const server = createServer({ cert, key, ca, requestCert: asClient, rejectUnauthorized: false });
  const client = connect({ socket: Duplex.from({ readable: back, writable: there }), ca, rejectUnauthorized: false, checkServerIdentity: () => undefined, ...(asClient ? { cert, key } : {}) });
  try {
    const accepted = new Promise<TLSSocket>((resolve, reject) => {
      server.once('secureConnection', resolve);
      server.once('tlsClientError', reject);
    });
    const connected = new Promise<void>((resolve, reject) => {
      client.once('secureConnect', resolve);
      client.once('error', reject);
    });
    server.emit('connection', Duplex.from({ readable: there, writable: back }));
    const [socket] = await Promise.all([accepted, connected]);
    socket.on('error', () => undefined);
    return flawOf(saysOf(client), 'server') ?? (asClient ? flawOf(saysOf(socket), 'client') : null);
  } catch (thrown) {
    return flawOf((thrown as { readonly code?: string }).code ?? String(thrown), 'server');
  } finally {
    client.on('error', () => undefined);
    client.destroy();
  }
}

function saysOf(socket: TLSSocket): string | null {
  if (socket.authorized) return null;
  const error: unknown = socket.authorizationError;
  return error instanceof Error ? ((error as { readonly code?: string }).code ?? error.message) : String(error);
}

/** By the codes of OpenSSL's X509_V_ERR_*, as Node names them. */
function flawOf(problem: string | null, as: 'server' | 'client'): CertificateFlaw | null {
  switch (problem) {
    case null:
      return null;
    case 'INVALID_PURPOSE':
      return { file: 'cert', code: 'tls-wrong-purpose', says: `it is not made for a ${as} (extended key usage ${as === 'server' ? 'serverAuth' : 'clientAuth'})` };
    case 'CERT_HAS_EXPIRED':
      return { file: 'ca', code: 'tls-expired', says: 'an authority of the certificate has expired' };
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return { file: 'ca', code: 'tls-untrusted', says: 'it does not have the authority that signed the certificate, up to its root' };
    default:
      return { file: 'cert', code: 'tls-untrusted', says: `it cannot be verified against the authorities (${problem})` };
  }
}

import { asPgreplError, type Reason } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { judgeCertificate, type CertificateFlaw } from '../postgres/certificate.ts';
import { features } from '../postgres/features.ts';
import { keyRightsTrouble } from '../postgres/tls-files.ts';
import type { NodePlace, World } from '../steps/world.ts';

const WHAT = { cert: 'certificate', key: 'key', ca: 'file of authorities' } as const;

/**
 * What keeps a node from using its certificate, before anything is touched (hazards C15, C16, C17): files that the server's owner cannot read, a key
 * that the server would refuse, one that belongs to another certificate, a certificate that no standby would accept. A reload would say none of
 * it: the server goes on without, and the next start fails. Nothing where the node has no `tls`. Reads only.
 */
export async function tlsTrouble(world: World, place: NodePlace): Promise<readonly Reason[]> {
  const { tls } = place;
  if (tls === undefined) return [];
  const node = world.node(place.name);
  const files = await Promise.all((['cert', 'key', 'ca'] as const).map(async (file) => ({ file, path: tls[file], ...(await readFile(node.host, tls[file])) })));
  const missing = files.flatMap(({ file, path, text, trouble }): readonly Reason[] => (text !== null ? [] : [{ code: 'tls-file-unreadable', node: place.name, message: `the ${WHAT[file]} ${path} of ${place.name} cannot be read by ${place.osUser}: ${trouble}`, hint: `It is a path on the machine of ${place.name}, and the server runs as ${place.osUser}.` }]));
  const rights = await keyTrouble(node.host, place);
  const [cert, key, ca] = files.map(({ text }) => text);
  if (missing.length > 0 || cert == null || key == null || ca == null) return [...missing, ...rights];
  const { versionNumber } = await node.programs();
  const flaws = await judgeCertificate({ cert, key, ca }, { host: place.host, addresses: features(versionNumber).libpqVerifiesAddresses, asClient: place.auth === 'cert', now: new Date() });
  return [...rights, ...flaws.map((flaw) => reasonOf(flaw, place))];
}

async function readFile(host: Host, path: string): Promise<{ readonly text: string | null; readonly trouble: string }> {
  try {
    const text = await host.readText(path);
    return { text, trouble: 'there is no such file' };
  } catch (thrown) {
    const error = asPgreplError(thrown);
    if (error.kind !== 'refused') throw error;
    return { text: null, trouble: error.message };
  }
}

async function keyTrouble(host: Host, { name, osUser, tls }: NodePlace): Promise<readonly Reason[]> {
  if (tls === undefined) return [];
  const found = await host.stat(tls.key).then(async (stat) => (stat?.kind === 'symlink' ? await host.stat(await host.realPath(tls.key)) : stat)).catch(() => null);
  if (found === null) return [];
  const trouble = found.kind === 'file' ? keyRightsTrouble(found, osUser) : 'it must be a plain file';
  if (trouble === null) return [];
  return [{ code: 'tls-key-rights', node: name, message: `the server would refuse the key ${tls.key} of ${name} (owner ${found.owner}, mode 0${found.mode.toString(8)}): ${trouble}`, next: [`chown ${osUser} ${tls.key} && chmod 0600 ${tls.key}`] }];
}

function reasonOf({ file, code, says }: CertificateFlaw, { name, tls }: NodePlace): Reason {
  return { code, node: name, message: `the ${WHAT[file]} ${tls?.[file] ?? ''} of ${name} cannot be used: ${says}`, hint: HINTS[code] };
}

const HINTS: Readonly<Record<CertificateFlaw['code'], string>> = {
  'tls-not-pem': 'The server reads PEM, the form that begins with -----BEGIN.',
  'tls-key-encrypted': 'Take the passphrase off: openssl pkey -in KEY -out NEW.',
  'tls-key-mismatch': 'The certificate of the node comes first in its file, before intermediate ones.',
  'tls-expired': 'No standby would accept it: replication would stop at its next reconnect.',
  'tls-not-yet-valid': 'Look at the clock of this machine, too.',
  'tls-wrong-host': 'sslmode=verify-full compares host: of the node with the names in the certificate (subjectAltName).',
  'tls-untrusted': 'The certificate file holds the intermediate authorities after the certificate, the file of authorities the root.',
  'tls-wrong-purpose': 'A certificate without that extension may be used for both.',
};

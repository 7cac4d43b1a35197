import { daysUntil, readCertificate } from '../../postgres/certificate.ts';
import { keyRightsTrouble } from '../../postgres/tls-files.ts';
import type { NodeWorld } from '../../steps/world.ts';

/** The certificate that a server shows, and the rights of its key. */
export interface SeenCertificate {
  readonly path: string;
  /** ISO 8601, UTC; `null`: it cannot be read. */
  readonly notAfter: string | null;
  readonly daysLeft: number | null;
  readonly keyPath: string;
  /** Why the next start of the server would refuse the key; `null`: it would not. */
  readonly keyTrouble: string | null;
}

/** Reads it where the running server has it, with the rights of the server's owner; `null` where it runs without TLS. Changes nothing. */
export async function lookAtCertificate(node: NodeWorld, now = new Date()): Promise<SeenCertificate | null> {
  const { settings, dataDirectory } = await (await node.server()).facts();
  const [path, keyPath] = [settings['ssl_cert_file']?.value, settings['ssl_key_file']?.value].map((file) => (file === undefined || file.startsWith('/') ? file : `${dataDirectory}/${file}`));
  if (settings['ssl']?.value !== 'on' || path === undefined || keyPath === undefined) return null;
  const { host, place } = node;
  const [pem, key] = await Promise.all([host.readText(path).catch(() => null), statOf(node, keyPath)]);
  const facts = pem === null ? null : readCertificate(pem);
  return {
    path,
    notAfter: facts?.notAfter ?? null,
    daysLeft: facts === null ? null : daysUntil(facts.notAfter, now),
    keyPath,
    keyTrouble: key === null ? 'it is not there' : keyRightsTrouble(key, place.osUser),
  };
}

async function statOf({ host }: NodeWorld, path: string): ReturnType<NodeWorld['host']['stat']> {
  const stat = await host.stat(path).catch(() => null);
  return stat?.kind === 'symlink' ? await host.stat(await host.realPath(path)) : stat;
}

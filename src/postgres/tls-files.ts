/** Files of one node for TLS, absolute paths on its machine. The certificate is shown to whoever connects to the node, and by the node to those that it connects to. */
export interface NodeTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** How a connection is encrypted, in libpq's keywords: `sslmode`, `sslrootcert`, `sslcert`, `sslkey`. None: as libpq does it (`prefer`). */
export type SslWords = Readonly<Partial<Record<'sslmode' | 'sslrootcert' | 'sslcert' | 'sslkey', string>>>;

/** The contents of the files that a connection needs, PEM. */
export interface TlsFiles {
  /** Certificates that may have signed that of the server; `system`: those of Node; `null`: nobody is proved. */
  readonly root: string | null;
  readonly crl: string | null;
  /** What is shown to a server that asks who comes. */
  readonly cert: string | null;
  readonly key: string | null;
}

export const NO_FILES: TlsFiles = { root: null, crl: null, cert: null, key: null };

/**
 * How `node` connects to `upstream`: where both have certificates, encrypted, with the certificate of the upstream verified to be for its
 * address; with `cert` authentication it shows its own. Pure.
 */
export function sslWords(node: { readonly tls?: NodeTls | undefined; readonly auth?: 'password' | 'cert' | undefined }, upstream: { readonly tls?: NodeTls | undefined }): SslWords {
  if (node.tls === undefined || upstream.tls === undefined) return {};
  const own = node.auth === 'cert' ? { sslcert: node.tls.cert, sslkey: node.tls.key } : {};
  return { sslmode: 'verify-full', sslrootcert: node.tls.ca, ...own };
}

/**
 * Whether the key may be used with these rights: by the server for itself, and by libpq (check_ssl_key_file_permissions of be-secure-common.c;
 * libpq has the rule for root since 15, and since minor releases of February 2022 before). `null`: it may; else how it should be.
 */
export function keyRightsTrouble({ mode, owner }: { readonly mode: number; readonly owner: string }, user: string): string | null {
  if (owner === 'root' && user !== 'root') return (mode & 0o027) === 0 ? null : 'a key that root owns may have mode 0640 at most';
  if (owner !== user) return `it must belong to ${user} or to root`;
  return (mode & 0o077) === 0 ? null : 'its mode must be 0600 or less';
}

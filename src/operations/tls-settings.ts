import type { NodeTls } from '../postgres/tls-files.ts';

/** Settings with which a server shows this certificate. A reload is enough for all of them (PGC_SIGHUP since 10). Pure. */
export function tlsSettings(tls: NodeTls | undefined): readonly { readonly name: string; readonly value: string; readonly why: string }[] {
  if (tls === undefined) return [];
  return [
    { name: 'ssl', value: 'on', why: 'the cluster file has a certificate for this node' },
    { name: 'ssl_cert_file', value: tls.cert, why: 'as in the cluster file' },
    { name: 'ssl_key_file', value: tls.key, why: 'as in the cluster file' },
    { name: 'ssl_ca_file', value: tls.ca, why: 'whom the certificates of other nodes must be from' },
  ];
}

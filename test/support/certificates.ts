import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverAccount } from './server-account.ts';

/** A certificate with its key, as files of the server's user. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

export interface IssueOptions {
  /** As in subjectAltName: `IP:127.0.0.1`, `DNS:localhost`. */
  readonly names?: readonly string[];
  /** Days from now that it is valid; negative: it has expired. */
  readonly days?: number;
  readonly usage?: 'serverAuth' | 'clientAuth';
}

/** An authority made by openssl, in a folder of its own. */
export interface Authority {
  readonly ca: string;
  /** A list of revoked certificates, with those that `revoke` took. */
  readonly crl: string;
  issue(commonName: string, options?: IssueOptions): Issued;
  revoke(issued: Issued): void;
}

/** Makes an authority in this folder. Files belong to the user that servers run as; keys have mode 0600. */
export function makeAuthority(folder: string, name = 'test authority'): Authority {
  const account = serverAccount();
  mkdirSync(folder, { recursive: true });
  const at = (file: string): string => join(folder, file);
  const openssl = (...words: readonly string[]): void => {
    execFileSync('openssl', words, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const give = (path: string, mode: number): void => {
    chownSync(path, account.uid, account.gid);
    chmodSync(path, mode);
  };
  give(folder, 0o755);
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650', '-subj', `/CN=${name}`, '-keyout', at('ca.key'), '-out', at('ca.crt'));
  writeFileSync(at('index.txt'), '');
  writeFileSync(at('serial'), '1000\n');
  writeFileSync(at('crlnumber'), '01\n');
  writeFileSync(at('ca.cnf'), `[ca]\ndefault_ca = one\n[one]\ndatabase = ${at('index.txt')}\nserial = ${at('serial')}\ncrlnumber = ${at('crlnumber')}\nnew_certs_dir = ${folder}\ncertificate = ${at('ca.crt')}\nprivate_key = ${at('ca.key')}\ndefault_md = sha256\ndefault_crl_days = 365\npolicy = any\nunique_subject = no\ncopy_extensions = none\n[any]\ncommonName = supplied\n`);
  const renewList = (): void => {
    openssl('ca', '-config', at('ca.cnf'), '-gencrl', '-out', at('ca.crl'));
    give(at('ca.crl'), 0o644);
  };
  renewList();
  give(at('ca.crt'), 0o644);
  let number = 0;
  return {
    ca: at('ca.crt'),
    crl: at('ca.crl'),
    issue: (commonName, { names = [], days = 365, usage } = {}) => {
      number += 1;
      const [cert, key, request, extensions] = ['crt', 'key', 'csr', 'ext'].map((end) => at(`${number}.${end}`)) as [string, string, string, string];
      const stamp = (fromNow: number): string => new Date(Date.now() + fromNow * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, '');
      writeFileSync(extensions, [...(names.length === 0 ? [] : [`subjectAltName=${names.join(',')}`]), ...(usage === undefined ? [] : [`extendedKeyUsage=${usage}`]), 'basicConstraints=CA:FALSE'].join('\n'));
      openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${commonName}`, '-keyout', key, '-out', request);
      openssl('ca', '-batch', '-notext', '-config', at('ca.cnf'), '-in', request, '-out', cert, '-extfile', extensions, '-startdate', stamp(Math.min(days, 0) - 30), '-enddate', stamp(days));
      give(cert, 0o644);
      give(key, 0o600);
      return { cert, key };
    },
    revoke: ({ cert }) => {
      openssl('ca', '-config', at('ca.cnf'), '-revoke', cert);
      renewList();
    },
  };
}

/** The contents of a file of certificates. */
export function pemOf(path: string): string {
  return readFileSync(path, 'utf8');
}

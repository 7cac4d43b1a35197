import { usageError } from '../errors.ts';
import { isConninfoUri, parseConninfoUri, severalHosts } from './conninfo-uri.ts';
import { parseConninfo } from './conninfo.ts';
import { printable } from './names.ts';

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** One server as libpq would look for it, with everything resolved that needs no look at files. */
export interface Target {
  /** As given: a name, an address, or the directory of a Unix socket; empty: the default directory. Passfiles are searched for it. */
  readonly host: string;
  /** Where to connect to, when that is not `host`. */
  readonly hostAddress: string | null;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly sslMode: SslMode;
  /** `null`: the default file, when there is one. */
  readonly sslRootCert: string | null;
  /** Own certificate, its key, and the list of revoked ones; `null`: the default files, where they exist. */
  readonly sslCert: string | null;
  readonly sslKey: string | null;
  readonly sslCrl: string | null;
  /** `null`: the default file. */
  readonly passfile: string | null;
}

/** What was typed; `undefined` where it was not. */
export interface TargetWords {
  /** Keywords and values, or a URI. */
  readonly conninfo?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly user?: string | undefined;
  readonly database?: string | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

/** They change nothing for a session that asks one question and ends. */
const WITHOUT_MEANING = new Set(['application_name', 'fallback_application_name', 'client_encoding', 'connect_timeout', 'keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count', 'tcp_user_timeout', 'sslcompression', 'sslsni', 'gsslib']);
/** Values that mean what pgrepl does anyway; any other value would be read differently by libpq (hazards B11, C14). */
const ONLY: Readonly<Record<string, readonly string[]>> = {
  target_session_attrs: ['any'],
  load_balance_hosts: ['disable'],
  gssencmode: ['disable', 'prefer'],
  channel_binding: ['disable', 'prefer'],
  sslnegotiation: ['postgres'],
  sslcertmode: ['allow'],
  replication: ['false', 'off', 'no', '0'],
};
const READ = new Set(['host', 'hostaddr', 'port', 'user', 'dbname', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslcrl', 'passfile']);

/**
 * The server that these words mean, as psql would take them: an option wins over the connection string, that over the environment. The
 * role is `postgres` unless another one is named, and so is the database. Throws a usage error for what libpq would refuse, for what
 * pgrepl would read differently from libpq, and for a password: a secret is never an argument.
 */
export function parseTarget(words: TargetWords, env: Env): Target {
  const inDatabase = words.database !== undefined && isConninfo(words.database);
  if (inDatabase && words.conninfo !== undefined) throw usageError('conninfo-twice', 'two connection strings were given', { hint: 'Leave one of them out.' });
  const text = inDatabase ? words.database : words.conninfo;
  const pairs = text === undefined ? {} : isConninfoUri(text) ? parseConninfoUri(text) : parseConninfo(text);
  for (const [keyword, value] of Object.entries(pairs)) mustMeanTheSame(keyword, value);
  const from = (keyword: string, typed: string | undefined, variable: string): string | undefined => typed ?? nonEmpty(pairs[keyword]) ?? nonEmpty(env[variable]);
  if (nonEmpty(env['PGSERVICE']) !== undefined) throw notRead('PGSERVICE');
  mustMeanTheSame('target_session_attrs', nonEmpty(env['PGTARGETSESSIONATTRS']) ?? 'any');
  const host = from('host', words.host, 'PGHOST') ?? '';
  // An address of the connection string is one of its host, and not of a host that was typed.
  const hostAddress = words.host === undefined ? (from('hostaddr', undefined, 'PGHOSTADDR') ?? null) : null;
  const sslRootCert = from('sslrootcert', undefined, 'PGSSLROOTCERT') ?? null;
  for (const each of [host, hostAddress ?? '']) if (each.includes(',')) throw severalHosts();
  return {
    host,
    hostAddress,
    port: portOf(from('port', words.port, 'PGPORT') ?? '5432'),
    user: from('user', words.user, 'PGUSER') ?? 'postgres',
    database: (inDatabase ? undefined : nonEmpty(words.database)) ?? nonEmpty(pairs['dbname']) ?? nonEmpty(env['PGDATABASE']) ?? 'postgres',
    // conninfo_add_defaults of fe-connect.c.
    sslMode: sslModeOf(from('sslmode', undefined, 'PGSSLMODE') ?? (sslRootCert === 'system' ? 'verify-full' : 'prefer')),
    sslRootCert,
    sslCert: from('sslcert', undefined, 'PGSSLCERT') ?? null,
    sslKey: from('sslkey', undefined, 'PGSSLKEY') ?? null,
    sslCrl: from('sslcrl', undefined, 'PGSSLCRL') ?? null,
    passfile: from('passfile', undefined, 'PGPASSFILE') ?? null,
  };
}

/** Whether psql would take this word for a connection string and not for the name of a database (dbname with an `=`, or a URI). */
export function isConninfo(text: string): boolean {
  return text.includes('=') || isConninfoUri(text);
}

function mustMeanTheSame(keyword: string, value: string): void {
  if (READ.has(keyword) || WITHOUT_MEANING.has(keyword) || value === '') return;
  if (keyword === 'password') {
    throw usageError('password-in-argument', 'the connection string has a password in it, which every user of this machine can see', {
      hint: 'It belongs in ~/.pgpass (mode 0600), in a file for --admin-password-file, or in PGPASSWORD.',
    });
  }
  const allowed = ONLY[keyword];
  if (allowed === undefined) throw notRead(keyword);
  if (!allowed.includes(value)) throw usageError('conninfo-unsupported', `${keyword}=${printable(value)} is not supported`, { hint: `Supported: ${allowed.join(', ')}.` });
}

function notRead(keyword: string): Error {
  return usageError('conninfo-unsupported', `${printable(keyword)} is not read by pgrepl, and libpq would connect differently with it`, { hint: 'Name host, port, user and database.' });
}

function portOf(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65535) return port;
  if (text.includes(',')) throw severalHosts();
  throw usageError('port-invalid', `"${printable(text)}" is not a port`, { hint: 'A port is a whole number from 1 to 65535.' });
}

function sslModeOf(text: string): SslMode {
  const mode = SSL_MODES.find((one) => one === text);
  if (mode !== undefined) return mode;
  throw usageError('sslmode-invalid', `"${printable(text)}" is not an sslmode`, { hint: `It is one of ${SSL_MODES.join(', ')}.` });
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

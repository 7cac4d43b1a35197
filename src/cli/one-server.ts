import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import type { Duplex } from 'node:stream';
import { PgreplError, usageError } from '../errors.ts';
import type { Address, Host } from '../host/host.ts';
import { openHost } from '../host/open-host.ts';
import { printable } from '../postgres/names.ts';
import { findPassword } from '../postgres/passfile.ts';
import { replicationGlimpse } from '../postgres/replication-session.ts';
import type { Glimpse, Server } from '../postgres/server.ts';
import { openSession, type Login, type Session } from '../postgres/session.ts';
import { openServer } from '../postgres/sql-server.ts';
import { startTls } from '../postgres/start-tls.ts';
import type { Target } from '../postgres/target.ts';
import { Secret } from '../secret.ts';
import type { Context } from './command.ts';

/** One server that can be asked again and again; logs in at the first question, and anew when the session was lost. */
export interface OneServer {
  readonly target: Target;
  /** As shown: the socket's directory or the address. */
  readonly host: string;
  server(): Promise<Server>;
  /** What it tells while all its connections are used. */
  glimpse(): Promise<Glimpse>;
  close(): Promise<void>;
}

/** Opens nothing yet. The password: of `--admin-password-file`, else where libpq would find it (PGPASSWORD, the passfile). */
export async function openOneServer({ io, globals }: Context, target: Target, given: Secret | null, timeoutMs: number): Promise<OneServer> {
  const here = await openHost('local', null);
  const { host, address } = await placeOf(here, target);
  const warn = (text: string): void => {
    if (!globals.quiet) io.stderr.write(`${text}\n`);
  };
  const password = given ?? (io.env['PGPASSWORD'] === undefined || io.env['PGPASSWORD'] === '' ? await passwordInFile(target, io.env, warn) : new Secret(io.env['PGPASSWORD']));
  const way: Way = { host, address, target, root: await rootCertificates(target, io.env), login: { user: target.user, database: target.database, password, deadlineMs: timeoutMs, signal: io.signal } };
  let open: { readonly session: Session; readonly server: Server } | null = null;
  return {
    target,
    host: 'socket' in address ? (target.host === '' ? address.socket.replace(/\/[^/]*$/, '') : target.host) : target.host === '' ? address.host : target.host,
    server: async () => {
      if (open?.session.broken !== false) {
        const session = await logIn(way, openSession);
        open = { session, server: openServer(session, { signal: io.signal, openDatabase: async () => await Promise.reject(new Error('one database is enough')) }) };
      }
      return open.server;
    },
    glimpse: async () => await logIn(way, replicationGlimpse),
    close: async () => {
      await open?.session.close();
      await here.close();
    },
  };
}

/** Where libpq would connect to. Root becomes the owner of a socket for the moment of connecting: `peer` knows no root. */
async function placeOf(here: Host, target: Target): Promise<{ readonly host: Host; readonly address: Address }> {
  const { host, hostAddress, port } = target;
  if (hostAddress !== null) return { host: here, address: { host: hostAddress, port } };
  if (host !== '' && !host.startsWith('/')) return { host: here, address: { host, port } };
  // The default directory is compiled into libpq: that of the distributions' packages, or /tmp of a plain build.
  const directories = host === '' ? ['/var/run/postgresql', '/tmp'] : [host];
  for (const directory of directories) {
    const socket = `${directory}/.s.PGSQL.${port}`;
    const found = await here.stat(socket).catch(() => null);
    if (found !== null) return { host: here.user === 'root' ? here.as(found.owner) : here, address: { socket } };
  }
  return { host: here, address: { socket: `${directories[0] ?? ''}/.s.PGSQL.${port}` } };
}

/** All that is known before a connection is made. */
interface Way {
  readonly host: Host;
  readonly address: Address;
  readonly target: Target;
  readonly root: string | null;
  readonly login: Login & { readonly deadlineMs: number };
}

type Enter<T> = (stream: Duplex, login: Login) => Promise<T>;

/** The ways of each sslmode in libpq's order (documentation 34.1.2): the next one is tried where the server refuses the login, not the password. */
async function logIn<T>(way: Way, enter: Enter<T>): Promise<T> {
  const { sslMode } = way.target;
  const local = 'socket' in way.address;
  const second = local ? null : sslMode === 'allow' ? 'tls' : sslMode === 'prefer' ? 'plain' : null;
  try {
    return await over(local || sslMode === 'disable' || sslMode === 'allow' ? 'plain' : 'tls', way, enter);
  } catch (thrown) {
    const refused = thrown instanceof PgreplError && ((thrown.code === 'login-refused' && thrown.details[0] === '28000') || (thrown.code === 'tls-failed' && sslMode === 'prefer'));
    if (second === null || !refused) throw thrown;
    return await over(second, way, enter);
  }
}

async function over<T>(how: 'plain' | 'tls', way: Way, enter: Enter<T>): Promise<T> {
  const { host, address, login } = way;
  const stream = await host.connect(address, login.deadlineMs);
  const safe = how === 'tls' && 'host' in address ? await encrypted(stream, address.host, way) : stream;
  try {
    return await enter(safe, login);
  } catch (thrown) {
    if (!(thrown instanceof PgreplError) || thrown.code !== 'login-refused') throw thrown;
    const looked = login.password === null ? 'No password was found in ~/.pgpass or PGPASSWORD' : 'A password was given';
    throw thrown.as('refused', { hint: `${looked}; the role is ${printable(login.user)}, the database ${printable(login.database)}. --admin-password-file FILE brings a password, -U another role.` });
  }
}

async function encrypted(stream: Duplex, address: string, { target, root, login }: Way): Promise<Duplex> {
  const { sslMode } = target;
  const verifies = sslMode === 'verify-ca' || sslMode === 'verify-full' || (sslMode === 'require' && root !== null);
  const name = target.host === '' ? address : target.host;
  const secure = await startTls(stream, { host: name, verifyHost: sslMode === 'verify-full' ? name : null, authorities: verifies ? root : null, deadlineMs: login.deadlineMs });
  if (secure !== null) return secure;
  if (sslMode === 'prefer') return stream;
  stream.destroy();
  throw new PgreplError('unreachable', 'tls-failed', `the server at ${name} offers no encryption, and sslmode=${sslMode} asks for it`);
}

/** PEM text, `system`, or `null` where nobody is to be proved. libpq checks the authority with `require` too, once the default file is there. */
async function rootCertificates({ sslMode, sslRootCert }: Target, env: Context['io']['env']): Promise<string | null> {
  if (sslMode === 'disable' || sslMode === 'allow' || sslMode === 'prefer') return null;
  if (sslRootCert === 'system') {
    if (sslMode === 'verify-full') return 'system';
    throw usageError('sslmode-invalid', `sslrootcert=system goes with sslmode=verify-full alone, not with ${sslMode}`);
  }
  const path = sslRootCert ?? `${homeIn(env)}/.postgresql/root.crt`;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (sslMode === 'require' && (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw usageError('root-certificate-missing', `the root certificates in ${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, { hint: `sslmode=${sslMode} needs them.`, cause: error });
  }
}

async function passwordInFile(target: Target, env: Context['io']['env'], warn: (text: string) => void): Promise<Secret | null> {
  const path = target.passfile ?? `${homeIn(env)}/.pgpass`;
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile()) return null;
  if ((found.mode & 0o077) !== 0) {
    warn(`${path} is not read, because others can: its mode has to be 0600`);
    return null;
  }
  const host = target.host === '' && target.hostAddress !== null ? target.hostAddress : target.host;
  return findPassword(await readFile(path, 'utf8'), { host, port: target.port, database: target.database, user: target.user });
}

function homeIn(env: Context['io']['env']): string {
  return env['HOME'] === undefined || env['HOME'] === '' ? homedir() : env['HOME'];
}

import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import type { Duplex } from 'node:stream';
import { PgreplError } from '../errors.ts';
import type { Address, Host } from '../host/host.ts';
import { openHost } from '../host/open-host.ts';
import { printable } from '../postgres/names.ts';
import { findPassword } from '../postgres/passfile.ts';
import { replicationGlimpse } from '../postgres/replication-session.ts';
import type { Server } from '../postgres/server.ts';
import type { Glimpse } from '../postgres/server-facts.ts';
import { openSession, type Login, type Session } from '../postgres/session.ts';
import { openServer } from '../postgres/sql-server.ts';
import { enterBySslMode } from '../postgres/ssl-login.ts';
import type { Target } from '../postgres/target.ts';
import { NO_FILES, type TlsFiles } from '../postgres/tls-files.ts';
import { Secret } from '../secret.ts';
import type { Context } from './command.ts';
import { sslFilesOf } from './ssl-files.ts';

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
  const way: Way = { host, address, target, files: 'socket' in address ? NO_FILES : await sslFilesOf(target, homeIn(io.env)), login: { user: target.user, database: target.database, password, deadlineMs: timeoutMs, signal: io.signal } };
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
  readonly files: TlsFiles;
  readonly login: Login & { readonly deadlineMs: number };
}

type Enter<T> = (stream: Duplex, login: Login) => Promise<T>;

async function logIn<T>(way: Way, enter: Enter<T>): Promise<T> {
  const { host, address, target, files, login } = way;
  const open = async (): Promise<Duplex> => await host.connect(address, login.deadlineMs);
  try {
    if ('socket' in address) return await enter(await open(), login);
    return await enterBySslMode({ mode: target.sslMode, host: target.host, address: address.host, files, deadlineMs: login.deadlineMs }, open, async (stream) => await enter(stream, login));
  } catch (thrown) {
    if (!(thrown instanceof PgreplError) || thrown.code !== 'login-refused') throw thrown;
    const looked = login.password === null ? 'No password was found in ~/.pgpass or PGPASSWORD' : 'A password was given';
    throw thrown.as('refused', { hint: `${looked}; the role is ${printable(login.user)}, the database ${printable(login.database)}. --admin-password-file FILE brings a password, -U another role.` });
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

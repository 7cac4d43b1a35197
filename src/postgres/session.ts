import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Client, ClientConfig } from 'pg';
import { PgreplError, type PgreplErrorOptions } from '../errors.ts';
import type { Secret } from '../secret.ts';
import { printable } from './names.ts';
import type { PostmasterStatus } from './pid-file.ts';

/** One row: every value as the text that the server sent, so that no 64-bit number is ever rounded. */
export type Row = Readonly<Record<string, string | null>>;

export interface QueryOptions {
  readonly values?: readonly (string | null)[] | undefined;
  /** Prepared once per session under this name; for questions that are asked again and again. */
  readonly name?: string | undefined;
  /** Milliseconds until the connection is given up; default 30,000. The server may still carry the statement out. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One login. Statements run one after the other, in the order of the calls. */
export interface Session {
  /** `server_version` as the server announced it, e.g. `15.18 (Debian 15.18-0+deb12u1)`. */
  readonly serverVersion: string;
  /** True once the connection is gone. */
  readonly broken: boolean;
  query(text: string, options?: QueryOptions): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export interface Login {
  readonly user: string;
  readonly database: string;
  /** `null`: the server must not ask for one. */
  readonly password: Secret | null;
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For error messages. */
  readonly node?: string | undefined;
  /** As the server lists it; default `pgrepl`. */
  readonly applicationName?: string | undefined;
  /** Line 8 of postmaster.pid as read just before: the only thing that tells the reasons of 57P03 apart. */
  readonly status?: PostmasterStatus | null | undefined;
}

const DEFAULT_DEADLINE_MS = 30_000;
/** A hand-over says goodbye while the primary is down: nobody waits long for an answer. */
const GOODBYE_MS = 250;

/** A session stands on its own ground: nothing that ALTER ROLE, ALTER DATABASE or postgresql.conf says changes how our statements run. */
const GROUND = [
  ['search_path', ''],
  ['statement_timeout', '0'],
  // Shorter than our own deadline: a lock wait must end with an error of the server, not with a lost connection.
  ['lock_timeout', '10000'],
  ['idle_in_transaction_session_timeout', '0'],
  ['default_transaction_read_only', 'off'],
  ['standard_conforming_strings', 'on'],
  ['DateStyle', 'ISO'],
]
  .map(([name, value]) => `-c ${name ?? ''}=${value ?? ''}`)
  .join(' ');

/** The server asked for a password and there is none to give. */
class PasswordAsked extends Error {}

/** Logs in over an open stream and takes it over: it is closed with the session. Throws `login-refused`, `server-starting`, `too-many-clients`, `server-silent`, … */
export async function openSession(stream: Duplex, login: Login): Promise<Session> {
  const { client, version } = await connect(stream, login, {});
  return sessionOf(client, stream, version, login);
}

/** Logs in for physical replication, as a standby does: such a session knows IDENTIFY_SYSTEM and SHOW, and no SQL. Throws as `openSession`. */
export async function openReplicationSession(stream: Duplex, login: Omit<Login, 'database'>): Promise<Session> {
  const whole: Login = { ...login, database: 'replication' };
  const { client, version } = await connect(stream, whole, { replication: 'true' });
  return sessionOf(client, stream, version, whole);
}

/** Logs in at the admin console of a PgBouncer, which takes no settings with the login and knows simple queries alone. Throws as `openSession`. */
export async function openConsole(stream: Duplex, login: Omit<Login, 'database'>): Promise<Session> {
  const whole: Login = { ...login, database: 'pgbouncer' };
  const { client, version } = await connect(stream, whole, { ground: false });
  return sessionOf(client, stream, version, whole);
}

/** What SQLSTATE 57P03 means, by the status line of postmaster.pid: the state is the same in three different situations. */
export function notAccepting(status: PostmasterStatus | null | undefined, message: string, node: string | undefined): PgreplError {
  const options = (hint: string): PgreplErrorOptions => ({ node, hint, details: ['57P03', message] });
  if (status === 'starting') return new PgreplError('unreachable', 'server-starting', 'the server is starting up', options('It accepts sessions when it has recovered; ask again.'));
  if (status === 'stopping') return new PgreplError('unreachable', 'server-stopping', 'the server is shutting down', options('It ends when its standbys have received everything.'));
  if (status === 'standby') return new PgreplError('unreachable', 'server-not-accepting', 'the server runs as a standby that lets nobody in', options('hot_standby is off.'));
  return new PgreplError('unreachable', 'server-not-accepting', 'the server does not accept sessions now', options('It has not reached a consistent state yet, or it is about to stop.'));
}

async function connect(stream: Duplex, login: Login, { ground = true, ...more }: ClientConfig & { readonly replication?: string; readonly ground?: boolean }): Promise<{ client: Client; version: string }> {
  // From birth: between here and the first listener of the driver an error would end the whole process.
  stream.on('error', ignore);
  const { default: pg } = await import('pg');
  // Everything is given, so that no PG* variable and no passfile of pgrepl's own user can speak.
  const config: ClientConfig & { readonly replication?: string } = {
    host: 'given-stream',
    port: 5432,
    user: login.user,
    database: login.database,
    password: async () => await Promise.resolve(passwordOf(login)),
    ssl: false,
    sslnegotiation: 'postgres',
    options: GROUND,
    application_name: login.applicationName ?? 'pgrepl',
    stream: () => connected(stream),
    types: { getTypeParser: () => asText },
    ...more,
  };
  const client = new pg.Client(config);
  // Afterwards, because where it is empty the driver would take PGOPTIONS.
  if (!ground) (client as unknown as { readonly connectionParameters: { options: string } }).connectionParameters.options = '';
  client.on('error', ignore);
  let version = '';
  wire(client).on('parameterStatus', (status: { readonly parameterName: string; readonly parameterValue: string }) => {
    if (status.parameterName === 'server_version') version = status.parameterValue;
  });
  const { deadlineMs = DEFAULT_DEADLINE_MS, signal } = login;
  try {
    await bounded(client.connect(), { deadlineMs, signal }, () => silent(deadlineMs, login.node));
  } catch (thrown) {
    stream.destroy();
    throw loginError(thrown, login);
  }
  return { client, version };
}

function sessionOf(client: Client, stream: Duplex, serverVersion: string, login: Login): Session {
  let broken = stream.destroyed;
  let last: Promise<unknown> = Promise.resolve();
  client.on('end', () => (broken = true));
  client.on('error', () => (broken = true));
  stream.once('close', () => (broken = true));

  const run = async (text: string, options: QueryOptions): Promise<readonly Row[]> => {
    if (broken) throw lost(null, login.node);
    const { values, name, deadlineMs = DEFAULT_DEADLINE_MS, signal } = options;
    // Nothing is sent any more; a statement that is under way is another matter and costs the connection.
    if (signal?.aborted === true) throw interrupted();
    try {
      const sent = client.query<Record<string, string | null>>({ text, ...(values && { values: [...values] }), ...(name !== undefined && { name }) });
      return (await bounded(sent, { deadlineMs, signal }, () => late(deadlineMs, login.node))).rows;
    } catch (thrown) {
      const error = queryError(thrown, login.node);
      if (error.code !== 'sql-failed') {
        broken = true;
        stream.destroy();
      }
      throw error;
    }
  };

  return {
    serverVersion,
    get broken() {
      return broken;
    },
    query: async (text, options = {}) => {
      // One at a time: the driver's own queue is deprecated and would not keep the deadline per statement.
      const turn = last.then(async () => await run(text, options));
      last = turn.catch(ignore);
      return await turn;
    },
    close: async () => {
      if (!broken) await bounded(client.end(), { deadlineMs: GOODBYE_MS }, () => late(GOODBYE_MS, login.node)).catch(ignore);
      broken = true;
      stream.destroy();
    },
  };
}

/** Waits for `work`, but not longer than the deadline and not after the signal; late results are dropped. */
async function bounded<T>(work: Promise<T>, limits: { readonly deadlineMs: number; readonly signal?: AbortSignal | undefined }, tooLate: () => PgreplError): Promise<T> {
  const { deadlineMs, signal } = limits;
  work.catch(ignore);
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const ended = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      reject(interrupted());
    };
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (deadlineMs !== Infinity) timer = setTimeout(() => { reject(tooLate()); }, deadlineMs);
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener('abort', onAbort);
  }
}

/** The open stream with the few words of a socket that the driver says to it. */
function connected(stream: Duplex): Duplex {
  const known = stream as Duplex & Partial<Record<'setNoDelay' | 'setKeepAlive' | 'ref' | 'unref', (...words: never[]) => unknown>>;
  const nothing = (): Duplex => stream;
  return Object.assign(stream, {
    connect: () => {
      process.nextTick(() => stream.emit('connect'));
      return stream;
    },
    setNoDelay: known.setNoDelay ?? nothing,
    setKeepAlive: known.setKeepAlive ?? nothing,
    ref: known.ref ?? nothing,
    unref: known.unref ?? nothing,
  });
}

function passwordOf(login: Login): string {
  // Thrown and not empty: with an empty password the driver would look into the passfile of pgrepl's own user.
  if (login.password === null) throw new PasswordAsked();
  return login.password.reveal();
}

function loginError(thrown: unknown, login: Login): PgreplError {
  if (thrown instanceof PgreplError) return thrown;
  const { node } = login;
  if (thrown instanceof PasswordAsked) {
    return new PgreplError('refused', 'login-refused', `the server asks for a password of user ${printable(login.user)}`, { node, details: ['28P01'] });
  }
  const state = sqlState(thrown);
  const message = messageOf(thrown);
  if (state === null) return lost(thrown, node);
  if (state.startsWith('28')) return new PgreplError('refused', 'login-refused', message, { node, details: [state] });
  if (state === '57P03') return notAccepting(login.status, message, node);
  if (state === '53300') return new PgreplError('unreachable', 'too-many-clients', message, { node, details: [state], hint: 'Every connection of the server is in use, the reserved ones too.' });
  if (state === '3D000') return new PgreplError('refused', 'database-missing', message, { node, details: [state] });
  return new PgreplError('unreachable', 'sql-failed', message, { node, details: [state] });
}

function queryError(thrown: unknown, node: string | undefined): PgreplError {
  if (thrown instanceof PgreplError) return thrown;
  const state = sqlState(thrown);
  // 57P01 to 57P05: the server ended this session, with or without the statement.
  if (state === null || state.startsWith('57P') || state.startsWith('08')) return lost(thrown, node);
  const detail = (thrown as { readonly detail?: unknown }).detail;
  return new PgreplError('unfinished', 'sql-failed', messageOf(thrown), { node, details: [state, ...(typeof detail === 'string' ? [printable(detail)] : [])] });
}

function interrupted(): PgreplError {
  return new PgreplError('interrupted', 'interrupted', 'interrupted');
}

function lost(thrown: unknown, node: string | undefined): PgreplError {
  const state = sqlState(thrown) ?? '08006';
  return new PgreplError('unreachable', 'connection-lost', 'the connection to the server was lost', { node, details: [state, ...(thrown === null ? [] : [messageOf(thrown)])] });
}

function late(deadlineMs: number, node: string | undefined): PgreplError {
  return new PgreplError('unreachable', 'sql-timeout', `the server did not answer within ${deadlineMs / 1_000} s`, { node, details: ['57014'] });
}

function silent(deadlineMs: number, node: string | undefined): PgreplError {
  return new PgreplError('unreachable', 'server-silent', `the server did not answer the login within ${deadlineMs / 1_000} s`, { node, details: ['08001'] });
}

function sqlState(thrown: unknown): string | null {
  const code = typeof thrown === 'object' && thrown !== null ? (thrown as { readonly code?: unknown }).code : null;
  // Five characters also fit EPIPE: an error of the server has a severity, one of the system has not.
  return typeof code === 'string' && 'severity' in (thrown as object) && /^[0-9A-Z]{5}$/.test(code) ? code : null;
}

function messageOf(thrown: unknown): string {
  return printable(thrown instanceof Error ? thrown.message : String(thrown));
}

function wire(client: Client): EventEmitter {
  return (client as unknown as { readonly connection: EventEmitter }).connection;
}

function asText(value: string): string {
  return value;
}

function ignore(): void {
  // Said by the next statement, which fails with the same cause.
}

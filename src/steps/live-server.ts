import type { Duplex } from 'node:stream';
import { PgreplError } from '../errors.ts';
import type { Address, Host } from '../host/host.ts';
import { features } from '../postgres/features.ts';
import { matchHba, parseHba, type HbaLine } from '../postgres/hba-file.ts';
import { parsePidFile, type PidFile } from '../postgres/pid-file.ts';
import { replicationGlimpse } from '../postgres/replication-session.ts';
import type { Glimpse } from '../postgres/server-facts.ts';
import { notAccepting, openSession, type Session } from '../postgres/session.ts';
import type { Secret } from '../secret.ts';
import type { NodePlace } from './world.ts';

/** How a session of the superuser is got on one node. */
export interface LiveLogin {
  readonly place: NodePlace;
  /** With the rights of the server's owner. */
  readonly host: Host;
  /** Asked only when the server does not let its owner in without one. */
  readonly adminPassword: () => Promise<Secret | null>;
  readonly signal: AbortSignal;
}

const CONNECT_MS = 10_000;

type HbaRequest = Parameters<typeof matchHba>[1];

/**
 * Opens a session of the superuser: over the Unix socket that postmaster.pid names, as the server's owner; where that is refused and there
 * is a password, with it, over the socket and over TCP. Throws `server-down`, `login-refused` (which names the rule that decided),
 * `server-starting`, `server-stopping`, `server-not-accepting`, `too-many-clients`, `server-silent`.
 */
export async function openLiveSession(login: LiveLogin, database: string): Promise<Session> {
  const { place, host } = login;
  const straight = place.connect === 'tcp' ? null : await straightIn(login, database);
  if (straight !== null && !(straight instanceof PgreplError)) return straight;
  const pidFile = await readPidFile(host, place);
  if (pidFile === null) throw down(place, 'there is no postmaster.pid');
  const [socket, tcp] = addressesOf(pidFile, place);
  const attempt = async (at: Address, password: Secret | null): Promise<Session | PgreplError> => {
    try {
      return await logIn(login, at, database, password, pidFile);
    } catch (thrown) {
      if (!isRefusal(thrown)) throw await explain(login, thrown);
      return thrown;
    }
  };
  const without = straight ?? (await attempt(socket ?? tcp, null));
  if (!(without instanceof PgreplError)) return without;
  const local: HbaRequest = { type: 'local', database, user: place.adminUser, address: null };
  const remote: HbaRequest = { type: 'host', database, user: place.adminUser, address: tcp.host === '::1' ? '::1' : '127.0.0.1' };
  const password = await login.adminPassword();
  if (password === null) throw await named(login, without, socket === null ? remote : local);
  const last = socket === null ? null : await attempt(socket, password);
  if (last !== null && !(last instanceof PgreplError)) return last;
  const overTcp = await attempt(tcp, password);
  if (!(overTcp instanceof PgreplError)) return overTcp;
  throw await named(login, overTcp, remote);
}

/**
 * The way that nearly always works, and on a far machine the shortest: over the socket that postmaster.pid names, without a look at that file
 * before (its fourth line is the port, its fifth the directory: pidfile.h). A refusal is returned; `null` where only a closer look tells why not.
 */
async function straightIn({ place, host, signal }: LiveLogin, database: string): Promise<Session | PgreplError | null> {
  try {
    const stream = await host.connect({ namedIn: `${place.pgdata}/postmaster.pid`, directoryLine: 5, prefix: '.s.PGSQL.', suffixLine: 4 }, CONNECT_MS);
    return await openSession(stream, { user: place.adminUser, database, password: null, deadlineMs: CONNECT_MS, signal, node: place.name });
  } catch (thrown) {
    if (isRefusal(thrown)) return thrown;
    if (thrown instanceof PgreplError && (thrown.code === 'connect-failed' || thrown.details[0] === '57P03')) return null;
    throw thrown;
  }
}

/**
 * What a server whose connections are all used tells the superuser over a replication connection, on the ways of `openLiveSession`
 * (hazard G14). Throws `server-down`, `login-refused` (pg_hba.conf needs a rule for `replication`), and as a login does.
 */
export async function glimpseLive(login: LiveLogin): Promise<Glimpse> {
  const { place, host, signal } = login;
  const pidFile = await readPidFile(host, place);
  if (pidFile === null) throw down(place, 'there is no postmaster.pid');
  const [socket, tcp] = addressesOf(pidFile, place);
  const look = async (address: Address, password: Secret | null): Promise<Glimpse> =>
    await replicationGlimpse(await openStream(login, address), { user: place.adminUser, password, deadlineMs: CONNECT_MS, signal, node: place.name, status: pidFile.status });
  try {
    return await look(socket ?? tcp, null);
  } catch (thrown) {
    const password = isRefusal(thrown) ? await login.adminPassword() : null;
    if (password === null) throw thrown;
    return await look(socket ?? tcp, password);
  }
}

async function logIn(login: LiveLogin, address: Address, database: string, password: Secret | null, pidFile: PidFile): Promise<Session> {
  const { place, signal } = login;
  const stream = await openStream(login, address);
  return await openSession(stream, { user: place.adminUser, database, password, deadlineMs: CONNECT_MS, signal, node: place.name, status: pidFile.status });
}

/**
 * From the server's own machine, where `via` leads. Straight from here where the cluster file says `connect: tcp`: then there is a network in
 * between, and the stream is encrypted if the server can, as libpq does.
 */
async function openStream({ place, host }: LiveLogin, address: Address): Promise<Duplex> {
  if (place.connect !== 'tcp' || !('host' in address)) return await host.connect(address, CONNECT_MS);
  const [{ connectTo }, { startTls }] = await Promise.all([import('../host/connect.ts'), import('../postgres/start-tls.ts')]);
  const stream = await connectTo(address, null, CONNECT_MS);
  return (await startTls(stream, { host: address.host, verifyHost: null, deadlineMs: CONNECT_MS })) ?? stream;
}

async function readPidFile(host: Host, place: NodePlace): Promise<PidFile | null> {
  const text = await host.readText(`${place.pgdata}/postmaster.pid`);
  return text === null ? null : parsePidFile(text);
}

function addressesOf(pidFile: PidFile, place: NodePlace): readonly [{ readonly socket: string } | null, { readonly host: string; readonly port: number }] {
  if (place.connect === 'tcp') return [null, { host: place.host, port: place.port }];
  const port = pidFile.port ?? place.port;
  const socket = pidFile.socketDirectory === null ? null : { socket: `${pidFile.socketDirectory}/.s.PGSQL.${port}` };
  const listen = pidFile.listenAddress;
  const host = listen === null || listen === '*' || listen === '0.0.0.0' || listen === 'localhost' ? '127.0.0.1' : listen === '::' ? '::1' : listen;
  return [socket, { host, port }];
}

function isRefusal(thrown: unknown): thrown is PgreplError {
  return thrown instanceof PgreplError && thrown.code === 'login-refused';
}

/** The same failure, said as what it means for this server. */
async function explain({ place, host }: LiveLogin, thrown: unknown): Promise<unknown> {
  if (!(thrown instanceof PgreplError)) return thrown;
  // The status was read before the login; between the two the server may have begun to stop.
  if (thrown.details[0] === '57P03') return notAccepting((await readPidFile(host, place))?.status, thrown.details[1] ?? thrown.message, place.name);
  if (thrown.code !== 'connect-failed') return thrown;
  const [processes, pidFile] = await Promise.all([host.processesIn(await host.realPath(place.pgdata)), readPidFile(host, place)]);
  // Children that outlived their postmaster (a backend, a restore_command) let nobody in.
  if (!processes.some(({ pid }) => pid === pidFile?.pid)) {
    const others = processes.length === 0 ? '' : `; processes of it are left: ${processes.map(({ pid }) => pid).join(', ')}`;
    return down(place, `its postmaster.pid is left over, and no postmaster has its directory${others}`);
  }
  const status = pidFile?.status;
  if (status === 'starting' || status === 'stopping') return notAccepting(status, thrown.message, place.name);
  return new PgreplError('unreachable', 'server-silent', 'the server runs and cannot be reached', { node: place.name, details: [...thrown.details, thrown.message], cause: thrown });
}

function down(place: NodePlace, why: string): PgreplError {
  return new PgreplError('unreachable', 'server-down', 'the server is not running', { node: place.name, details: [`${place.pgdata}: ${why}`] });
}

/** The refusal with the rule that decided it, where it is known from which address the server saw us come. */
async function named(login: LiveLogin, refusal: PgreplError, request: HbaRequest): Promise<PgreplError> {
  if (login.place.connect !== 'tcp') return await nameRule(login, refusal, request);
  return refusal.as('refused', { hint: `With connect: tcp pg_hba.conf must let ${login.place.adminUser} in from this machine, with the password that --admin-password-file or your passfile gives.` });
}

/** The refusal with the rule of pg_hba.conf that decided it, as far as the file tells. */
async function nameRule(login: LiveLogin, refusal: PgreplError, request: HbaRequest): Promise<PgreplError> {
  const { place, host } = login;
  const path = await hbaPath(host, place);
  const [text, version] = await Promise.all([host.readText(path), host.readText(`${place.pgdata}/PG_VERSION`)]);
  if (text === null) return refusal;
  const can = features(Number.parseInt(version ?? '0', 10) * 10_000);
  const rule = matchHba(parseHba(text, { joinsLines: can.hbaJoinsLines, includes: can.hbaIncludes }), request);
  const decides = rule === null ? `no rule of ${path} lets it in` : `line ${rule.line} of ${path} decides: ${(text.split('\n')[rule.line - 1] ?? '').trim()}`;
  return new PgreplError('refused', 'login-refused', `user ${place.adminUser} cannot log in: ${decides}`, {
    node: place.name,
    details: [...refusal.details, refusal.message],
    hint: hintFor(rule, place),
    cause: refusal,
  });
}

function hintFor(rule: HbaLine | null, place: NodePlace): string {
  const wanted = `local all ${place.adminUser} peer`;
  if (rule === null || rule.method === 'reject') return `pgrepl logs in as the system user ${place.osUser}; a line "${wanted}" above it would let it in.`;
  if (rule.method === 'peer') return `The system user ${place.osUser} may not be ${place.adminUser}: name another user for one of the two, or a map in pg_ident.conf.`;
  return `That rule asks for more than being ${place.osUser}: give the password of ${place.adminUser} (--admin-password-file), or put a line "${wanted}" above it.`;
}

/** Where pg_hba.conf is, by the words that the postmaster was started with; the server itself cannot be asked. */
async function hbaPath(host: Host, place: NodePlace): Promise<string> {
  const started = (await host.readText(`${place.pgdata}/postmaster.opts`)) ?? '';
  const named = (name: string): string | undefined => new RegExp(`"(?:--)?${name}=([^"]+)"`).exec(started)?.[1];
  const hba = named('hba_file');
  if (hba !== undefined) return hba;
  const config = named('config_file');
  // Debian keeps both files side by side outside the data directory.
  const beside = config === undefined ? null : `${config.slice(0, config.lastIndexOf('/'))}/pg_hba.conf`;
  return beside !== null && (await host.stat(beside)) !== null ? beside : `${place.pgdata}/pg_hba.conf`;
}

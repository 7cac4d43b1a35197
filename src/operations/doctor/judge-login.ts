import { isIP } from 'node:net';
import { features } from '../../postgres/features.ts';
import { matchHba, parseHba, uncertainHba, type HbaRequest } from '../../postgres/hba-file.ts';
import { printable } from '../../postgres/names.ts';
import type { DoctorFacts, LoginAttempt } from './facts.ts';
import { judgeListening } from './judge-listening.ts';
import { judgeRoleRefusal } from './judge-role.ts';

/** Why a login did not do what it should. Stable words: they are in the JSON and in docs/doctor.md. */
export type LoginReason =
  | 'passfile' | 'no-password-line' | 'wrong-password'
  | 'hba-no-entry' | 'hba-rejects' | 'hba-method' | 'hba-not-loaded' | 'login-refused'
  | 'role-missing' | 'role-rights' | 'role-expired' | 'wal-senders' | 'too-many-clients'
  | 'not-listening' | 'other-port' | 'refused' | 'timeout' | 'no-route' | 'name-unknown' | 'silent' | 'not-postgres' | 'connection-lost' | 'tls' | 'failed'
  | 'another-cluster' | 'self' | 'another-node'
  | 'server-down' | 'not-tried';

/** What one login showed. */
export interface LoginVerdict {
  /** `unknown`: the other server does not run, or this machine cannot be reached; that is said elsewhere. */
  readonly result: 'ok' | 'failed' | 'unknown';
  readonly reason: LoginReason | null;
  /** What decided, without the names of the two nodes. Empty when it is well. */
  readonly says: string;
  readonly hazard: string | null;
  readonly evidence: readonly string[];
  readonly hint: string | null;
  readonly next: readonly string[];
}

export type Failure = Omit<LoginVerdict, 'result'> & { readonly reason: LoginReason };

const WELL: LoginVerdict = { result: 'ok', reason: null, says: '', hazard: null, evidence: [], hint: null, next: [] };

/** Judges one attempt by what both ends said, what the other server knows about its role, rules and settings, and by no text of a message. Pure. */
export function judgeLogin(attempt: LoginAttempt, facts: DoctorFacts): LoginVerdict {
  const { end } = attempt;
  const to = facts.view.nodes.find(({ name }) => name === attempt.to);
  if (end.kind === 'not-tried') return { ...WELL, result: 'unknown', reason: 'not-tried', says: end.why };
  if (end.kind === 'in') return judgeIdentity(attempt, end, facts);
  // That a server is down, starts or stops is the status' to say; its port proves nothing about the way to it.
  const notThere = to?.server == null && (isConnectFailure(end.code) || end.details[0] === '57P03');
  if (notThere) return { ...WELL, result: 'unknown', reason: 'server-down', says: to?.facts.trouble ?? end.message };
  const failure = failureOf(attempt, end, facts);
  // Behind a proxy or a forwarded port that is as it should be; otherwise it is the reason for everything else.
  const elsewhere = to?.server != null && to.server.port !== attempt.port && failure.reason !== 'other-port' ? [`${attempt.to} itself listens at port ${to.server.port}`] : [];
  return { result: 'failed', ...failure, evidence: [...failure.evidence, ...elsewhere] };
}

function judgeIdentity(attempt: LoginAttempt, end: Extract<LoginAttempt['end'], { kind: 'in' }>, facts: DoctorFacts): LoginVerdict {
  const address = `${attempt.host}:${attempt.port}`;
  const expected = facts.view.systemIdentifier;
  const hint = 'Every node needs an address of its own that leads to it from everywhere. Correct host and port in the cluster file, or where the name resolves.';
  if (expected !== null && end.systemIdentifier !== expected) {
    return { result: 'failed', reason: 'another-cluster', says: `${address} leads to another cluster`, hazard: 'D10', evidence: [`system identifier ${end.systemIdentifier}, not ${expected}`], hint, next: [] };
  }
  if (!end.asked || end.answeredBy === attempt.to) return WELL;
  if (end.answeredBy === attempt.from) return { result: 'failed', reason: 'self', says: `${address} leads back to ${attempt.from} itself`, hazard: 'D08', evidence: [`${attempt.from} lists the connection among its own`], hint, next: [] };
  const who = end.answeredBy ?? 'a server that is no node of the cluster file';
  return { result: 'failed', reason: 'another-node', says: `${address} leads to ${who}`, hazard: 'D08', evidence: [`${attempt.to} does not list the connection among its own`], hint, next: [] };
}

function failureOf(attempt: LoginAttempt, end: Extract<LoginAttempt['end'], { kind: 'failed' }>, facts: DoctorFacts): Failure {
  const { code, details } = end;
  const [state = ''] = details;
  const message = `message: ${printable(end.message)}`;
  if (isConnectFailure(code)) return judgeConnect(attempt, state, facts);
  const role = judgeRoleRefusal(attempt, state, facts);
  if (role !== null) return { ...role, evidence: [...role.evidence, message] };
  if (state === '28P01' && !attempt.hasPassword) return noPassword(attempt);
  if (state === '28P01') return wrongPassword(attempt, facts);
  if (state.startsWith('28')) return judgeHba(attempt, message, facts);
  const of = (reason: LoginReason, says: string, hint: string | null): Failure => ({ reason, says, hazard: null, evidence: [message], hint, next: [] });
  if (code === 'server-silent' || code === 'sql-timeout' || state === '08001') return of('silent', `${attempt.host}:${attempt.port} takes the connection and then says nothing`, 'A frozen server, or something between the two that lets the first packets through only.');
  if (state === '08P01') return of('not-postgres', `what answers at ${attempt.host}:${attempt.port} is no PostgreSQL server`, 'Correct host and port in the cluster file.');
  if (code === 'tls-failed' && facts.view.nodes.find(({ name }) => name === attempt.from)?.facts.place.tls !== undefined) return { ...of('tls', `the certificate at ${attempt.host}:${attempt.port} is not accepted, or none is shown`, 'It must lead to an authority of the node that connects, be for this very address, and not have run out.'), hazard: 'C17' };
  if (code === 'connection-lost' || code === 'tls-failed') return of('connection-lost', `the connection to ${attempt.host}:${attempt.port} is closed during the login`, 'A proxy without a server behind it does that, and so does a server that crashes.');
  return of('failed', end.message, null);
}

function noPassword({ passfile, host, port, user }: LoginAttempt): Failure {
  const path = passfile?.path ?? 'the passfile';
  const line = `wanted: ${host}:${port}:replication:${user}:PASSWORD`;
  const put = `It belongs to the server's owner, with mode 0600; the password is in the passfile of a node that gets in. Every role change writes the lines of all nodes.`;
  switch (passfile?.state) {
    case 'too-open':
      return { reason: 'passfile', says: `libpq ignores ${path}, because others may read it (mode 0${(passfile.mode ?? 0).toString(8)})`, hazard: 'B13', evidence: [`owner ${passfile.owner ?? '?'}`], hint: 'With any bit for group or others it is passed over with a warning in the log.', next: [`chmod 0600 ${path}`] };
    case 'missing':
      return { reason: 'passfile', says: `there is no passfile ${path}`, hazard: 'I11', evidence: [line], hint: put, next: [] };
    case 'not-a-file':
    case 'unreadable':
      return { reason: 'passfile', says: `${path} cannot be read as a passfile`, hazard: 'B13', evidence: [`it is ${passfile.state === 'unreadable' ? `owned by ${passfile.owner ?? '?'} with mode 0${(passfile.mode ?? 0).toString(8)}` : 'not a plain file'}`], hint: 'It must be a plain file of the server\'s owner with mode 0600.', next: [] };
    default:
      return { reason: 'no-password-line', says: `${path} has no line that fits`, hazard: 'B14', evidence: [line], hint: `A line fits only when its first field is the very host of the connection. ${put}`, next: [] };
  }
}

function wrongPassword(attempt: LoginAttempt, facts: DoctorFacts): Failure {
  const works = facts.logins.find(({ to, end }) => to === attempt.to && end.kind === 'in' && end.systemIdentifier === facts.view.systemIdentifier);
  const where = works === undefined ? `Whoever knows it puts it there; pgrepl never resets a password that others may use.` : `The passfile of ${works.from} (${works.passfile?.path ?? '?'}) has one that works.`;
  return { reason: 'wrong-password', says: `${attempt.to} refuses the password that ${attempt.passfile?.path ?? 'the passfile'} has for ${attempt.host}:${attempt.port}`, hazard: 'I11', evidence: ['SQLSTATE 28P01'], hint: where, next: [] };
}

/** Names the rule that decided, as far as the file and the address tell. */
function judgeHba(attempt: LoginAttempt, message: string, facts: DoctorFacts): Failure {
  const extras = facts.servers.get(attempt.to);
  const to = facts.view.nodes.find(({ name }) => name === attempt.to);
  const hba = extras?.hba ?? null;
  const address = addressOf(attempt, facts);
  const plain: Failure = { reason: 'login-refused', says: `${attempt.to} refuses the login`, hazard: 'I10', evidence: [message], hint: null, next: [] };
  if (hba === null || address === null || to?.server == null) return plain;
  if (hba.loaded === false) return { ...plain, reason: 'hba-not-loaded', says: `${attempt.to} refuses the login, and has not read ${hba.file} since it was changed`, next: [`psql -h ${attempt.host} -p ${attempt.port} -c 'SELECT pg_reload_conf()'`] };
  const can = features(to.server.versionNumber);
  const lines = parseHba(hba.text, { joinsLines: can.hbaJoinsLines, includes: can.hbaIncludes });
  const request: HbaRequest = { type: 'host', database: 'replication-physical', user: attempt.user, address, ...(attempt.encrypted === null ? {} : { ssl: attempt.encrypted }) };
  const rule = matchHba(lines, request);
  const maybe = uncertainHba(lines, request).map(({ line }) => `line ${line} may decide before it; only the server can tell`);
  const wanted = `host replication ${attempt.user} ${address}/${isIP(address) === 6 ? 128 : 32} scram-sha-256`;
  const primary = facts.view.primary?.name === attempt.to;
  const evidence = [`seen from ${address}${attempt.clientAddress === null ? ' by the cluster file' : ''}`, ...maybe, message];
  if (rule === null) {
    return { reason: 'hba-no-entry', says: `no rule of ${hba.file} lets it in`, hazard: 'I10', evidence, hint: `It needs "${wanted}" there, and a reload.`, next: primary ? [`pgrepl init-primary ${attempt.to}`] : [] };
  }
  const text = (hba.text.split('\n')[rule.line - 1] ?? '').trim();
  const decides = `line ${rule.line} of ${hba.file} decides: ${printable(text)}`;
  if (rule.method === 'reject') return { reason: 'hba-rejects', says: decides, hazard: 'I10', evidence, hint: `Somebody wrote it on purpose. A line "${wanted}" above it would let it in.`, next: primary ? [`pgrepl init-primary ${attempt.to} --over-reject ${rule.line}`] : [] };
  return { reason: 'hba-method', says: decides, hazard: 'I10', evidence, hint: `A standby has a password and nothing else. A line "${wanted}" above it would let it in; or the server sees another address than ${address}.`, next: [] };
}

/** The address that the server sees: certain, or by the cluster file. */
function addressOf(attempt: LoginAttempt, facts: DoctorFacts): string | null {
  if (attempt.clientAddress !== null) return attempt.clientAddress.replace(/^::ffff:(?=\d+\.)/, '');
  const from = facts.view.nodes.find(({ name }) => name === attempt.from)?.spec;
  const to = facts.view.nodes.find(({ name }) => name === attempt.to)?.spec;
  // To an address of its own machine a connection comes from that same address.
  const host = from !== undefined && from.via === to?.via ? to.host : from?.host;
  return host !== undefined && isIP(host) !== 0 ? host : null;
}

function judgeConnect(attempt: LoginAttempt, errno: string, facts: DoctorFacts): Failure {
  const address = `${attempt.host}:${attempt.port}`;
  const back = facts.logins.find(({ from, to }) => from === attempt.to && to === attempt.from);
  const oneWay = back?.end.kind === 'in' ? [`the other way, from ${attempt.to} to ${attempt.from}, is open`] : [];
  const of = (reason: LoginReason, says: string, hint: string, hazard: string | null = 'M17'): Failure => ({ reason, says, hazard, evidence: [...oneWay, errno], hint, next: [] });
  switch (errno) {
    case 'ECONNREFUSED':
      return judgeListening(attempt, facts) ?? of('refused', `${address} refuses the connection`, `${attempt.to} listens there: a firewall refuses it, or the address leads to another machine.`);
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NONAME':
      return of('name-unknown', `the name ${attempt.host} is not known on the machine of ${attempt.from}`, 'Addresses in the cluster file need no name service, and pg_hba.conf takes nothing else from pgrepl.', 'C21');
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return of('no-route', `the machine of ${attempt.from} has no route to ${attempt.host}`, 'Two nodes must reach each other in both directions.');
    case 'ETIMEDOUT':
    case '08001':
      return of('timeout', `${address} does not answer`, 'A firewall that drops the packets, or an address that leads nowhere.');
    default:
      return of('failed', `${address} cannot be connected to (${errno})`, 'Two nodes must reach each other in both directions.');
  }
}

function isConnectFailure(code: string): boolean {
  return code === 'connect-failed';
}

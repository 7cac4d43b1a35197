import { describe, expect, test } from 'vitest';
import type { DoctorFacts, LoginAttempt } from '../../../../src/operations/doctor/facts.ts';
import { judgeLogin } from '../../../../src/operations/doctor/judge-login.ts';
import { connectivity } from '../../../../src/operations/doctor/rules/connectivity.ts';
import { facts, primary, sender, standby, SYSTEM, topologyOf } from '../status-facts.ts';
import { extras, found, given, IN, login, only, PASSFILE, refused, role, type Given } from './doctor-facts.ts';

const all = (attempt: LoginAttempt, more: Given = {}): DoctorFacts => given({ servers: { node1: extras(), node2: extras(), node3: extras() }, logins: [attempt], ...more });
const answered = (by: string | null): LoginAttempt['end'] => ({ kind: 'in', systemIdentifier: SYSTEM, answeredBy: by, asked: true });
const verdict = (attempt: LoginAttempt, more: Given = {}): ReturnType<typeof judgeLogin> => judgeLogin(attempt, all(attempt, more));

test('a login that the other node lists as its own is well', () => {
  expect(verdict(login('node2', 'node1', answered('node1')))).toMatchObject({ result: 'ok', reason: null });
  expect(found(connectivity, all(login('node2', 'node1')))).toEqual([]);
});

describe('why a login fails, and what to do', () => {
  test('B14 no line of the passfile fits, and the wanted line is shown without a password', () => {
    const seen = verdict(login('node2', 'node1', refused('login-refused', '28P01'), { hasPassword: false }));
    expect(seen).toMatchObject({ reason: 'no-password-line', hazard: 'B14', says: `${PASSFILE.path} has no line that fits`, evidence: ['wanted: 127.0.0.1:5433:replication:replicator:PASSWORD'] });
  });

  test('B13 a passfile that others may read counts for nothing', () => {
    const passfile = { ...PASSFILE, state: 'too-open', mode: 0o640 } as const;
    const seen = verdict(login('node2', 'node1', refused('login-refused', '28P01'), { hasPassword: false, passfile }));
    expect(seen).toMatchObject({ reason: 'passfile', hazard: 'B13', next: [`chmod 0600 ${PASSFILE.path}`] });
    expect(seen.says).toContain('mode 0640');
  });

  test('I11 a wrong password: the passfile that has the right one is named', () => {
    const wrong = login('node2', 'node1', refused('login-refused', '28P01'));
    const right = login('node3', 'node1', IN, { passfile: { ...PASSFILE, path: '/home/pg/right.pass' } });
    expect(judgeLogin(wrong, all(wrong, { logins: [wrong, right] }))).toMatchObject({ reason: 'wrong-password', hint: 'The passfile of node3 (/home/pg/right.pass) has one that works.' });
  });

  test('I10 no rule lets it in: the line that is missing, and on the primary the command that writes it', () => {
    const hba = { file: '/srv/pg_hba.conf', text: 'host replication replicator 10.9.9.9/32 scram-sha-256\n', loaded: true };
    const seen = verdict(login('node2', 'node1', refused('login-refused', '28000')), { servers: { node1: extras({ hba }) } });
    expect(seen).toMatchObject({ reason: 'hba-no-entry', says: 'no rule of /srv/pg_hba.conf lets it in', next: ['pgrepl init-primary node1'] });
    expect(seen.hint).toContain('host replication replicator 127.0.0.1/32 scram-sha-256');
    expect(verdict(login('node1', 'node2', refused('login-refused', '28000')), { servers: { node2: extras({ hba }) } }).next).toEqual([]);
  });

  test('I10 a rule that rejects is named with its line', () => {
    const hba = { file: '/srv/pg_hba.conf', text: '# ours\nhost replication all 0.0.0.0/0 reject\nhost replication replicator 127.0.0.1/32 trust\n', loaded: true };
    expect(verdict(login('node2', 'node1', refused('login-refused', '28000')), { servers: { node1: extras({ hba }) } })).toMatchObject({
      reason: 'hba-rejects', says: 'line 2 of /srv/pg_hba.conf decides: host replication all 0.0.0.0/0 reject', next: ['pgrepl init-primary node1 --over-reject 2'],
    });
  });

  test('a rule for encrypted connections alone is passed over when the login was not encrypted', () => {
    const hba = { file: '/srv/pg_hba.conf', text: 'hostssl replication replicator 127.0.0.1/32 cert\nhost replication replicator 127.0.0.1/32 reject\n', loaded: true };
    const at = (encrypted: boolean): unknown => verdict(login('node2', 'node1', refused('login-refused', '28000'), { encrypted }), { servers: { node1: extras({ hba }) } }).reason;
    expect([at(true), at(false)]).toEqual(['hba-method', 'hba-rejects']);
  });

  test('a file that was changed and not read by the server is said before any rule of it', () => {
    const hba = { file: '/srv/pg_hba.conf', text: '', loaded: false };
    expect(verdict(login('node2', 'node1', refused('login-refused', '28000')), { servers: { node1: extras({ hba }) } })).toMatchObject({ reason: 'hba-not-loaded' });
  });

  test('between nodes of two machines the address is that of the cluster file', () => {
    const topology = topologyOf(['node1', 'node2'], { node1: { host: '10.0.0.1', via: 'ssh://a' }, node2: { host: '10.0.0.2', via: 'ssh://b' } });
    const hba = { file: '/srv/pg_hba.conf', text: 'host replication replicator 10.0.0.2/32 reject\n', loaded: true };
    const attempt = login('node2', 'node1', refused('login-refused', '28000'), { clientAddress: null });
    const seen = judgeLogin(attempt, given({ topology, nodes: [primary('node1', ['node2']), standby('node2')], servers: { node1: extras({ hba }) }, logins: [attempt] }));
    expect(seen).toMatchObject({ reason: 'hba-rejects', evidence: ['seen from 10.0.0.2 by the cluster file', 'message: said by the server'] });
  });

  test.each([
    ['there is none', '28P01', null, 'role-missing'],
    ['NOLOGIN', '28000', role({ login: false }), 'role-rights'],
    ['not for replication (the server says 42501)', '42501', role({ replication: false }), 'role-rights'],
    ['VALID UNTIL has passed', '28P01', role({ expired: true }), 'role-expired'],
  ])('C11 the role: %s', (_name, state, seenRole, reason) => {
    const end = refused(state === '42501' ? 'sql-failed' : 'login-refused', state);
    expect(verdict(login('node2', 'node1', end), { servers: { node1: extras({ role: seenRole }) } })).toMatchObject({ reason, hazard: 'C11' });
  });

  test('A07 too many connections: of WAL senders, or of all', () => {
    const end = refused('too-many-clients', '53300');
    const at = (senders: number): unknown => {
      const rows = Array.from({ length: senders }, (_, index) => sender(`s${index}`));
      return verdict(login('node2', 'node1', end), { nodes: [primary('node1', [], { senders: rows }), standby('node2'), standby('node3')] }).reason;
    };
    expect([at(10), at(3)]).toEqual(['wal-senders', 'too-many-clients']);
  });

  test('C20 a refused port: other port, other address, or something between', () => {
    const end = refused('connect-failed', 'ECONNREFUSED');
    const at = (words: Parameters<typeof primary>[2]): readonly unknown[] => {
      const { reason, evidence, next } = verdict(login('node2', 'node1', end, { host: '10.0.0.1' }), { nodes: [primary('node1', ['node2'], words), standby('node2'), standby('node3')] });
      return [reason, evidence[0], next];
    };
    expect(at({ port: 6000, settings: { listen_addresses: '*' } })).toEqual(['other-port', 'ECONNREFUSED', []]);
    expect(at({ settings: { listen_addresses: 'localhost' } })).toEqual(['not-listening', "listen_addresses = 'localhost'", ['pgrepl init-primary node1']]);
    expect(at({ settings: { listen_addresses: '127.0.0.1, 10.0.0.1' } })).toEqual(['refused', 'ECONNREFUSED', []]);
    expect(at({ settings: { listen_addresses: '0.0.0.0' } })).toEqual(['refused', 'ECONNREFUSED', []]);
  });

  test('M17 no answer: that the other way is open is said', () => {
    const there = login('node2', 'node1', refused('connect-failed', 'ETIMEDOUT'));
    const back = login('node1', 'node2');
    expect(judgeLogin(there, all(there, { logins: [there, back] }))).toMatchObject({ reason: 'timeout', hazard: 'M17', evidence: ['the other way, from node1 to node2, is open', 'ETIMEDOUT'] });
  });

  test.each([
    ['ENOTFOUND', 'name-unknown'],
    ['EHOSTUNREACH', 'no-route'],
  ])('%s', (errno, reason) => {
    expect(verdict(login('node2', 'node1', refused('connect-failed', errno))).reason).toBe(reason);
  });

  test.each([
    ['server-silent', '08001', 'silent'],
    ['tls-failed', '08001', 'silent'],
    ['tls-failed', '08P01', 'not-postgres'],
    ['tls-failed', '08006', 'connection-lost'],
    ['connection-lost', '08006', 'connection-lost'],
  ])('%s %s', (code, state, reason) => {
    expect(verdict(login('node2', 'node1', refused(code, state))).reason).toBe(reason);
  });

  test('D10 D08 an address that leads elsewhere: another cluster, back to itself, to another node', () => {
    const at = (end: LoginAttempt['end']): unknown => verdict(login('node2', 'node1', end)).reason;
    expect([at({ kind: 'in', systemIdentifier: '1', answeredBy: null, asked: true }), at(answered('node2')), at(answered('node3')), at(answered(null))]).toEqual(['another-cluster', 'self', 'another-node', 'another-node']);
    expect(only(connectivity, all(login('node2', 'node1', answered('node2'))))).toMatchObject({ id: 'login-self', level: 'critical', node: 'node2' });
  });

  test('a server that is down is no failure of the way to it', () => {
    const attempt = login('node1', 'node2', refused('connect-failed', 'ECONNREFUSED'));
    const nodes = [primary('node1', ['node3']), facts('node2', { state: 'down', trouble: 'the server is not running' }), standby('node3')];
    expect(judgeLogin(attempt, given({ nodes, logins: [attempt] }))).toMatchObject({ result: 'unknown', reason: 'server-down' });
    expect(connectivity.judge(given({ nodes, logins: [attempt] }))).toEqual([]);
  });
});

describe('how much it matters', () => {
  const closed = refused('connect-failed', 'ETIMEDOUT');

  test('the way that a standby needs now is critical: it cannot come back when its connection breaks', () => {
    const finding = only(connectivity, all(login('node2', 'node1', closed)));
    expect(finding).toMatchObject({ level: 'critical', node: 'node1', id: 'login-timeout', alsoOf: ['node2', 'node1'] });
    expect(finding.says).toBe('node2 cannot log in to node1 for replication: 127.0.0.1:5433 does not answer');
    expect(finding.hint).toContain('The stream of node2 goes on until its connection breaks');
  });

  test('I10 M17 the way that only a change of roles needs is a warning that says so', () => {
    const finding = only(connectivity, all(login('node1', 'node2', closed)));
    expect(finding).toMatchObject({ level: 'warning', node: 'node2' });
    expect(finding.hint).toContain('After a change of roles to node2, node1 could not follow.');
  });

  test('one cause at one server is one finding for all who fail by it', () => {
    const finding = only(connectivity, all(login('node1', 'node3', closed), { logins: [login('node1', 'node3', closed), login('node2', 'node3', closed)] }));
    expect(finding.says).toBe('node1 and node2 cannot log in to node3 for replication: 127.0.0.1:5435 does not answer');
  });

  test('one passfile without lines is one finding with every line that is wanted', () => {
    const bare = refused('login-refused', '28P01');
    const logins = [login('node3', 'node1', bare, { hasPassword: false }), login('node3', 'node2', bare, { hasPassword: false })];
    const finding = only(connectivity, all(logins[0]!, { logins }));
    expect(finding).toMatchObject({ node: 'node3', level: 'critical', evidence: ['wanted: 127.0.0.1:5433:replication:replicator:PASSWORD', 'wanted: 127.0.0.1:5434:replication:replicator:PASSWORD'] });
  });
});

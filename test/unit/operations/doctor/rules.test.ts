import { expect, test } from 'vitest';
import { clockOf } from '../../../../src/operations/doctor/clock.ts';
import { exitOfDoctor, judgeDoctor } from '../../../../src/operations/doctor/doctor.ts';
import { RULES } from '../../../../src/operations/doctor/rules.ts';
import { clocks } from '../../../../src/operations/doctor/rules/clocks.ts';
import { diskSpace } from '../../../../src/operations/doctor/rules/disk-space.ts';
import { durability } from '../../../../src/operations/doctor/rules/durability.ts';
import { synchronous } from '../../../../src/operations/doctor/rules/synchronous.ts';
import { machines } from '../../../../src/operations/doctor/rules/machines.ts';
import { otherManagers } from '../../../../src/operations/doctor/rules/other-managers.ts';
import { ownership } from '../../../../src/operations/doctor/rules/ownership.ts';
import { replicationRole } from '../../../../src/operations/doctor/rules/replication-role.ts';
import { sameMachine } from '../../../../src/operations/doctor/rules/same-machine.ts';
import { versions } from '../../../../src/operations/doctor/rules/versions.ts';
import type { DoctorFacts } from '../../../../src/operations/doctor/facts.ts';
import { setting, primary, slot, standby, stopped, topologyOf } from '../status-facts.ts';
import { extras, found, given, IN, login, machine, only, PASSFILE, refused, role } from './doctor-facts.ts';

const GB = 1024 ** 3;
const well = { node1: machine(), node2: machine({ bootId: 'b2', machineId: 'bb' }), node3: machine({ bootId: 'b3', machineId: 'cc' }) };

test('nothing is found on three healthy nodes of three machines', () => {
  const names = ['node1', 'node2', 'node3'];
  const logins = names.flatMap((from) => names.filter((to) => to !== from).map((to) => login(from, to)));
  const facts = given({ machines: well, servers: { node1: extras(), node2: extras(), node3: extras() }, logins });
  const document = judgeDoctor(topologyOf(), facts, { rules: RULES, node: null });
  expect(document).toMatchObject({ verdict: 'ok', primary: 'node1', findings: [], logins: [{ from: 'node1', to: 'node2', result: 'ok' }, {}, {}, {}, {}, {}] });
  expect(exitOfDoctor(document, facts.status)).toBe(0);
});

test('every rule has a name of its own, and hazards as --only takes them', () => {
  expect(new Set(RULES.map(({ id }) => id)).size).toBe(RULES.length);
  for (const { id, hazards } of RULES) expect([id, ...hazards.map((hazard) => hazard.toLowerCase())].every((word) => /^[a-z0-9]+(?:-[a-z]+)*$/.test(word))).toBe(true);
});

test('the findings of the status are part of it, and the worst of all decides the exit', () => {
  const nodes = [primary('node1', ['node2', 'node3']), standby('node2', 5433, { replayPause: 'paused' }), standby('node3')];
  const facts = given({ nodes, machines: { ...well, node1: machine({ data: { path: '/srv', totalBytes: 100 * GB, freeBytes: GB, device: '1' } }) } });
  const document = judgeDoctor(topologyOf(), facts, { rules: RULES, node: null });
  expect(document.findings.map(({ rule, id, level }) => [rule, id, level])).toEqual([['disk-space', 'space-low', 'critical'], ['status', 'paused-by-hand', 'warning']]);
  expect(exitOfDoctor(document, facts.status)).toBe(8);
});

test('of one node: its findings, its logins in both directions, and nothing of others', () => {
  const logins = [login('node2', 'node1', refused('connect-failed', 'ETIMEDOUT')), login('node3', 'node1')];
  const facts = given({ logins, servers: { node1: extras() }, machines: { node3: machine({ passfile: { ...PASSFILE, state: 'too-open', mode: 0o644 } }) } });
  const of = (node: string): unknown => {
    const document = judgeDoctor(topologyOf(), facts, { rules: RULES, node });
    return [document.findings.map(({ id }) => id), document.logins.length, document.nodes.map(({ name }) => name)];
  };
  expect(of('node2')).toEqual([['login-timeout'], 1, ['node2']]);
  expect(of('node3')).toEqual([['passfile-mode'], 1, ['node3']]);
});

test('neither a machine nor a server that answers is exit 10; a machine alone is enough', () => {
  const nodes = ['node1', 'node2', 'node3'].map((name) => stopped(name, {}, { state: 'unknown', directory: null, control: null, processes: null, trouble: 'no answer' }));
  const silent = { trouble: { code: 'connect-failed', message: 'no answer', hint: null } };
  const exit = (first: object): number => {
    const facts = given({ nodes, machines: { node1: machine(first), node2: machine(silent), node3: machine(silent) } });
    return exitOfDoctor(judgeDoctor(topologyOf(), facts, { rules: RULES, node: null }), facts.status);
  };
  expect([exit(silent), exit({})]).toEqual([10, 8]);
});

test('a machine that cannot be reached, and one where pgrepl may not be the owner of the server', () => {
  const at = (code: string): unknown => only(machines, given({ machines: { node1: machine({ trouble: { code, message: 'sudo: a password is required', hint: 'Allow it.' } }) } }));
  expect(at('no-permission')).toMatchObject({ id: 'owner-rights', level: 'warning', node: 'node1', evidence: ['no-permission: sudo: a password is required'], next: ['sudo -n -u postgres true'] });
  expect(at('connect-failed')).toMatchObject({ id: 'machine-unreachable' });
});

test('G04 clocks: more than a second beyond what the measurement leaves open, against the primary', () => {
  const at = (skewSeconds: number, uncertaintySeconds: number): readonly string[] => found(clocks, given({ machines: { ...well, node2: machine({ bootId: 'b2', clock: { skewSeconds, uncertaintySeconds } }) } }));
  expect(at(0.9, 0.01)).toEqual([]);
  expect(at(1.5, 0.6)).toEqual([]);
  expect(at(-1.5, 0.01)).toEqual(['warning clock-skew node2']);
  expect(only(clocks, given({ machines: { ...well, node2: machine({ bootId: 'b2', clock: { skewSeconds: -7203, uncertaintySeconds: 0.01 } }) } })).says).toBe('the clock of node2 is 2.0 h behind the one of node1 (± 15 ms)');
});

test('G04 nodes of one machine have one clock, whatever the measurements said', () => {
  expect(found(clocks, given({ machines: { node1: machine(), node2: machine({ clock: { skewSeconds: 5, uncertaintySeconds: 0.1 } }) } }))).toEqual([]);
});

test('G04 the skew of a clock lies in the middle of the round trip, and half of it is uncertain', () => {
  expect(clockOf('1000.200000000', 1000, 0.1)).toEqual({ skewSeconds: expect.closeTo(0.15, 6), uncertaintySeconds: 0.05 });
  expect(clockOf('1000', 1000, 0.1)).toEqual({ skewSeconds: expect.closeTo(0.45, 6), uncertaintySeconds: 0.55 });
  expect(clockOf('1000.%N', 1000, 0.1)?.uncertaintySeconds).toBe(0.55);
  expect(clockOf('date: invalid', 1000, 0.1)).toBeNull();
});

test('A19 A21 versions: another major is critical, an older standby a warning, a newer one the right order', () => {
  const at = (versionNumber: number, version: string): readonly string[] => found(versions, given({ nodes: [primary('node1', ['node2', 'node3']), standby('node2', 5433, { versionNumber, version }), standby('node3')] }));
  expect(at(160004, '16.4')).toEqual(['critical major-skew node2']);
  expect(at(150010, '15.10')).toEqual(['warning minor-skew node2']);
  expect(at(150020, '15.20')).toEqual(['info minor-skew node2']);
});

test('A20 I11 programs: updated without a restart, of another major, and missing', () => {
  const at = (more: object): unknown => only(versions, given({ machines: { node2: machine(more) } }));
  expect(at({ programs: { binDir: '/b', versionNumber: 150020 } })).toMatchObject({ id: 'restart-after-update', hazard: 'A20', says: 'node2 runs 15.18, and /b has 15.20' });
  expect(at({ programs: { binDir: '/b', versionNumber: 170001 } })).toMatchObject({ id: 'programs-other-major', hazard: 'A19' });
  expect(at({ programs: null, programsTrouble: { code: 'postgres-not-found', message: 'not found', hint: 'Install them.' } })).toMatchObject({ id: 'programs-missing', hazard: 'I11' });
});

test('D16 free space: both the part and the amount must be small; one file system is one finding', () => {
  const at = (totalGb: number, freeGb: number, walDevice = '1'): readonly string[] => {
    const space = { path: '/srv', totalBytes: totalGb * GB, freeBytes: freeGb * GB };
    return found(diskSpace, given({ nodes: [primary('node1', ['node2', 'node3'], { slots: [] }), standby('node2'), standby('node3')], machines: { node1: machine({ data: { ...space, device: '1' }, wal: { ...space, device: walDevice } }) } }));
  };
  expect(at(10_000, 900)).toEqual([]);
  expect(at(20, 15)).toEqual([]);
  expect(at(200, 15)).toEqual(['warning space-low node1']);
  expect(at(200, 4)).toEqual(['critical space-low node1']);
  expect(at(200, 4, '2')).toEqual(['critical space-low node1', 'critical space-low node1']);
});

test('E02 a limit of slots that the file system could not hold', () => {
  const at = (limitMb: string, keptGb: number): readonly string[] =>
    found(diskSpace, given({ nodes: [primary('node1', [], { slots: [slot('node2', { retainedBytes: keptGb * GB })], settings: { max_slot_wal_keep_size: limitMb } }), standby('node2')], topology: topologyOf(['node1', 'node2']), machines: { node1: machine() } }));
  expect(at('40960', 0)).toEqual([]);
  expect(at('81920', 0)).toEqual(['warning slot-limit-over-space node1']);
  expect(at('81920', 30)).toEqual([]);
  expect(at('-1', 0)).toEqual([]);
});

test('owner and mode of data directory and passfile', () => {
  const at = (node: object, seen: object = {}): readonly string[] => found(ownership, given({ nodes: [{ ...primary('node1', ['node2', 'node3']), directoryMode: 0o700, owner: 'postgres', ...node }, standby('node2'), standby('node3')], machines: { node1: machine(seen) } }));
  expect(at({})).toEqual([]);
  expect(at({ directoryMode: 0o750 })).toEqual([]);
  expect(at({ directoryMode: 0o755 })).toEqual(['warning directory-mode node1']);
  expect(at({ directoryMode: 0o701 })).toEqual([]);
  expect(at({ owner: 'root' })).toEqual(['warning directory-owner node1']);
  expect(at({}, { passfile: { ...PASSFILE, state: 'too-open', mode: 0o604 } })).toEqual(['warning passfile-mode node1']);
});

test('C11 the replication role, before a reconnect fails by it', () => {
  const at = (seen: ReturnType<typeof role> | null): readonly string[] => found(replicationRole, given({ servers: { node1: extras({ role: seen }), node2: extras({ role: null }) } }));
  expect(at(role())).toEqual([]);
  expect(at(null)).toEqual(['critical role-missing node1']);
  expect(at(role({ login: false, replication: false }))).toEqual(['critical role-rights node1']);
  expect(at(role({ expired: true }))).toEqual(['critical role-expired node1']);
  expect(at(role({ superuser: true, replication: false }))).toEqual(['info role-superuser node1']);
});

test('M09 other managers: marks in the server or its directory, and programs nearby', () => {
  const at = (server: readonly string[], seen: object): unknown => only(otherManagers, given({ servers: { node1: extras({ otherManagers: server }) }, machines: { node1: machine(seen) } }));
  expect(at(['repmgr'], {})).toMatchObject({ level: 'warning', id: 'managed-by-other', says: 'node1 is managed by repmgr' });
  expect(at([], { managerFiles: ['patroni.dynamic.json', 'postgresql.base.conf'] })).toMatchObject({ says: 'node1 is managed by Patroni', evidence: ['/srv/pg/node1/patroni.dynamic.json', '/srv/pg/node1/postgresql.base.conf'] });
  expect(at([], { managerPrograms: ['pg_autoctl'] })).toMatchObject({ level: 'info', id: 'manager-nearby' });
});

test('M12 M20 one machine for several nodes, and two machines of one image', () => {
  expect(only(sameMachine, given({ machines: { node1: machine(), node2: machine() } }))).toMatchObject({ level: 'info', id: 'same-machine', says: 'node1 and node2 are on one machine and one file system: what takes it takes all of them' });
  expect(only(sameMachine, given({ machines: { node1: machine(), node2: machine({ data: null }) } })).says).toBe('node1 and node2 are on one machine: what takes it takes all of them');
  const nodes = [primary('node1', ['node2']), { ...standby('node2'), place: { ...standby('node2').place, via: 'ssh://b' } }];
  expect(found(sameMachine, given({ topology: topologyOf(['node1', 'node2']), nodes, machines: { node1: machine(), node2: machine() } }))).toEqual(['warning same-machine node1']);
  expect(found(sameMachine, given({ machines: { node1: machine(), node2: machine({ bootId: 'b2' }) } }))).toEqual(['info same-machine-id node1']);
  expect(found(sameMachine, given({ machines: well }))).toEqual([]);
});

test('M13 fsync off is critical, and where it is set is named', () => {
  const node = primary('node1', ['node2', 'node3']);
  const settings = { ...node.server!.settings, fsync: setting('off', { file: '/srv/pg/postgresql.conf', line: 12 }), full_page_writes: setting('on') };
  expect(only(durability, given({ nodes: [{ ...node, server: { ...node.server!, settings } }, standby('node2'), standby('node3')] }))).toMatchObject({ id: 'fsync-off', level: 'critical', hazard: 'M13', evidence: ['set by /srv/pg/postgresql.conf:12'] });
});

test('a login is only tried, never judged, where the machine did not answer', () => {
  const document = judgeDoctor(topologyOf(), given({ logins: [login('node2', 'node1', { kind: 'not-tried', why: 'no answer in time' }), login('node3', 'node1', IN)] }), { rules: RULES, node: null });
  expect(document.logins.map(({ result, reason, says }) => [result, reason, says])).toEqual([['unknown', 'not-tried', 'no answer in time'], ['ok', null, null]]);
  expect(document.findings).toEqual([]);
});

test('F12 roles and databases whose commits do not wait are named, F07 a wildcard too; where no commit waits at all, nobody is', () => {
  const levels = [{ of: 'role app in database shop', value: 'off' }, { of: 'database log', value: 'local' }, { of: 'role safe', value: 'remote_apply' }];
  const at = (value: string): DoctorFacts => given({ nodes: [primary('node1', ['node2', 'node3'], { settings: { synchronous_standby_names: value } }), standby('node2'), standby('node3')], servers: { node1: extras({ commitLevels: levels }) } });
  expect(only(synchronous, at('ANY 1 (node2, node3)'))).toMatchObject({ id: 'commit-levels', hazard: 'F12', says: 'commits on node1 wait for ANY 1 ("node2", "node3"), but not those of role app in database shop (off), database log (local)' });
  expect(found(synchronous, at('*'))).toEqual(found(synchronous, at('FIRST 1 (*)')));
  expect(synchronous.judge(at('*')).map(({ id }) => id)).toEqual(['sync-anybody', 'commit-levels']);
  expect(synchronous.judge(at(''))).toEqual([]);
});

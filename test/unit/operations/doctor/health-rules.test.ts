import { expect, test } from 'vitest';
import { ratesOf } from '../../../../src/operations/doctor/rates.ts';
import type { DoctorFacts, Rates, ServerExtras } from '../../../../src/operations/doctor/facts.ts';
import type { Rule } from '../../../../src/operations/doctor/rule.ts';
import { collations } from '../../../../src/operations/doctor/rules/collations.ts';
import { configuration } from '../../../../src/operations/doctor/rules/configuration.ts';
import { dataDirectory } from '../../../../src/operations/doctor/rules/data-directory.ts';
import { drift } from '../../../../src/operations/doctor/rules/drift.ts';
import { hba } from '../../../../src/operations/doctor/rules/hba.ts';
import { libraries } from '../../../../src/operations/doctor/rules/libraries.ts';
import { logicalSlots } from '../../../../src/operations/doctor/rules/logical-slots.ts';
import { minors } from '../../../../src/operations/doctor/rules/minors.ts';
import { parameters } from '../../../../src/operations/doctor/rules/parameters.ts';
import { passwords } from '../../../../src/operations/doctor/rules/passwords.ts';
import { replay } from '../../../../src/operations/doctor/rules/replay.ts';
import { rewind } from '../../../../src/operations/doctor/rules/rewind.ts';
import { services } from '../../../../src/operations/doctor/rules/services.ts';
import { slots } from '../../../../src/operations/doctor/rules/slots.ts';
import { timeouts } from '../../../../src/operations/doctor/rules/timeouts.ts';
import { unlogged } from '../../../../src/operations/doctor/rules/unlogged.ts';
import { vacuum } from '../../../../src/operations/doctor/rules/vacuum.ts';
import { wal } from '../../../../src/operations/doctor/rules/wal.ts';
import { xmin } from '../../../../src/operations/doctor/rules/xmin.ts';
import type { DatabaseHealth, FileHealth, FileRule, FileSetting, OwnSetting, Pulse, ServerHealth, SlotHealth, XminHolder } from '../../../../src/postgres/health.ts';
import { parseLsn } from '../../../../src/postgres/lsn.ts';
import { IDLE_DATABASE, IDLE_FILES, IDLE_HEALTH } from '../../../support/idle-health.ts';
import { primary, sender, standby, stopped, topologyOf, type ServerWords } from '../status-facts.ts';
import { extras, found, given, machine, only, type Given } from './doctor-facts.ts';

const GB = 1024 ** 3;

interface Told extends Partial<Omit<ServerExtras, 'health' | 'files' | 'databases'>> {
  readonly health?: Partial<ServerHealth>;
  readonly files?: Partial<FileHealth>;
  readonly databases?: readonly Partial<DatabaseHealth>[];
}

function told({ health = {}, files = {}, databases, ...more }: Told = {}): ServerExtras {
  return extras({ health: { ...IDLE_HEALTH, ...health }, files: { ...IDLE_FILES, ...files }, databases: databases?.map((one) => ({ ...IDLE_DATABASE, ...one })) ?? null, ...more });
}

/** node1 is the primary and node2 its standby. */
function pair(one: Told = {}, two: Told = {}, words: { readonly primary?: ServerWords; readonly standby?: ServerWords } & Partial<Given> = {}): DoctorFacts {
  const { primary: ours = {}, standby: theirs = {}, ...more } = words;
  return given({ topology: topologyOf(['node1', 'node2']), nodes: [primary('node1', ['node2'], ours), standby('node2', 5433, theirs)], servers: { node1: told(one), node2: told(two) }, machines: { node1: machine(), node2: machine() }, ...more });
}

function own(name: string, value: string, more: Partial<OwnSetting> = {}): OwnSetting {
  return { name, value, unit: null, source: 'configuration file', file: '/srv/pg/postgresql.conf', line: 3, pendingRestart: false, byDefault: null, ...more };
}

function slotOf(name: string, more: Partial<SlotHealth> = {}): SlotHealth {
  return { name, type: 'physical', database: null, temporary: false, active: true, activePid: 100, sessionSeconds: 60, restartLsn: parseLsn('0/5000148'), walStatus: 'reserved', safeBytes: null, retainedBytes: 0, xminAge: null, catalogXminAge: null, inactiveSeconds: null, invalidationReason: null, failover: null, synced: null, ...more };
}

function holder(more: Partial<XminHolder> = {}): XminHolder {
  return { kind: 'session', id: '4711', user: 'app', database: 'shop', application: 'report', state: 'active', xidAge: 10, seconds: 3_600, ...more };
}

function fileLine(name: string, value: string, file: string, more: Partial<FileSetting> = {}): FileSetting {
  return { name, value, file: `/srv/pg/${file}`, line: 1, applied: true, error: null, ...more };
}

function hbaRule(more: Partial<FileRule> = {}): FileRule {
  return { file: null, line: 7, type: 'host', databases: ['all'], users: ['all'], address: '10.0.0.0', mask: '255.0.0.0', method: 'trust', options: [], error: null, ...more };
}

const RATES: Rates = { seconds: 0.5, walBytesPerSecond: 1024 ** 2, xidsPerSecond: 100, keptPerSecond: {} };

test('two looks give rates: of what is written, of transactions, and of what is kept for each slot', () => {
  const at = (seconds: number, lsn: string, xid: bigint, slot: string): Pulse => ({ at: seconds, lsn: parseLsn(lsn), nextXid: xid, slots: { s: parseLsn(slot) } });
  expect(ratesOf(at(10, '0/1000000', 700n, '0/1000000'), at(12, '0/1000200', 704n, '0/1000080'))).toEqual({ seconds: 2, walBytesPerSecond: 256, xidsPerSecond: 2, keptPerSecond: { s: 192 } });
  expect(ratesOf(at(10, '0/1000000', 700n, '0/1000000'), at(9, '0/1000200', 704n, '0/1000080'))).toBeNull();
});

test('A04 a standby that is higher than another node would break it when promoted', () => {
  const nodes = [primary('node1', ['node2', 'node3'], { settings: { max_connections: '100' } }), standby('node2', 5433, { settings: { max_connections: '300' } }), standby('node3')];
  const facts = given({ nodes, servers: { node1: told(), node2: told(), node3: told() } });
  expect(only(parameters, facts)).toMatchObject({ id: 'parameter-higher', node: 'node2', hazard: 'A04', says: 'node2 has higher settings than node1 and node3: promoted, it would break their replay', evidence: ['max_connections: 300 on node2, 100 on node1', 'max_connections: 300 on node2, 100 on node3'] });
});

test.each<readonly [string, string, DoctorFacts]>([
  ['A05 wal_level', 'critical wal-level-minimal node1', pair({}, {}, { primary: { settings: { wal_level: 'minimal' } } })],
  ['A07 senders', 'warning senders-few node1', pair({}, {}, { primary: { settings: { max_wal_senders: '3' } }, standby: { settings: { max_wal_senders: '3' } } })],
  ['A07 slots', 'warning slots-few node1', pair({ health: { slots: [slotOf('node2')] } }, {}, { primary: { settings: { max_replication_slots: '1' } } })],
  ['I09 a candidate without senders', 'warning candidate-too-small node2', pair({}, {}, { standby: { settings: { max_replication_slots: '0' } } })],
  ['A08 slots that the next start does not allow', 'critical slots-over-limit node1', pair({ health: { slots: [slotOf('node2')], settings: [own('max_replication_slots', '10', { pendingRestart: true })] }, files: { settings: [fileLine('max_replication_slots', '0', 'postgresql.auto.conf')] } }, {}, { primary: { settings: { max_replication_slots: '10' } } })],
  ['A14 what waits for a restart', 'warning restart-pending node1', pair({ health: { settings: [own('shared_buffers', '16384', { pendingRestart: true })] } })],
  ['A13 a recovery target on a standby', 'critical recovery-target node2', pair({}, { health: { settings: [own('recovery_target_time', '2026-01-01')] } })],
  ['A13 a recovery target on a primary', 'warning recovery-target node1', pair({ health: { settings: [own('recovery_target', 'immediate')] } })],
  ['J04 a timeline that stays', 'warning target-timeline node2', pair({}, {}, { standby: { settings: { recovery_target_timeline: 'current' } } })],
  ['A24 slots that logical replication waits for', 'critical standby-slots-away node1', pair({ health: { slots: [slotOf('node2', { active: false })] } }, {}, { primary: { settings: { synchronized_standby_slots: 'node2' } } })],
  ['A16 ALTER SYSTEM', 'info alter-system-off node1', pair({}, {}, { primary: { settings: { allow_alter_system: 'off' } } })],
])('%s', (_, says, facts) => {
  expect(found(parameters, facts)).toEqual([says]);
});

test('B01 A09 a line that fails at the next start, in either file, with file and line', () => {
  const facts = pair({ files: { settings: [fileLine('wal_keep_segments', '10', 'postgresql.conf', { line: 12, applied: false, error: 'unrecognized configuration parameter' })], hba: [hbaRule({ error: 'invalid IP mask', method: null })] } });
  expect(configuration.judge(facts)).toMatchObject([
    { id: 'configuration-broken', level: 'critical', hazard: 'B01', says: 'the next restart of node1 fails: /srv/pg/postgresql.conf:12 is wrong', evidence: ['/srv/pg/postgresql.conf:12: wal_keep_segments: unrecognized configuration parameter'] },
    { id: 'hba-broken', level: 'critical', evidence: ['line 7: invalid IP mask'] },
  ]);
});

test('A15 a line of ours that postgresql.auto.conf or the command line wins over; one that says the same is none', () => {
  const block = { hba: { file: '/srv/pg/pg_hba.conf', text: '# pgrepl begin shop - rendered\n', loaded: true } };
  const lines = [fileLine('wal_keep_size', '1024MB', 'pgrepl.conf'), fileLine('max_wal_senders', '10', 'pgrepl.conf'), fileLine('wal_keep_size', '16MB', 'postgresql.auto.conf', { line: 2 }), fileLine('max_wal_senders', '10', 'postgresql.auto.conf')];
  expect(only(configuration, pair({ ...block, files: { settings: lines } }))).toMatchObject({ id: 'setting-overridden', hazard: 'A15', evidence: ['/srv/pg/pgrepl.conf:1 says wal_keep_size = 1024MB, /srv/pg/postgresql.auto.conf:2 says 16MB'], next: ['ALTER SYSTEM RESET wal_keep_size', 'SELECT pg_reload_conf()'] });
  const typed = pair({ ...block, health: { settings: [own('port', '5555', { source: 'command line', file: null })] }, files: { settings: [fileLine('port', '5433', 'pgrepl.conf')] } });
  expect(only(configuration, typed).evidence).toEqual(['/srv/pg/pgrepl.conf:1 says port = 5433, the command line of the server says 5555']);
});

test('B20 the block of pgrepl that somebody took away', () => {
  expect(found(configuration, pair({ files: { settings: [fileLine('port', '5433', 'pgrepl.conf')] } }))).toEqual(['warning configuration-put-back node1']);
});

test.each<{ readonly name: string; readonly says: readonly string[]; readonly one: Told; readonly words?: ServerWords }>([
  { name: 'C22 trust from other machines', says: ['critical hba-trust node1'], one: { files: { hba: [hbaRule({ databases: ['replication'] })] } } },
  { name: 'trust on the own machine', says: [], one: { files: { hba: [hbaRule({ address: '127.0.0.1', mask: '255.255.255.255' }), hbaRule({ type: 'local', address: null, mask: null }), hbaRule({ address: '::1' })] } } },
  { name: 'C22 trust from everywhere, that begins at the own machine', says: ['critical hba-trust node1'], one: { files: { hba: [hbaRule({ address: '127.0.0.1', mask: '0.0.0.0' })] } } },
  { name: 'C18 hostssl without ssl', says: ['warning hba-hostssl-without-ssl node1'], one: { files: { hba: [hbaRule({ type: 'hostssl', method: 'scram-sha-256' })] } }, words: { settings: { ssl: 'off' } } },
  { name: 'C21 names of machines', says: ['info hba-names node1'], one: { files: { hba: [hbaRule({ address: 'db2.example.net', mask: null, method: 'scram-sha-256' })] } } },
  { name: 'B04 a quoted keyword', says: ['warning hba-quoted-replication node1'], one: { hba: { file: '/srv/pg/pg_hba.conf', text: 'host "replication" all all scram-sha-256\n', loaded: true } } },
])('$name', ({ says, one, words = {} }) => {
  expect(found(hba, pair(one, {}, { primary: words }))).toEqual(says);
});

test('C06 passwords as MD5: a warning for the replication role', () => {
  expect(found(passwords, pair({ files: { md5Roles: ['app'] } }, { files: { md5Roles: ['app'] } }))).toEqual(['info password-md5 node1']);
  expect(found(passwords, pair({ files: { md5Roles: ['app', 'replicator'] } }))).toEqual(['warning password-md5 node1']);
});

test.each<readonly [string, readonly string[], DoctorFacts]>([
  ['E06 a slot that nobody uses and that holds rows', ['critical slot-holds-xmin node1'], pair({ health: { slots: [slotOf('node2', { active: false, xminAge: 5_000 })] } })],
  ['D13 a slot without a position', ['warning slot-without-position node1'], pair({ health: { slots: [slotOf('node2', { active: false, restartLsn: null, walStatus: null })] } })],
  ['E08 a slot on a standby', ['warning slot-on-standby node2'], pair({}, { health: { slots: [slotOf('node1', { active: false, retainedBytes: GB })] } })],
  ['E18 a temporary slot of two days', ['warning slot-of-long-backup node1'], pair({ health: { slots: [slotOf('pg_basebackup_1', { temporary: true, sessionSeconds: 200_000 })] } })],
  ['E04 a slot that the next checkpoint gives up', ['warning slot-idle-timeout node1'], pair({ health: { slots: [slotOf('node2', { active: false, inactiveSeconds: 600 })] } }, {}, { primary: { settings: { idle_replication_slot_timeout: '3600' } } })],
  ['E11 one slot for two', ['critical slot-shared node3'], given({ nodes: [primary('node1', ['node2', 'node3']), standby('node2'), standby('node3', 5433, { settings: { primary_slot_name: 'node2' } })], servers: { node1: told(), node2: told(), node3: told() } })],
  ['E15 nothing is kept', ['warning nothing-kept node2'], pair({}, {}, { primary: { slots: [], settings: { wal_keep_size: '0' } } })],
  ['slots in use', [], pair({ health: { slots: [slotOf('node2', { xminAge: 5_000 })] } })],
])('%s', (_, says, facts) => {
  expect(found(slots, facts)).toEqual(says);
});

test('E12 E13 logical slots: alone on the primary, or for failover and not on the standby, with what is missing', () => {
  const logical = slotOf('sub', { type: 'logical', database: 'shop' });
  expect(found(logicalSlots, pair({ health: { slots: [logical] } }))).toEqual(['warning logical-slot-stays node1']);
  const facts = pair({ health: { slots: [{ ...logical, failover: true }] } }, {}, { primary: { settings: { wal_level: 'logical' } }, standby: { settings: { sync_replication_slots: 'on', hot_standby_feedback: 'off' } } });
  expect(only(logicalSlots, facts)).toMatchObject({ id: 'logical-slot-not-synced', node: 'node2', evidence: ['hot_standby_feedback is off', 'primary_conninfo names no dbname'] });
  expect(found(logicalSlots, pair({ health: { slots: [{ ...logical, failover: true }] } }, { health: { slots: [{ ...logical, failover: true, synced: true, active: false }] } }))).toEqual([]);
});

test('E01 E17 WAL that nobody lets go of: how long the disk lasts at the rate that was measured', () => {
  const at = (freeBytes: number, rates: Rates | null, more: Partial<ServerHealth>): DoctorFacts => {
    const space = { path: '/srv/pg/pg_wal', totalBytes: 100 * GB, freeBytes, device: '1' };
    return pair({ rates, health: more }, {}, { machines: { node1: machine({ wal: space, data: space }) }, primary: { settings: { max_slot_wal_keep_size: '-1' } } });
  };
  const unused = { slots: [slotOf('node2', { active: false, retainedBytes: GB })] };
  expect(only(wal, at(100 * 1024 ** 2, RATES, unused))).toMatchObject({ id: 'wal-kept', level: 'critical', hazard: 'E01', says: 'slot "node2" keeps 1 GB of WAL on node1 and lets go of none: its disk is full in about 100 s at the rate of now' });
  expect(found(wal, at(10 * GB, RATES, unused))).toEqual(['warning wal-kept node1']);
  expect(found(wal, at(1000 * GB, RATES, unused))).toEqual(['info wal-kept node1']);
  expect(only(wal, at(10 * GB, { ...RATES, walBytesPerSecond: 0 }, unused)).says).toContain('nothing is written now');
  const archive = { archiver: { ...IDLE_HEALTH.archiver, mode: 'on', ready: 64, lastFailedFile: '000000010000000000000005' } };
  expect(only(wal, at(10 * GB, RATES, archive))).toMatchObject({ hazard: 'E17', says: 'the archive (64 files wait) keeps 1 GB of WAL on node1 and lets go of none: its disk is full in about 3 h at the rate of now' });
  expect(found(wal, at(10 * GB, RATES, { slots: [slotOf('node2', { retainedBytes: GB })] }))).toEqual([]);
});

test('E01 a limit that lets go of a slot before the disk is full is no danger for the disk', () => {
  expect(found(wal, pair({ rates: RATES, health: { slots: [slotOf('node2', { active: false, retainedBytes: 1024 })] } }))).toEqual([]);
});

test('E03 a slot that is lost soon, also one whose reader is too slow', () => {
  const of = (more: Partial<SlotHealth>, grows: number): readonly string[] => found(wal, pair({ rates: { ...RATES, keptPerSecond: { node2: grows } }, health: { slots: [slotOf('node2', { safeBytes: GB, ...more })] } }));
  expect(of({ active: false }, 1024 ** 2)).toEqual(['critical slot-running-out node1']);
  expect(of({}, 1024 ** 2)).toEqual(['warning slot-running-out node1']);
  expect(of({ active: false }, 1_000)).toEqual([]);
  expect(of({}, -1_000_000)).toEqual([]);
});

test.each<readonly [string, string, Partial<XminHolder>]>([
  ['E06 a session of an hour', 'warning session-holds-xmin node1', {}],
  ['E06 a short one by which a million transactions went', 'warning session-holds-xmin node1', { seconds: 5, xidAge: 2_000_000 }],
  ['H14 a prepared transaction', 'warning prepared-forgotten node1', { kind: 'prepared', id: "it's", seconds: 400 }],
])('%s', (_, says, more) => {
  expect(found(xmin, pair({ health: { holders: [holder(more)] } }))).toEqual([says]);
  expect(found(xmin, pair({ health: { holders: [holder({ ...more, seconds: 3, xidAge: 10 })] } }))).toEqual([]);
});

test('L03 a standby holds rows by its feedback, and its oldest query is named', () => {
  const finding = only(xmin, pair({ health: { slots: [slotOf('node2', { xminAge: 300 })] } }, { health: { holders: [holder({ seconds: 7_200 })] } }));
  expect(finding).toMatchObject({ id: 'feedback-holds-xmin', node: 'node2', hazard: 'L03', evidence: ['slot "node2": xmin 300 transactions old', 'on node2: pid 4711: app in "shop" (report), active, 2 h, 10 transactions'], next: ['SELECT pg_terminate_backend(4711)'] });
  expect(found(xmin, pair({ health: { holders: [holder({ kind: 'walsender', application: 'node2', xidAge: 3_000_000 })] } }))).toEqual(['warning feedback-holds-xmin node2']);
});

test('E06 ages: quiet until autovacuum would have acted, then by what is left, with the time at the rate of now', () => {
  const at = (xidAge: number, multixactAge = 0): DoctorFacts => pair({ rates: RATES, databases: [], health: { databases: [{ name: 'shop', xidAge, multixactAge, lets: true, collate: 'C', conflicts: 0 }] } });
  expect(found(vacuum, at(500_000_000))).toEqual([]);
  expect(found(vacuum, at(700_000_000))).toEqual(['warning xid-age node1']);
  expect(only(vacuum, at(1_500_000_000))).toMatchObject({ level: 'critical', says: 'the oldest transaction id of database "shop" on node1 is 1,500,000,000 transactions old: 644,483,648 are left before it takes no more writes, about 75 days at 100 a second' });
  expect(found(vacuum, at(0, 1_500_000_000))).toEqual(['critical multixact-age node1']);
});

test('tables to which autovacuum does not come, and those where it is off', () => {
  const table = { name: 'public.t', deadRows: 50_000, liveRows: 1_000, threshold: 250, xidAge: 20, vacuumedSeconds: null, isOff: true };
  expect(only(vacuum, pair({ databases: [{ name: 'shop', tables: [table] }] }))).toMatchObject({ id: 'vacuum-behind', evidence: ['public.t: 50,000 dead rows beside 1,000 living ones, autovacuum comes at 250; last vacuumed never'], next: ['ALTER TABLE public.t RESET (autovacuum_enabled)', "vacuumdb -d 'shop' -t 'public.t'"] });
});

test.each<readonly [string, readonly string[], DoctorFacts]>([
  ['L01 few conflicts', ['info replication-conflicts node2'], pair({}, { health: { databases: [{ name: 'shop', xidAge: 1, multixactAge: 0, lets: true, collate: 'C', conflicts: 3 }] } })],
  ['L01 many conflicts', ['warning replication-conflicts node2'], pair({}, { health: { databases: [{ name: 'shop', xidAge: 1, multixactAge: 0, lets: true, collate: 'C', conflicts: 300 }] } })],
  ['L02 no limit', ['info replay-waits-without-limit node2'], pair({}, { health: { settings: [own('max_standby_streaming_delay', '-1')] } })],
  ['L02 no limit and a long query', ['warning replay-waits-without-limit node2'], pair({}, { health: { settings: [own('max_standby_streaming_delay', '-1')], holders: [holder()] } })],
  ['L08 readers behind a lock', ['warning readers-wait-for-replay node2'], pair({}, { health: { behindReplayLock: 2 } })],
  ['L05 a delay', ['info delayed-standby node2'], pair({}, {}, { standby: { settings: { recovery_min_apply_delay: '3600' } } })],
  ['F10 remote_apply and a pause', ['critical commits-wait-for-replay node2'], pair({}, {}, { primary: { settings: { synchronous_commit: 'remote_apply' }, senders: [sender('node2', { syncState: 'sync' })] }, standby: { replayPause: 'paused' } })],
])('%s', (_, says, facts) => {
  expect(found(replay, facts)).toEqual(says);
});

test('a standby that differs: what is meant, what follows the machine, what concerns the archive', () => {
  const one = { health: { settings: [own('work_mem', '8192', { unit: 'kB', byDefault: '4096' }), own('shared_buffers', '999', { byDefault: '16384' }), own('archive_mode', 'on', { byDefault: 'off' }), own('port', '1'), own('random_page_cost', '1.1')] } };
  const two = { health: { settings: [own('port', '2'), own('random_page_cost', '1.1'), own('max_connections', '500')] } };
  expect(found(drift, pair(one, two))).toEqual(['warning settings-differ node2', 'warning archive-differs node2', 'info sizes-differ node2']);
  expect(drift.judge(pair(one, two))[0]?.evidence).toEqual(['work_mem: 8192kB (/srv/pg/postgresql.conf:3) on node1, 4096 (default) on node2']);
  expect(found(drift, pair(one, two, { topology: topologyOf(['node1', 'node2'], { node2: { set: { work_mem: '4MB', archive_mode: 'off', shared_buffers: '128MB' } } }) }))).toEqual([]);
});

test('D27 D36 text that is sorted otherwise: by what a database remembers, by the libraries, by the processor', () => {
  expect(found(collations, pair({}, { health: { collationMismatches: ['shop (made with 2.28, here 2.36)'] } }))).toEqual(['critical collation-mismatch node2']);
  const sorted = { health: { databases: [{ name: 'shop', xidAge: 1, multixactAge: 0, lets: true, collate: 'en_US.UTF-8', conflicts: 0 }] } };
  expect(found(collations, pair(sorted, { health: { collations: { libc: '2.28', icu: '153.120' } } }))).toEqual(['warning collation-libraries-differ node2']);
  expect(found(collations, pair({}, { health: { collations: { libc: '2.28', icu: '153.120' } } }))).toEqual(['info collation-libraries-differ node2']);
  expect(found(collations, pair({}, {}, { machines: { node1: machine(), node2: machine({ architecture: 'aarch64' }) } }))).toEqual(['warning processors-differ node2']);
});

test('D29 H16 libraries that a node lacks, other versions, and unlogged tables', () => {
  const uses = { databases: [{ name: 'shop', extensions: [{ name: 'postgis', version: '3.4' }], libraries: ['plpgsql', 'postgis-3'], unlogged: ['public.cache'] }], files: { libraries: ['plpgsql', 'postgis-3'] }, health: { available: { postgis: '3.4' } } };
  expect(libraries.judge(pair(uses, {}))).toMatchObject([{ id: 'library-missing', level: 'critical', node: 'node2', evidence: ['library postgis-3 is not there', 'extension postgis 3.4 is not there'] }]);
  expect(found(libraries, pair(uses, { files: { libraries: ['plpgsql', 'postgis-3'] }, health: { available: { postgis: '3.3' } } }))).toEqual(['warning extension-versions node2']);
  expect(only(unlogged, pair(uses))).toMatchObject({ level: 'info', hazard: 'H16', evidence: ['shop.public.cache'] });
});

test.each<readonly [string, Rule, readonly string[], DoctorFacts]>([
  ['J10 neither checksums nor hints', rewind, ['warning rewind-refused node1'], pair({}, {}, { primary: { settings: { data_checksums: 'off', wal_log_hints: 'off' } } })],
  ['J14 no old WAL', rewind, ['info rewind-without-wal node1'], pair({}, {}, { primary: { settings: { wal_keep_size: '0' } } })],
  ['J19 a log inside', rewind, ['info log-in-data-directory node1'], pair({ files: { logDirectory: { path: 'log', inside: true } } })],
  ['M18 timeouts', timeouts, ['warning timeout-off node1', 'warning timeout-off node2'], pair({}, {}, { primary: { settings: { wal_sender_timeout: '0' } }, standby: { settings: { wal_receiver_timeout: '0' } } })],
  ['A12 recovery.conf', dataDirectory, ['critical recovery-conf node2'], pair({}, {}, { machines: { node2: machine({ entries: ['recovery.conf', 'standby.signal'] }) } })],
  ['a signal file in a running primary', dataDirectory, ['critical signal-in-primary node1'], pair({}, {}, { machines: { node1: machine({ entries: ['standby.signal'] }) } })],
  ['D33 backup_label', dataDirectory, ['warning backup-label node1'], pair({}, {}, { machines: { node1: machine({ entries: ['backup_label'] }) } })],
  ['A11 promote_trigger_file', dataDirectory, ['warning promote-trigger node2'], pair({}, {}, { standby: { settings: { promote_trigger_file: '/tmp/go' } } })],
  ['M05 a unit of another directory', services, ['warning service-unclear node2'], pair({}, {}, { machines: { node2: machine({ service: null, serviceTrouble: { code: 'service-contradicts', message: 'the unit is for another', hint: null } }) } })],
  ['M04 disabled', services, ['warning start-disabled node2'], pair({}, {}, { machines: { node2: machine({ service: { manager: 'debian', pair: { version: '15', name: 'main', start: 'disabled' } } }) } })],
  ['M06 restarts', services, ['info service-restarts node2'], pair({}, {}, { machines: { node2: machine({ service: { manager: 'systemd', unit: 'pg.service', restarts: true, sudo: false, pair: null } }) } })],
  ['I01 an old primary that may start', services, ['critical old-primary-may-start node2'], pair({}, {}, { nodes: [primary('node1', []), stopped('node2')], machines: { node2: machine({ service: { manager: 'systemd', unit: 'pg.service', restarts: false, sudo: false, pair: null } }) } })],
  ['E16 an old minor', minors, ['warning minor-old node1'], pair({}, {}, { primary: { versionNumber: 150_013, version: '15.13' } })],
  ['a new minor', minors, [], pair({}, {}, { primary: { versionNumber: 180_001, version: '18.1' } })],
])('%s', (_, rule, says, facts) => {
  expect(found(rule, facts)).toEqual(says);
});

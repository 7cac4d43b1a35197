import { isLoopback } from '../../src/postgres/address.ts';
import { parseConninfo } from '../../src/postgres/conninfo.ts';
import { features } from '../../src/postgres/features.ts';
import { matchHba, parseHba, type HbaLine } from '../../src/postgres/hba-file.ts';
import { parseLsn, renderLsn, type Lsn } from '../../src/postgres/lsn.ts';
import { findPassword } from '../../src/postgres/passfile.ts';
import { verifierMatches } from '../../src/postgres/scram.ts';
import { renderTimelineId } from '../../src/postgres/timeline.ts';
import { settingBytes } from '../../src/postgres/units.ts';
import { majorOf } from '../../src/postgres/version.ts';
import { Secret } from '../../src/secret.ts';
import { configFileFor, fileOf } from './fake-debian.ts';
import { DataDirectory, recordAt, type WalRecord } from './fake-data-directory.ts';
import { diskOf, machineNamed, nextNumber, serverIn, settingOf, type FleetState, type ReceiverState, type RunningServer } from './fake-fleet.ts';
import { startProcess, type MachineState } from './fake-host.ts';
import { readConfiguration, settingsAtReload, settingsAtStart } from './fake-settings.ts';

/** The server did not come up; what its log says. */
export class StartFailed extends Error {}

/** A login over TCP, as the server judges it. */
export interface TcpLogin {
  readonly from: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** `null`: none to give. */
  readonly password: Secret | null;
}

export type Admission = { readonly server: RunningServer; readonly clientAddress: string } | { readonly trouble: string };

/** Longest that a stopping primary waits for a standby that takes nothing (wal_sender_timeout). */
const SENDER_TIMEOUT_MS = 60_000;

/** PostgreSQL as far as replication goes, over the disks of a fleet. Its own acts are no changes of pgrepl and are not counted. */
export class Postgres {
  readonly #fleet: FleetState;

  constructor(fleet: FleetState) {
    this.#fleet = fleet;
  }

  files(server: Pick<RunningServer, 'machine' | 'directory'>): DataDirectory {
    return new DataDirectory(diskOf(this.#fleet, server.machine), server.directory);
  }

  /** Starts a server as `pg_ctl start` does, up to the moment when it accepts sessions. Throws `StartFailed`. */
  start(machineName: string, directory: string, options: { readonly configFile?: string | null; readonly versionNumber: number }): RunningServer {
    const machine = machineNamed(this.#fleet, machineName);
    const configFile = configFileFor(diskOf(this.#fleet, machineName), directory, options.configFile ?? null);
    const { standby } = this.judgeStart(machineName, directory, { ...options, configFile });
    if (standby) this.#noteDestroyedEvidence(machineName, directory);
    const data = new DataDirectory(diskOf(this.#fleet, machineName), directory);
    const root = data.disk.find(directory);
    if (root === null) throw new StartFailed(`${directory} does not exist`);
    if (serverIn(this.#fleet, machineName, directory) !== null) throw new StartFailed('lock file "postmaster.pid" already exists');

    const major = majorOf(options.versionNumber);
    const settings = settingsAtStart(readConfiguration(data.disk, directory, configFile, major), major, fixedSettings(data, options.versionNumber));
    const port = Number(settings.get('port')?.value);
    const taken = [...this.#fleet.servers.values()].find((other) => other.machine === machineName && Number(settingOf(other, 'port')) === port);
    if (taken !== undefined) throw new StartFailed(`could not bind: port ${port} is taken by ${taken.directory}`);

    // Crash recovery, or what a base backup needs: all that is in pg_wal is replayed.
    const upTo = parseLsn(data.catalog().upTo);
    for (const record of data.records()) if (record.start >= upTo) data.apply(record);
    const end = data.end();
    const timeline = data.walTimeline();
    if (data.has('backup_label')) {
      data.write('backup_label.old', data.read('backup_label') ?? '');
      data.remove('backup_label');
    }
    const process = startProcess(machine, { command: `/usr/lib/postgresql/${major}/bin/postgres -D ${directory}`, directory: root, guarded: false });
    const now = this.#fleet.now;
    const server: RunningServer = {
      number: nextNumber(this.#fleet),
      machine: machineName,
      pid: process.pid,
      directory,
      root,
      configFile,
      versionNumber: options.versionNumber,
      startedAt: now * 1000 + process.pid,
      systemIdentifier: data.control()?.systemIdentifier ?? '',
      inRecovery: standby,
      timeline,
      promoteRequested: false,
      checkpointDue: false,
      stopping: null,
      settings,
      hba: data.disk.text(fileOf(data.disk, directory, configFile, 'hba_file')) ?? '',
      loaded: data.disk.tick(),
      replayed: end,
      received: null,
      receiver: null,
      trouble: null,
      frozen: false,
      replayPaused: false,
      advisory: new Map(),
    };
    this.#fleet.servers.set(server.number, server);
    data.setControl(
      standby
        ? { state: 'in archive recovery', minRecoveryLsn: end, minRecoveryTimeline: timeline }
        : { state: 'in production', minRecoveryLsn: null, minRecoveryTimeline: null, walLevel: settingOf(server, 'wal_level'), walLogHints: settingOf(server, 'wal_log_hints') === 'on', required: requiredOf(server) },
    );
    data.write(
      'postmaster.pid',
      [process.pid, directory, Math.floor(now / 1000), port, settingOf(server, 'unix_socket_directories'), settingOf(server, 'listen_addresses').split(',')[0] ?? '', '1234', 'ready   ', ''].join('\n'),
    );
    return server;
  }

  /** What would come up if this directory were started now, whoever holds its port. Throws `StartFailed` when nothing would. */
  judgeStart(machineName: string, directory: string, options: { readonly configFile: string | null; readonly versionNumber: number }): { readonly standby: boolean } {
    const data = new DataDirectory(diskOf(this.#fleet, machineName), directory);
    const entry = data.disk.find(directory);
    if (entry?.kind !== 'directory') throw new StartFailed(`could not access directory "${directory}"`);
    if (entry.mode !== 0o700 && entry.mode !== 0o750) throw new StartFailed(`data directory "${directory}" has invalid permissions (${entry.mode.toString(8)})`);
    const major = majorOf(options.versionNumber);
    if (data.read('PG_VERSION')?.trim() !== String(major)) throw new StartFailed(`"${directory}" is not a data directory of PostgreSQL ${major}`);
    const { errors, softErrors, values } = readConfiguration(data.disk, directory, configFileFor(data.disk, directory, options.configFile), major);
    const wrong = [...errors, ...softErrors][0];
    if (wrong !== undefined) throw new StartFailed(`configuration file "${wrong.file ?? '?'}" line ${wrong.line ?? '?'}: ${wrong.error}`);
    const reserved = Number(values.get('superuser_reserved_connections')?.value ?? '3');
    const connections = Number(values.get('max_connections')?.value ?? '100');
    if (reserved >= connections) throw new StartFailed(`superuser_reserved_connections (${reserved}) must be less than max_connections (${connections})`);
    const hba = parseRules(data.disk.text(fileOf(data.disk, directory, configFileFor(data.disk, directory, options.configFile), 'hba_file')), options.versionNumber).find((line) => line.error !== null);
    if (hba !== undefined) throw new StartFailed(`could not load pg_hba.conf: line ${hba.line}: ${hba.error ?? ''}`);
    const control = data.control();
    if (control === null) throw new StartFailed('could not find the database system (no pg_control)');
    if (!data.has('pg_wal/records')) throw new StartFailed('could not locate a valid checkpoint record');
    const standby = data.has('standby.signal');
    if (standby) {
      for (const [name, needed] of Object.entries(control.required)) {
        const own = Number(values.get(name)?.value ?? settingsAtStart({ values, errors, softErrors }, major, {}).get(name)?.value);
        if (own < needed) throw new StartFailed(`recovery aborted because of insufficient parameter settings: ${name} = ${own} is a lower setting than on the primary server, where its value was ${needed}`);
      }
    }
    return { standby };
  }

  /** A standby that has records which the running primary does not have writes over them with its first start, and nobody can tell any more (hazards J01, J25). */
  #noteDestroyedEvidence(machineName: string, directory: string): void {
    const data = new DataDirectory(diskOf(this.#fleet, machineName), directory);
    const id = data.control()?.systemIdentifier;
    const primary = [...this.#fleet.servers.values()].find((server) => server.systemIdentifier === id && !server.inRecovery);
    if (primary === undefined) return;
    const theirs = new Set((this.files(primary).read('pg_wal/records') ?? '').split('\n'));
    if ((data.read('pg_wal/records') ?? '').split('\n').some((line) => !theirs.has(line))) this.#fleet.violations.push(`${directory} was started as a standby with a log that ${primary.directory} does not have`);
  }

  /** SIGINT: sessions end now, the rest goes on with the clock. */
  stopFast(server: RunningServer): void {
    if (server.stopping !== null) return;
    server.stopping = { since: this.#fleet.now, recordWritten: false };
    server.advisory.clear();
    server.receiver = null;
  }

  /** SIGKILL: nothing is written any more, and the pid file stays. */
  kill(server: RunningServer): void {
    this.#end(server);
  }

  /** SIGHUP. True when the files were taken over; a broken one leaves everything as it was, and says nothing. */
  reload(server: RunningServer): boolean {
    const data = this.files(server);
    const before = [settingOf(server, 'primary_conninfo'), settingOf(server, 'primary_slot_name')].join('\n');
    const hba = data.disk.text(fileOf(data.disk, server.directory, server.configFile, 'hba_file'));
    if (hba !== null && parseRules(hba, server.versionNumber).every((line) => line.error === null)) server.hba = hba;
    const read = readConfiguration(data.disk, server.directory, server.configFile, majorOf(server.versionNumber));
    if (read.errors.length > 0) return false;
    settingsAtReload(server.settings, read, majorOf(server.versionNumber));
    server.loaded = data.disk.tick();
    if ([settingOf(server, 'primary_conninfo'), settingOf(server, 'primary_slot_name')].join('\n') !== before) server.receiver = null;
    return true;
  }

  /** Writes one record on a primary and gives its end. */
  append(server: RunningServer, kind: WalRecord['kind'], payload: unknown = null): Lsn {
    if (server.inRecovery) throw new Error(`${server.directory} is in recovery`);
    const data = this.files(server);
    const record = recordAt(data.end(), { timeline: server.timeline, kind, at: this.#fleet.now, payload });
    data.append([record]);
    data.apply(record);
    server.replayed = record.end;
    return record.end;
  }

  checkpoint(server: RunningServer): void {
    server.checkpointDue = false;
    if (server.inRecovery) return;
    this.append(server, 'checkpoint');
    this.files(server).setControl({ minRecoveryLsn: null, minRecoveryTimeline: null });
  }

  /** Standbys and copies that a server feeds. */
  receiversOf(upstream: RunningServer): readonly { readonly standby: RunningServer; readonly receiver: ReceiverState }[] {
    return [...this.#fleet.servers.values()].flatMap((standby) => (standby.receiver?.upstream === upstream.number ? [{ standby, receiver: standby.receiver }] : []));
  }

  /** Pid of the walsender that has this slot; `null` when nobody uses it. */
  slotUser(server: RunningServer, slot: string): number | null {
    const standby = this.receiversOf(server).find(({ receiver }) => receiver.slot === slot);
    if (standby !== undefined) return 50_000 + standby.receiver.pid;
    const backup = [...this.#fleet.backups.values()].find((one) => one.upstream === server.number && one.slot === slot);
    return backup?.pid ?? null;
  }

  /** A login for replication over TCP: network, pg_hba.conf, password, role, limits. */
  admit(login: TcpLogin): Admission {
    const refuse = (trouble: string): Admission => ({ trouble });
    const from = machineNamed(this.#fleet, login.from);
    const to = this.#machineAt(from, login.host);
    if (to === null) return refuse(`could not translate or reach host "${login.host}"`);
    const server = [...this.#fleet.servers.values()].find((one) => one.machine === to.name && Number(settingOf(one, 'port')) === login.port);
    const local = isLoopback(login.host) || login.host === 'localhost';
    if (server === undefined || !listensOn(server, login.host, local)) return refuse(`connection to ${login.host}:${login.port} refused`);
    if (server.stopping !== null) return refuse('the database system is shutting down');
    const clientAddress = local ? '127.0.0.1' : to === from ? login.host : (from.addresses[0] ?? '127.0.0.1');
    const rule = matchHba(parseRules(server.hba, server.versionNumber), { type: 'host', database: 'replication-physical', user: login.user, address: clientAddress, ssl: false });
    if (rule === null || rule.method === 'reject') return refuse(`no pg_hba.conf entry for replication connection from host "${clientAddress}", user "${login.user}"`);
    const role = this.files(server).catalog().roles[login.user];
    if (rule.method !== 'trust') {
      if (login.password === null) return refuse('fe_sendauth: no password supplied');
      if (role?.verifier === null || role === undefined || !matches(role.verifier, login.password)) return refuse(`password authentication failed for user "${login.user}"`);
    }
    if (role?.login !== true) return refuse(`role "${login.user}" does not exist or may not log in`);
    if (!role.replication) return refuse('must be superuser or replication role to start walsender');
    if (settingOf(server, 'wal_level') === 'minimal') return refuse('WAL senders cannot connect: wal_level is minimal');
    if (this.receiversOf(server).length + [...this.#fleet.backups.values()].filter((one) => one.upstream === server.number).length >= Number(settingOf(server, 'max_wal_senders'))) {
      return refuse('number of requested standby connections exceeds max_wal_senders');
    }
    return { server, clientAddress };
  }

  /** Password that libpq finds on this machine for a replication login; a file that others may read is ignored. */
  passwordFor(machine: string, passfile: string, target: { readonly host: string; readonly port: number; readonly user: string }): Secret | null {
    const disk = diskOf(this.#fleet, machine);
    const entry = disk.find(passfile);
    if (entry?.kind !== 'file' || (entry.mode & 0o077) !== 0) return null;
    return findPassword(entry.content, { ...target, database: 'replication' });
  }

  /** A little time passes: promotes, replication and stops that are under way go on by one step. */
  tick(milliseconds: number): void {
    this.#fleet.now += milliseconds;
    const each = (act: (server: RunningServer) => void): void => {
      for (const server of [...this.#fleet.servers.values()]) if (this.#fleet.servers.has(server.number)) act(server);
    };
    each((server) => {
      if (server.checkpointDue) this.checkpoint(server);
    });
    each((server) => {
      if (server.inRecovery) this.#replay(server, false);
    });
    each((server) => {
      if (server.promoteRequested && server.stopping === null) this.#promote(server);
    });
    each((server) => {
      if (server.inRecovery && server.stopping === null && !server.frozen) this.#receive(server);
    });
    each((server) => {
      if (server.stopping !== null) this.#stopOn(server);
    });
  }

  #machineAt(from: MachineState, host: string): MachineState | null {
    if (isLoopback(host) || host === 'localhost') return from;
    const to = [...this.#fleet.machines.values()].find((machine) => machine.addresses.includes(host));
    if (to === undefined || (to !== from && (to.isolated || from.isolated))) return null;
    return to;
  }

  #replay(server: RunningServer, everything: boolean): void {
    const data = this.files(server);
    const delay = settingBytes(server.settings.get('recovery_min_apply_delay')?.value ?? '0', null);
    for (const record of data.records()) {
      if (record.start < server.replayed) continue;
      if (!everything && (server.replayPaused || record.at + delay > this.#fleet.now)) break;
      data.apply(record);
      server.replayed = record.end;
      server.timeline = record.timeline;
      data.setControl({ minRecoveryLsn: record.end, minRecoveryTimeline: record.timeline });
    }
  }

  #promote(server: RunningServer): void {
    this.#replay(server, true);
    const data = this.files(server);
    const old = server.timeline;
    const timeline = data.newestTimeline() + 1;
    data.write(`pg_wal/${renderTimelineId(timeline)}.history`, `${data.history(old)}${old}\t${renderLsn(data.end())}\tno recovery target specified\n`);
    data.remove('standby.signal');
    server.promoteRequested = false;
    server.receiver = null;
    server.inRecovery = false;
    server.timeline = timeline;
    server.checkpointDue = true;
    data.setControl({ state: 'in production', required: requiredOf(server), walLevel: settingOf(server, 'wal_level'), walLogHints: settingOf(server, 'wal_log_hints') === 'on' });
    const minRecoveryLsn = this.append(server, 'end-of-recovery');
    // Until the first checkpoint only this tells the new timeline (CreateEndOfRecoveryRecord).
    data.setControl({ minRecoveryLsn, minRecoveryTimeline: timeline });
  }

  #receive(server: RunningServer): void {
    const trouble = server.receiver === null ? this.#connect(server) : this.#stream(server, server.receiver);
    server.trouble = trouble;
    if (trouble !== null) server.receiver = null;
  }

  /** Opens the connection; what it carries comes with the next tick. */
  #connect(server: RunningServer): string | null {
    const text = settingOf(server, 'primary_conninfo');
    if (text === '') return 'no primary_conninfo';
    const conninfo = parseConninfo(text);
    const target = { host: conninfo['host'] ?? '/tmp', port: Number(conninfo['port'] ?? '5432'), user: conninfo['user'] ?? 'postgres' };
    const password = conninfo['password'] === undefined ? this.passwordFor(server.machine, conninfo['passfile'] ?? '/home/postgres/.pgpass', target) : new Secret(conninfo['password']);
    const admission = this.admit({ ...target, from: server.machine, password });
    if ('trouble' in admission) return admission.trouble;
    const upstream = admission.server;
    if (upstream.systemIdentifier !== server.systemIdentifier) return 'database system identifier differs between the primary and standby';
    const slot = settingOf(server, 'primary_slot_name');
    if (slot !== '') {
      const found = this.files(upstream).slots().find((one) => one.name === slot);
      if (found === undefined) return `replication slot "${slot}" does not exist`;
      if (found.lost) return `cannot read from replication slot "${slot}": it has been invalidated`;
      const user = this.slotUser(upstream, slot);
      if (user !== null) return `replication slot "${slot}" is active for PID ${user}`;
    }
    const apart = this.#apart(server, upstream);
    if (apart !== null) return apart;
    const machine = machineNamed(this.#fleet, server.machine);
    machine.nextPid += 1;
    server.receiver = {
      pid: machine.nextPid,
      upstream: upstream.number,
      host: target.host,
      port: target.port,
      clientAddress: admission.clientAddress,
      user: target.user,
      applicationName: conninfo['application_name'] ?? (settingOf(server, 'cluster_name') || 'walreceiver'),
      slot: slot === '' ? null : slot,
      state: 'catchup',
    };
    // Streaming starts again at the beginning of a segment (hazard X17).
    server.received ??= (this.files(server).end() / 0x100_0000n) * 0x100_0000n;
    return null;
  }

  #stream(server: RunningServer, receiver: ReceiverState): string | null {
    const upstream = this.#fleet.servers.get(receiver.upstream);
    if (upstream === undefined) return 'could not receive data from WAL stream: server closed the connection';
    if (machineNamed(this.#fleet, server.machine).isolated || (upstream.machine !== server.machine && machineNamed(this.#fleet, upstream.machine).isolated)) return 'could not receive data from WAL stream: timeout';
    const apart = this.#apart(server, upstream);
    if (apart !== null) return apart;
    const data = this.files(server);
    const source = this.files(upstream);
    const end = data.end();
    const fresh = source.records().filter((record) => record.start >= end);
    const newest = fresh.at(-1)?.timeline ?? data.walTimeline();
    if (newest > data.walTimeline()) data.write(`pg_wal/${renderTimelineId(newest)}.history`, source.history(newest));
    data.append(fresh);
    server.received = data.end();
    // One round is enough to catch up here, however fast the upstream writes.
    receiver.state = 'streaming';
    if (receiver.slot !== null) this.files(upstream).writeSlot(receiver.slot, { restart: renderLsn(data.end()), lost: false });
    return null;
  }

  /** Why this upstream cannot feed this standby, by their histories; `null` when it can. The same timeline is believed, whatever is in it. */
  #apart(server: RunningServer, upstream: RunningServer): string | null {
    const data = this.files(server);
    const source = this.files(upstream);
    const [end, timeline] = [data.end(), data.walTimeline()];
    const theirs = source.walTimeline();
    if (theirs === timeline) return end > source.end() ? `requested starting point ${renderLsn(end)} is ahead of the WAL flush position of this server ${renderLsn(source.end())}` : null;
    if (theirs < timeline) return `highest timeline ${theirs} of the primary is behind recovery timeline ${timeline}`;
    const left = source.historyEntries(theirs).find((entry) => entry.timeline === timeline);
    if (left === undefined) return `requested timeline ${timeline} is not in this server's history`;
    return end > left.switchLsn ? `new timeline ${theirs} forked off current database system timeline ${timeline} before current recovery point ${renderLsn(end)}` : null;
  }

  #stopOn(server: RunningServer): void {
    const { stopping } = server;
    if (stopping === null) return;
    const data = this.files(server);
    if (server.inRecovery) {
      data.setControl({ state: 'shut down in recovery' });
      this.#end(server);
      data.remove('postmaster.pid');
      return;
    }
    if (!stopping.recordWritten) {
      this.append(server, 'shutdown');
      data.setControl({ state: 'shutting down' });
      server.stopping = { ...stopping, recordWritten: true };
      return;
    }
    const waits = this.receiversOf(server).some(({ standby }) => this.files(standby).end() < data.end());
    if (waits && this.#fleet.now - stopping.since < SENDER_TIMEOUT_MS) return;
    data.setControl({ state: 'shut down' });
    this.#end(server);
    data.remove('postmaster.pid');
  }

  #end(server: RunningServer): void {
    this.#fleet.servers.delete(server.number);
    machineNamed(this.#fleet, server.machine).processes.delete(server.pid);
    for (const { standby } of this.receiversOf(server)) {
      standby.receiver = null;
      standby.trouble = 'server closed the connection unexpectedly';
    }
  }
}

/** The rules of a pg_hba.conf, as this version reads them. */
export function parseRules(text: string | null, versionNumber: number): readonly HbaLine[] {
  const { hbaJoinsLines, hbaIncludes } = features(versionNumber);
  return parseHba(text ?? '', { joinsLines: hbaJoinsLines, includes: hbaIncludes });
}

function requiredOf(server: RunningServer): { max_connections: number; max_worker_processes: number; max_wal_senders: number; max_prepared_transactions: number; max_locks_per_transaction: number } {
  const value = (name: string): number => Number(settingOf(server, name));
  return {
    max_connections: value('max_connections'),
    max_worker_processes: value('max_worker_processes'),
    max_wal_senders: value('max_wal_senders'),
    max_prepared_transactions: value('max_prepared_transactions'),
    max_locks_per_transaction: value('max_locks_per_transaction'),
  };
}

function fixedSettings(data: DataDirectory, versionNumber: number): Readonly<Record<string, string>> {
  const control = data.control();
  return {
    data_checksums: control?.checksums === true ? 'on' : 'off',
    wal_segment_size: String(control?.walSegmentBytes ?? 16 * 1024 * 1024),
    server_version: versionText(versionNumber),
    server_version_num: String(versionNumber),
    data_directory_mode: `0${(data.disk.find(data.path)?.mode ?? 0o700).toString(8)}`,
  };
}

export function versionText(versionNumber: number): string {
  return `${Math.floor(versionNumber / 10_000)}.${versionNumber % 10_000}`;
}

function listensOn(server: RunningServer, host: string, local: boolean): boolean {
  const words = settingOf(server, 'listen_addresses').split(',').map((word) => word.trim());
  return words.some((word) => word === '*' || word === host || word === '0.0.0.0' || (word === 'localhost' && local));
}

const checked = new Map<string, boolean>();

/** SCRAM is slow on purpose; the same question is asked thousands of times here. */
function matches(verifier: string, password: Secret): boolean {
  const key = `${verifier} ${password.reveal()}`;
  const known = checked.get(key);
  if (known !== undefined) return known;
  const answer = verifierMatches(new Secret(verifier), password);
  checked.set(key, answer);
  return answer;
}

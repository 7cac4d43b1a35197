import { PgreplError } from '../../src/errors.ts';
import type { DatabaseHealth, FileHealth, Pulse, ServerHealth } from '../../src/postgres/health.ts';
import { features } from '../../src/postgres/features.ts';
import { bytesBetween, parseLsn, type Lsn } from '../../src/postgres/lsn.ts';
import { parseSystemIdentifier } from '../../src/postgres/names.ts';
import type { CommitLevel, FileError, HbaRuleRow, Inventory, Positions, RoleFacts, Server } from '../../src/postgres/server.ts';
import type { Sender, ServerFacts, Slot } from '../../src/postgres/server-facts.ts';
import type { ArchiverFacts } from '../../src/postgres/sql-archiver.ts';
import { quoteConf, withoutSettings } from '../../src/postgres/conf-file.ts';
import type { WalPiece } from '../../src/postgres/tools.ts';
import { majorOf, renderVersionNumber } from '../../src/postgres/version.ts';
import { Secret } from '../../src/secret.ts';
import { fileOf } from './fake-debian.ts';
import type { DataDirectory, FakeRole } from './fake-data-directory.ts';
import { machineNamed, nextNumber, settingOf, type FleetState, type RunningServer } from './fake-fleet.ts';
import type { Gate } from './fake-gate.ts';
import { parseRules, Postgres } from './fake-postgres.ts';
import { syncStates } from './fake-sync.ts';
import { goneErrors, isStartOnly, readConfiguration } from './fake-settings.ts';
import { IDLE_FILES, IDLE_HEALTH } from './idle-health.ts';
import { IDLE_INVENTORY } from './idle-inventory.ts';

export interface FakeSession {
  readonly fleet: FleetState;
  readonly gate: Gate;
  readonly node: string;
  /** Whose session it is. */
  readonly user: string;
  /** What a write of a test would be lost with: the session ends with it. */
  readonly server: RunningServer;
}

/** A session of the superuser with a fake server. Every statement that changes something goes through the gate. */
export class FakeServer implements Server {
  readonly #session: FakeSession;
  readonly #postgres: Postgres;
  readonly #number: number;
  #closed = false;

  constructor(session: FakeSession) {
    this.#session = session;
    this.#postgres = new Postgres(session.fleet);
    this.#number = nextNumber(session.fleet);
  }

  /** True once the server has ended this session. */
  get broken(): boolean {
    const { fleet, server } = this.#session;
    return this.#closed || fleet.servers.get(server.number) === undefined || server.stopping !== null || machineNamed(fleet, server.machine).isolated;
  }

  async facts(): Promise<ServerFacts> {
    return await this.#ask((server, data): ServerFacts => {
      const control = data.control();
      const upstream = server.receiver;
      return {
        systemIdentifier: parseSystemIdentifier(server.systemIdentifier),
        startedAt: String(server.startedAt),
        versionNumber: server.versionNumber,
        version: renderVersionNumber(server.versionNumber),
        dataDirectory: server.directory,
        configFile: server.configFile,
        seesAll: true,
        superuser: data.catalog().roles[this.#session.user]?.superuser === true,
        hbaFile: fileOf(data.disk, server.directory, server.configFile, 'hba_file'),
        identFile: fileOf(data.disk, server.directory, server.configFile, 'ident_file'),
        port: Number(settingOf(server, 'port')),
        inRecovery: server.inRecovery,
        timeline: server.inRecovery ? Math.max(server.timeline, upstream === null ? 0 : data.walTimeline(), control?.minRecoveryTimeline ?? 0) : server.timeline,
        currentLsn: server.inRecovery ? null : data.end(),
        receivedLsn: server.inRecovery ? (server.received as Lsn | null) : null,
        replayedLsn: server.inRecovery ? (server.replayed as Lsn) : null,
        replayAgeSeconds: null,
        replayPause: server.replayPaused ? 'paused' : 'not paused', holdsBack: false,
        receiver:
          upstream === null
            ? null
            : {
                pid: upstream.pid,
                status: 'streaming',
                senderHost: upstream.host,
                senderPort: upstream.port,
                slotName: upstream.slot,
                timeline: data.walTimeline(),
                flushedLsn: server.received as Lsn | null, heardSecondsAgo: 0,
              },
        senders: this.#senders(server),
        slots: this.#slots(server, data),
        syncWaiters: this.#session.fleet.waiting.filter((one) => one.server === server.number).length,
        longestSyncWaitSeconds: null,
        settings: Object.fromEntries(server.settings),
        now: this.#session.fleet.now / 1000,
      };
    });
  }

  async unloggedTables(): Promise<readonly string[]> {
    return await this.#ask(() => []);
  }

  async inventory(): Promise<Inventory> {
    return await this.#ask((server, data) => ({
      ...IDLE_INVENTORY,
      tablespaces: data.tablespaces().map(({ oid, location }) => ({ name: `space${oid}`, oid, location, sizeBytes: 1024 })),
      databaseBytes: 64 * 1024 ** 2,
      runningBackups: [...this.#session.fleet.backups.values()].filter((backup) => backup.upstream === server.number).length,
    }));
  }

  async positions(): Promise<Positions> {
    return await this.#ask((server, data) => ({
      inRecovery: server.inRecovery,
      receivedLsn: server.inRecovery ? (server.received as Lsn | null) : null,
      replayedLsn: server.inRecovery ? (server.replayed as Lsn) : null,
      receiving: server.receiver !== null,
      currentLsn: server.inRecovery ? null : data.end(),
    }));
  }

  async otherManagers(): Promise<readonly string[]> {
    return await this.#ask(() => []);
  }

  async commitLevels(): Promise<readonly CommitLevel[]> {
    return await this.#ask(() => []);
  }

  async health(): Promise<ServerHealth> {
    return await this.#ask(() => IDLE_HEALTH);
  }

  async fileHealth(): Promise<FileHealth> {
    return await this.#ask(() => IDLE_FILES);
  }

  async databaseHealth(): Promise<readonly DatabaseHealth[]> {
    return await this.#ask(() => []);
  }

  async databaseNames(): Promise<readonly string[]> {
    return await this.#ask(() => []);
  }

  async contentsOf(): Promise<never> {
    return await Promise.reject(new Error('a fake server has no tables to read'));
  }

  async pulse(): Promise<Pulse> {
    return await this.#ask(() => IDLE_HEALTH.pulse);
  }

  async senderIsEncrypted(): Promise<boolean> {
    return await Promise.resolve(true);
  }

  async hasClient(): Promise<boolean> {
    return await this.#ask(() => false);
  }

  async role(name: string): Promise<RoleFacts | null> {
    return await this.#ask((_server, data) => {
      const role = data.catalog().roles[name];
      if (role === undefined) return null;
      const { verifier, rewind: _, ...rights } = role;
      return { name, ...rights, expired: false, connectionLimit: -1, verifier: verifier === null ? null : new Secret(verifier) };
    });
  }

  async createRole(name: string, verifier: Secret): Promise<void> {
    await this.#write(`create role ${name}`, (server, data) => {
      const old = data.catalog().roles[name];
      const role: FakeRole = { login: true, replication: true, superuser: old?.superuser ?? false, verifier: verifier.reveal(), ...(old?.rewind === true ? { rewind: true } : {}) };
      this.#postgres.append(server, 'role', { name, role });
    });
  }

  async dropRole(name: string): Promise<void> {
    await this.#write(`drop role ${name}`, (server) => {
      this.#postgres.append(server, 'role', { name, role: null });
    });
  }

  async createSlot(name: string): Promise<void> {
    await this.#change(`create slot ${name}`, (server, data) => {
      const slots = data.slots();
      if (slots.some((slot) => slot.name === name)) throw sql('refused', 'slot-exists', `replication slot ${name} exists already`, '42710');
      if (slots.length >= Number(settingOf(server, 'max_replication_slots'))) throw sql('unfinished', 'sql-failed', 'all replication slots are in use', '53400');
      // WAL from the last checkpoint on is kept (ReplicationSlotReserveWal).
      const at = data.control()?.redoLsn ?? data.end();
      data.writeSlot(name, { restart: render(at), lost: false });
    });
  }

  async dropSlot(name: string): Promise<void> {
    await this.#change(`drop slot ${name}`, (server, data) => {
      if (this.#postgres.slotUser(server, name) !== null) throw sql('refused', 'slot-active', `replication slot ${name} is in use`, '55006');
      data.removeSlot(name);
    });
  }

  async reload(): Promise<void> {
    await this.#change('reload', (server) => {
      if (this.#postgres.reload(server)) return;
      throw new PgreplError('unfinished', 'reload-failed', 'the server did not load its configuration', { node: this.#session.node });
    });
  }

  async startOnly(names: readonly string[]): Promise<ReadonlyMap<string, boolean>> {
    return await this.#ask((server) => new Map(names.filter((name) => isStartOnly(name, majorOf(server.versionNumber))).map((name) => [name, server.settings.get(name)?.pendingRestart === true])));
  }

  async hasLoaded(path: string): Promise<boolean> {
    return await this.#ask((server, data) => (data.disk.find(path)?.changed ?? 0) <= server.loaded);
  }

  async fileErrors(): Promise<readonly FileError[]> {
    return await this.#ask((server, data) => {
      const major = majorOf(server.versionNumber);
      const read = readConfiguration(data.disk, server.directory, server.configFile, major);
      return [...read.errors, ...read.softErrors, ...goneErrors(server.settings, read, major)];
    });
  }

  async hbaRules(): Promise<readonly HbaRuleRow[]> {
    return await this.#ask((server, data) =>
      parseRules(data.disk.text(fileOf(data.disk, server.directory, server.configFile, 'hba_file')), server.versionNumber).map((rule) => ({
        line: rule.line,
        type: rule.type,
        database: rule.databases.map((token) => token.text),
        user: rule.users.map((token) => token.text),
        address: rule.address?.split('/')[0] ?? null,
        netmask: rule.mask,
        method: rule.method,
        error: rule.error,
      })),
    );
  }

  async resetSystemSettings(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#alterSystem(`reset ${name}`, name, '');
  }

  async setSystemSettings(values: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, value] of Object.entries(values)) await this.#alterSystem(`set ${name}`, name, `${name} = ${quoteConf(value)}\n`);
  }

  async collationMismatches(): Promise<readonly string[]> {
    return await this.#ask(() => []);
  }

  async startupWait(): Promise<string | null> {
    return await this.#ask(() => null);
  }

  async archiver(): Promise<ArchiverFacts> {
    return await this.#ask((server) => ({ mode: settingOf(server, 'archive_mode'), failedCount: 0, failing: null, ready: 0, archivedSinceLoad: (server.archivedAt ?? -1) > server.loaded, logFile: null }));
  }

  async switchWal(): Promise<string> {
    return await this.#write('switch to the next WAL file', (server) => {
      server.archivedAt = server.loaded + 0.5;
      return '000000010000000000000001';
    });
  }

  async waitsForArchive(): Promise<boolean> {
    return await this.#ask(() => false);
  }

  async checkpoint(): Promise<void> {
    await this.#change('checkpoint', (server) => {
      this.#postgres.checkpoint(server);
    });
  }

  async writeMarker(): Promise<Lsn> {
    return await this.#write('write a marker', (server) => this.#postgres.append(server, 'marker'));
  }

  async requestPromote(): Promise<void> {
    await this.#change('promote', (server) => {
      if (!server.inRecovery) throw sql('refused', 'promote-refused', 'the server refused to promote', '55000');
      server.promoteRequested = true;
    });
  }

  async isPromoting(): Promise<boolean> {
    return await this.#ask((server) => server.inRecovery && server.promoteRequested);
  }

  async timelineHistory(timeline: number): Promise<string> {
    return await this.#ask((_server, data) => {
      const text = data.history(timeline);
      if (text === '' && timeline !== 1) throw new PgreplError('unreachable', 'history-missing', `the history of timeline ${timeline} is not there`, { node: this.#session.node });
      return text;
    });
  }

  async controlTimeline(): Promise<number> {
    return await this.#ask((_server, data) => data.control()?.timeline ?? 0);
  }

  async walFiles(): Promise<readonly string[]> {
    return await this.#ask((_server, data) => data.walFiles());
  }

  async walDigests(pieces: readonly WalPiece[]): Promise<readonly (string | null)[]> {
    return await this.#ask((_server, data) => pieces.map((piece) => data.walDigest(piece)));
  }

  async tablesOf(refs: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return await this.#ask(() => new Map(refs.map((ref) => [ref, `postgres.public.t${ref.split('/')[2] ?? ''}`])));
  }

  async mayRewind(name: string): Promise<boolean> {
    return await this.#ask((_server, data) => {
      const role = data.catalog().roles[name];
      return role?.superuser === true || role?.rewind === true;
    });
  }

  async grantRewind(name: string, granted: boolean): Promise<void> {
    await this.#write(`${granted ? 'grant' : 'revoke'} the functions of pg_rewind`, (server, data) => {
      const role = data.catalog().roles[name];
      if (role === undefined) throw sql('unfinished', 'sql-failed', `role "${name}" does not exist`, '42704');
      const { rewind: _, ...rights } = role;
      this.#postgres.append(server, 'role', { name, role: granted ? { ...rights, rewind: true } : rights });
    });
  }

  async commitTimes(): ReturnType<Server['commitTimes']> {
    return await Promise.resolve({ seconds: [], hung: false });
  }

  async standbyDelays(): ReturnType<Server['standbyDelays']> {
    return await Promise.resolve([]);
  }

  async tryAdvisoryLock(key: bigint): Promise<boolean> {
    return await this.#ask((server) => {
      const holder = server.advisory.get(String(key));
      if (holder !== undefined && holder !== this.#number) return false;
      server.advisory.set(String(key), this.#number);
      return true;
    });
  }

  async close(): Promise<void> {
    await Promise.resolve();
    this.#closed = true;
    const { advisory } = this.#session.server;
    for (const [key, holder] of advisory) if (holder === this.#number) advisory.delete(key);
  }

  async #ask<T>(act: (server: RunningServer, data: DataDirectory) => T): Promise<T> {
    return await this.#session.gate.read(() => act(...this.#alive()));
  }

  async #change<T>(what: string, act: (server: RunningServer, data: DataDirectory) => T): Promise<T> {
    return await this.#session.gate.change(`${this.#session.node}: ${what}`, () => act(...this.#alive()));
  }

  async #write<T>(what: string, act: (server: RunningServer, data: DataDirectory) => T): Promise<T> {
    return await this.#change(what, (server, data) => {
      if (server.inRecovery) throw sql('unfinished', 'sql-failed', 'cannot execute this during recovery', '25006');
      return act(server, data);
    });
  }

  async #alterSystem(what: string, name: string, line: string): Promise<void> {
    await this.#change(`alter system ${what}`, (server, data) => {
      if (features(server.versionNumber).allowAlterSystem && settingOf(server, 'allow_alter_system') === 'off') throw sql('unfinished', 'sql-failed', 'ALTER SYSTEM is not allowed in this environment', '0A000');
      data.write('postgresql.auto.conf', withoutSettings(data.read('postgresql.auto.conf') ?? '', [name]).text + line);
    });
  }

  #alive(): readonly [RunningServer, DataDirectory] {
    const { server, node } = this.#session;
    if (this.broken) throw new PgreplError('unreachable', 'connection-lost', 'the connection to the server was lost', { node, details: ['08006'] });
    return [server, this.#postgres.files(server)];
  }

  #senders(server: RunningServer): readonly Sender[] {
    const states = syncStates(this.#postgres, server);
    const standbys = this.#postgres.receiversOf(server).map(({ standby, receiver }): Sender => {
      const end = this.#postgres.files(standby).end();
      return {
        pid: 50_000 + receiver.pid,
        applicationName: receiver.applicationName,
        clientAddress: receiver.clientAddress,
        state: receiver.state,
        sentLsn: end,
        flushLsn: end,
        replayLsn: standby.replayed as Lsn,
        syncState: states.get(standby.number) ?? 'async',
        flushLagSeconds: null,
        replayLagSeconds: null,
        role: receiver.user,
      };
    });
    const copies = [...this.#session.fleet.backups.values()]
      .filter((backup) => backup.upstream === server.number)
      .map((backup): Sender => ({ pid: backup.pid, applicationName: backup.applicationName, clientAddress: null, state: 'backup', sentLsn: null, flushLsn: null, replayLsn: null, syncState: 'async', flushLagSeconds: null, replayLagSeconds: null, role: backup.user }));
    return [...standbys, ...copies];
  }

  #slots(server: RunningServer, data: DataDirectory): readonly Slot[] {
    return data.slots().map(({ name, restart, lost }) => {
      const restartLsn = restart === null ? null : parseLsn(restart);
      const activePid = this.#postgres.slotUser(server, name);
      const limit = Number(settingOf(server, 'max_slot_wal_keep_size')) * 1024 ** 2;
      return {
        name,
        type: 'physical',
        active: activePid !== null,
        activePid,
        temporary: false,
        restartLsn,
        walStatus: restartLsn === null ? null : lost ? 'lost' : 'reserved',
        retainedBytes: restartLsn === null ? null : bytesBetween(restartLsn, data.end()),
        safeBytes: limit < 0 ? null : limit,
        hasXmin: false,
      };
    });
  }
}

function render(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`;
}

function sql(kind: 'refused' | 'unfinished', code: string, message: string, state: string): PgreplError {
  return new PgreplError(kind, code, message, { details: [state] });
}

import { PgreplError } from '../../src/errors.ts';
import type { LiveProcess } from '../../src/host/host.ts';
import type { ControlData } from '../../src/postgres/control-data.ts';
import type { Lsn } from '../../src/postgres/lsn.ts';
import { programWords } from '../../src/postgres/program-words.ts';
import type { Surroundings } from '../../src/postgres/surroundings.ts';
import type { TimelineSpan } from '../../src/postgres/timeline.ts';
import type { BaseBackupOptions, ByteProgress, CheckpointRecord, EndOfWal, InitDatabaseOptions, Marked, MarkStopped, Programs, RewindOptions, StartOptions, WalContent, WalPiece, WalStretch } from '../../src/postgres/tools.ts';
import { majorOf, renderVersionNumber } from '../../src/postgres/version.ts';
import { DataDirectory, initialFiles, type WalRecord } from './fake-data-directory.ts';
import { nameOf, parentOf, type Disk, type Entry } from './fake-disk.ts';
import { diskOf, machineNamed, nextNumber, serverIn, type BackupState, type FleetState, type RunningServer } from './fake-fleet.ts';
import type { Gate } from './fake-gate.ts';
import { fileOf } from './fake-debian.ts';
import { processesIn, startProcess } from './fake-host.ts';
import { parseRules, Postgres, StartFailed } from './fake-postgres.ts';
import { copyAll, fakeRecovery, fakeRewind } from './fake-rewind.ts';
import { readConfiguration, settingsAtStart } from './fake-settings.ts';

export interface FakeInstallation {
  readonly fleet: FleetState;
  readonly gate: Gate;
  readonly node: string;
  readonly machine: string;
  readonly user: string;
  readonly versionNumber: number;
  /** An interrupted copy leaves its WAL-streaming child behind, as pg_basebackup does when nobody kills its group (hazard X2). */
  readonly leavesOrphans: boolean;
}

/** Not in a base backup (basebackup.c). */
const NOT_COPIED = new Set(['postmaster.pid', 'postmaster.opts', 'backup_label', 'backup_label.old', 'backup_manifest', 'standby.signal']);

/** The programs of PostgreSQL on a fake machine. Every file that they make is a change of its own. */
export class FakePrograms implements Programs {
  readonly binDir: string;
  readonly versionNumber: number;
  readonly words: Programs['words'];
  readonly #at: FakeInstallation;
  readonly #postgres: Postgres;

  constructor(at: FakeInstallation) {
    this.#at = at;
    this.versionNumber = at.versionNumber;
    this.binDir = `/usr/lib/postgresql/${majorOf(at.versionNumber)}/bin`;
    this.words = programWords({ binDir: this.binDir, versionNumber: at.versionNumber, libraryDir: null, locale: 'C.UTF-8' });
    this.#postgres = new Postgres(at.fleet);
  }

  async initDatabase({ directory, superuser }: InitDatabaseOptions): Promise<void> {
    const { fleet, gate } = this.#at;
    await gate.read(() => {
      if ((this.#disk.list(directory) ?? []).length > 0) throw new PgreplError('undone', 'initdb-failed', `initdb: ${directory} is not empty`);
    });
    const systemIdentifier = String(7_400_000_000_000_000_000n + BigInt(nextNumber(fleet)));
    for (const [name, content] of initialFiles({ systemIdentifier, superuser, major: majorOf(this.versionNumber), at: fleet.now, checksums: true })) {
      await this.#change(`initdb ${name}`, () => {
        const path = `${directory}/${name}`;
        this.#ensure(parentOf(path));
        if (content === '') this.#ensure(path);
        else this.#disk.write(path, content, { owner: this.#at.user, mode: 0o600 });
      });
    }
    await this.#change('initdb mode', () => {
      this.#disk.setMode(directory, 0o700);
    });
  }

  async controlData(directory: string): Promise<ControlData | null> {
    return await this.#read(() => this.#data(directory).control());
  }

  async baseBackup(options: BaseBackupOptions, tell: (progress: ByteProgress) => void, signal: AbortSignal): Promise<void> {
    const { fleet } = this.#at;
    const upstream = await this.#change('pg_basebackup connects', () => this.#connectCopy(options));
    const backup = this.#startCopy(options, upstream);
    let ended = false;
    try {
      const source = this.#postgres.files(upstream);
      // Where a copy starts is where its checkpoint is.
      this.#postgres.checkpoint(upstream);
      await this.#put(options, 'backup_label', `START WAL LOCATION: ${source.control()?.redoLsn ?? ''}\n`, 0o600);
      await this.#put(options, 'standby.signal', '', 0o600);
      const files = filesOf(source.disk, upstream.directory);
      const late = (name: string): number => (name === 'global/pg_control' ? 2 : name === 'pg_wal/records' ? 1 : 0);
      const manifest: Record<string, string> = {};
      for (const [index, name] of [...files].sort((a, b) => late(a) - late(b)).entries()) {
        if (signal.aborted) throw new PgreplError('interrupted', 'interrupted', 'interrupted during the copy');
        if (!fleet.servers.has(upstream.number)) throw new PgreplError('undone', 'base-backup-failed', 'pg_basebackup: server closed the connection unexpectedly');
        const link = source.disk.find(`${upstream.directory}/${name}`, { follow: false });
        if (link?.kind === 'symlink' && name.startsWith('pg_tblspc/')) {
          await this.#copyTablespace(options, name, link.content, source.disk);
          continue;
        }
        const entry = source.disk.find(`${upstream.directory}/${name}`);
        if (entry === null) continue;
        // What was written meanwhile comes with the log, which is copied after everything else; the catalog is the one of the log's end.
        const content = name === 'base/catalog' ? (source.read(name) ?? '') : entry.content;
        if (entry.kind === 'directory') await this.#change(`pg_basebackup mkdir ${name}`, () => this.#ensure(`${options.directory}/${name}`));
        else {
          await this.#put(options, name, content, entry.mode);
          if (!name.startsWith('pg_wal/') && name !== 'postgresql.auto.conf') manifest[name] = content;
        }
        // A copy takes time, and the world goes on meanwhile.
        this.#postgres.tick(10);
        tell({ doneBytes: index + 1, totalBytes: files.length, phase: 'streaming database files' });
      }
      await this.#put(options, 'backup_manifest', JSON.stringify(manifest), 0o600);
      ended = true;
    } finally {
      if (ended || !this.#at.leavesOrphans) {
        fleet.backups.delete(backup.pid);
        machineNamed(fleet, backup.process.machine).processes.delete(backup.process.pid);
      }
    }
  }

  async verifyBackup(directory: string, tell: (progress: ByteProgress) => void): Promise<void> {
    await this.#read(() => {
      const data = this.#data(directory);
      const text = data.read('backup_manifest');
      if (text === null) throw new PgreplError('undone', 'verify-failed', 'pg_verifybackup: could not open file "backup_manifest"');
      for (const [name, content] of Object.entries(JSON.parse(text) as Record<string, string>)) {
        if (data.read(name) !== content) throw new PgreplError('undone', 'verify-failed', `pg_verifybackup: "${name}" differs from the manifest`);
      }
      if (data.control() === null || !data.has('pg_wal/records')) throw new PgreplError('undone', 'verify-failed', 'pg_verifybackup: WAL parsing failed');
      tell({ doneBytes: 1, totalBytes: 1, phase: 'verifying' });
    });
  }

  async start(options: StartOptions): Promise<void> {
    await this.#change(`start ${options.directory}`, () => {
      try {
        this.#postgres.start(this.#at.machine, options.directory, { configFile: options.configFile, versionNumber: this.versionNumber });
        this.#disk.write(options.logFile, 'database system is ready\n', { owner: this.#at.user, mode: 0o600 });
      } catch (error) {
        if (!(error instanceof StartFailed)) throw error;
        throw new PgreplError('unfinished', 'start-failed', `the server of ${options.directory} did not start`, { node: this.#at.node, details: [error.message] });
      }
    });
  }

  async signalFastStop(directory: string): Promise<void> {
    await this.#change(`stop ${directory}`, () => {
      const server = serverIn(this.#at.fleet, this.#at.machine, directory);
      if (server !== null) this.#postgres.stopFast(server);
    });
  }

  async waitStopped(directory: string, deadlineMs: number, signal: AbortSignal): Promise<void> {
    const until = this.#at.fleet.now + deadlineMs;
    while ((await this.processes(directory)).length > 0) {
      if (signal.aborted) throw new PgreplError('interrupted', 'interrupted', `interrupted while the server of ${directory} was stopping`);
      if (this.#at.fleet.now > until) throw new PgreplError('unfinished', 'stop-timeout', `the server of ${directory} did not stop within ${deadlineMs / 1_000} s`, { node: this.#at.node });
      this.#postgres.tick(20);
    }
  }

  async processes(directory: string): Promise<readonly LiveProcess[]> {
    return await this.#read(() => processesIn(machineNamed(this.#at.fleet, this.#at.machine), directory));
  }

  async stopLeftovers(directory: string): Promise<void> {
    const { fleet, machine } = this.#at;
    const left = await this.#read(() => [...fleet.backups.values()].filter((backup) => backup.process.machine === machine && isOf(fleet, backup, directory)));
    for (const backup of left) {
      await this.#change(`kill pg_basebackup ${backup.process.pid}`, () => {
        fleet.backups.delete(backup.pid);
        machineNamed(fleet, machine).processes.delete(backup.process.pid);
      });
    }
  }

  async checkConfiguration(directory: string, configFile: string | null): Promise<string | null> {
    return await this.#read(() => {
      const file = configFile ?? `${directory}/postgresql.conf`;
      const { errors, softErrors } = readConfiguration(this.#disk, directory, file, majorOf(this.versionNumber));
      const first = [...errors, ...softErrors][0];
      if (first !== undefined) return `${first.file ?? '?'}:${first.line ?? '?'}: ${first.error}`;
      const rule = parseRules(this.#disk.text(fileOf(this.#disk, directory, file, 'hba_file')), this.versionNumber).find((line) => line.error !== null);
      return rule === undefined ? null : `pg_hba.conf:${rule.line}: ${rule.error ?? ''}`;
    });
  }

  async settingComplaint(): Promise<string | null> {
    return await this.#read(() => null);
  }

  async surroundings(): Promise<Surroundings> {
    return await this.#read(() => ({ library: 'other', locales: null, missing: [], memory: null }));
  }

  async settingValue(directory: string, configFile: string | null, name: string): Promise<string | null> {
    const complaint = await this.checkConfiguration(directory, configFile);
    if (complaint !== null) throw new PgreplError('refused', 'configuration-broken', `the configuration of ${directory} cannot be read: ${complaint}`);
    return await this.#read(() => {
      const fixed = { data_directory: directory, hba_file: fileOf(this.#disk, directory, configFile ?? `${directory}/postgresql.conf`, 'hba_file'), ident_file: fileOf(this.#disk, directory, configFile ?? `${directory}/postgresql.conf`, 'ident_file'), config_file: configFile ?? `${directory}/postgresql.conf`, server_version: renderVersionNumber(this.versionNumber), server_version_num: String(this.versionNumber), data_checksums: this.#data(directory).control()?.checksums === true ? 'on' : 'off' };
      const major = majorOf(this.versionNumber);
      const setting = settingsAtStart(readConfiguration(this.#disk, directory, fixed.config_file, major), major, fixed).get(name);
      // As `postgres -C` prints it: the bare number in the setting's unit (GetConfigOption), as pg_settings does.
      return setting?.value ?? null;
    });
  }

  async endOfWal(directory: string, { timeline }: Pick<ControlData, 'timeline' | 'walSegmentBytes'>, from: Lsn): Promise<EndOfWal> {
    return await this.#read(() => {
      const data = this.#data(directory);
      if (!data.has('pg_wal/records')) throw new PgreplError('unfinished', 'wal-unreadable', `the WAL in ${directory} cannot be read`);
      const records = data.records().filter((record) => record.start >= from && record.timeline === timeline);
      return { lastRecordLsn: records.at(-1)?.start ?? null, endLsn: records.at(-1)?.end ?? from, commits: { count: 0, first: null, last: null } };
    });
  }

  async walFiles(directory: string): Promise<readonly string[]> {
    return await this.#read(() => this.#data(directory).walFiles());
  }

  async walDigests(directory: string, pieces: readonly WalPiece[]): Promise<readonly (string | null)[]> {
    return await this.#read(() => pieces.map((piece) => this.#data(directory).walDigest(piece)));
  }

  async walContent(directory: string, stretches: readonly WalStretch[]): Promise<WalContent> {
    return await this.#read(() => {
      const inside = stretches.flatMap(({ timeline, from, to }) => this.#data(directory).records().filter((record) => record.timeline === timeline && record.start >= from && (to === null || record.start < to)));
      const writes = inside.filter((record) => record.kind === 'write' || record.kind === 'role');
      const at = (record: WalRecord | undefined): string | null => (record === undefined ? null : new Date(record.at).toISOString());
      return { records: inside.length, commits: writes.length, prepared: 0, firstCommitAt: at(writes[0]), lastCommitAt: at(writes.at(-1)), relations: writes.length === 0 ? [] : [{ ref: '1663/5/16384', records: writes.length }] };
    });
  }

  async lastCheckpointBefore(directory: string, _spans: readonly TimelineSpan[], before: Lsn): Promise<CheckpointRecord | null> {
    return await this.#read(() => {
      const found = this.#data(directory).records().findLast((record) => record.start < before && (record.kind === 'checkpoint' || record.kind === 'shutdown'));
      return found === undefined ? null : { lsn: found.start, redoLsn: found.start };
    });
  }

  async recoverCrashed(directory: string): Promise<void> {
    await fakeRecovery(this.#at, directory, async (what, act) => { await this.#change(what, act); });
  }

  async rewind(options: RewindOptions, how: 'dry' | 'real', tell: (progress: ByteProgress) => void): Promise<void> {
    tell({ doneBytes: 0, totalBytes: 1, phase: 'copying what has changed' });
    await fakeRewind(this.#at, options, how, async (what, act) => { await this.#change(what, act); });
  }

  /** In these machines the whole log is one file, which goes with any of the names that it would have. */
  async copyEntries(from: string, names: readonly string[], to: string): Promise<void> {
    const wanted = from.endsWith('/pg_wal') && names.some((name) => /^[0-9A-F]{24}$/.test(name)) ? ['records', ...names] : names;
    for (const name of wanted) {
      if (this.#disk.find(`${from}/${name}`) === null) continue;
      await this.#change(`copy ${from}/${name} to ${to}`, () => {
        copyAll(this.#disk, `${from}/${name}`, this.#disk, `${to}/${name}`, this.#at.user);
      });
    }
  }

  async linkTablespace(link: string, to: string): Promise<void> {
    await this.#change(`link ${link} to ${to}`, () => {
      this.#disk.link(link, to, this.#at.user);
    });
  }

  async markStoppedPrimary(directory: string, { replayed }: MarkStopped): Promise<Marked> {
    const control = await this.#read(() => this.#data(directory).control());
    if (control === null) throw new PgreplError('unfinished', 'control-unreadable', `${directory} has no pg_control`);
    if (control.state !== 'shut down' || control.checkpointLsn >= replayed) return { control, marked: false, restarted: false };
    await this.#change(`mark ${directory} as a standby`, () => {
      this.#data(directory).write('standby.signal', '');
    });
    return { control, marked: true, restarted: false };
  }

  get #disk(): Disk {
    return diskOf(this.#at.fleet, this.#at.machine);
  }

  #data(directory: string): DataDirectory {
    return new DataDirectory(this.#disk, directory);
  }

  async #read<T>(act: () => T): Promise<T> {
    return await this.#at.gate.read(() => {
      this.#reach();
      return act();
    });
  }

  async #change<T>(what: string, act: () => T): Promise<T> {
    return await this.#at.gate.change(`${this.#at.node}: ${what}`, () => {
      this.#reach();
      return act();
    });
  }

  #reach(): void {
    if (machineNamed(this.#at.fleet, this.#at.machine).isolated) throw new PgreplError('unreachable', 'host-unreachable', `${this.#at.machine} cannot be reached`);
  }

  #ensure(path: string): Entry {
    return this.#disk.find(path) ?? this.#disk.makeDirectory(path, { owner: this.#at.user, mode: 0o700 });
  }

  async #put(options: BaseBackupOptions, name: string, content: string, mode: number): Promise<void> {
    await this.#change(`pg_basebackup ${name}`, () => {
      const path = `${options.directory}/${name}`;
      this.#ensure(parentOf(path));
      this.#disk.write(path, content, { owner: this.#at.user, mode });
    });
  }

  /** To where the mapping says; the place must be missing or empty. */
  async #copyTablespace(options: BaseBackupOptions, name: string, from: string, source: Disk): Promise<void> {
    const to = options.tablespaces.find((mapping) => mapping.from === from)?.to ?? from;
    if ((this.#disk.list(to) ?? []).length > 0) throw new PgreplError('undone', 'base-backup-failed', 'pg_basebackup exited with 1', { details: [`pg_basebackup: error: directory "${to}" exists but is not empty`] });
    await this.#change(`pg_basebackup ${name}`, () => {
      this.#ensure(parentOf(`${options.directory}/${name}`));
      this.#ensure(to);
      for (const entry of source.list(from) ?? []) copyAll(source, `${from}/${entry}`, this.#disk, `${to}/${entry}`, this.#at.user);
      this.#disk.link(`${options.directory}/${name}`, to, this.#at.user);
    });
  }

  #connectCopy(options: BaseBackupOptions): RunningServer {
    const failed = (why: string): PgreplError => new PgreplError('undone', 'base-backup-failed', 'pg_basebackup exited with 1', { node: this.#at.node, details: [`pg_basebackup: error: ${why}`] });
    const { host, port, user, passfile } = options;
    const target = this.#disk.find(options.directory);
    if (target?.kind !== 'directory' || target.entries.size > 0) throw failed(`directory "${options.directory}" is missing or not empty`);
    const admission = this.#postgres.admit({ from: this.#at.machine, host, port, user, password: this.#postgres.passwordFor(this.#at.machine, passfile, { host, port, user }) });
    if ('trouble' in admission) throw failed(admission.trouble);
    const slot = this.#postgres.files(admission.server).slots().find(({ name }) => name === options.slot);
    if (slot === undefined) throw failed(`replication slot "${options.slot}" does not exist`);
    if (this.#postgres.slotUser(admission.server, options.slot) !== null) throw failed(`replication slot "${options.slot}" is active`);
    return admission.server;
  }

  #startCopy(options: BaseBackupOptions, upstream: RunningServer): BackupState {
    const { fleet, machine, leavesOrphans } = this.#at;
    const process = startProcess(machineNamed(fleet, machine), { command: `${this.binDir}/pg_basebackup --pgdata ${options.directory}`, directory: this.#disk.nearest('/'), guarded: !leavesOrphans });
    const backup: BackupState = { pid: 60_000 + process.pid, process: { machine, pid: process.pid }, upstream: upstream.number, slot: options.slot, applicationName: options.applicationName, user: options.user };
    fleet.backups.set(backup.pid, backup);
    return backup;
  }
}

function isOf(fleet: FleetState, backup: BackupState, directory: string): boolean {
  const command = machineNamed(fleet, backup.process.machine).processes.get(backup.process.pid)?.command ?? '';
  return command.split(' ').includes(directory);
}

/** Files and directories below this one that a base backup takes, parents first. */
function filesOf(disk: Disk, directory: string): readonly string[] {
  const skip = (name: string): boolean => NOT_COPIED.has(name) || name.startsWith('pg_replslot/');
  return [...disk.tree(directory)]
    .map((path) => path.slice(directory.length + 1))
    .filter((name) => name !== '' && !skip(name) && nameOf(name) !== '')
    .sort();
}

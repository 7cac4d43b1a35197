import type { ControlData, ControlState } from '../../src/postgres/control-data.ts';
import { parseLsn, renderLsn, type Lsn } from '../../src/postgres/lsn.ts';
import { parseSystemIdentifier } from '../../src/postgres/names.ts';
import { createHash } from 'node:crypto';
import { parseHistory, renderTimelineId, segmentOfWalFile, timelineOfWalFile, walFileName, type HistoryEntry } from '../../src/postgres/timeline.ts';
import type { WalPiece } from '../../src/postgres/tools.ts';
import type { Disk } from './fake-disk.ts';

/** One record of the write-ahead log. */
export interface WalRecord {
  readonly start: Lsn;
  readonly end: Lsn;
  readonly timeline: number;
  readonly kind: 'checkpoint' | 'shutdown' | 'end-of-recovery' | 'write' | 'role' | 'marker';
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly payload: unknown;
}

export interface FakeRole {
  readonly login: boolean;
  readonly replication: boolean;
  readonly superuser: boolean;
  readonly verifier: string | null;
  /** May run the functions of pg_rewind. */
  readonly rewind?: true;
}

/** What a database holds: roles, and the numbers of the rows that clients wrote. */
export interface Catalog {
  readonly roles: Readonly<Record<string, FakeRole>>;
  readonly writes: readonly number[];
  /** End of the last record that is in it. */
  readonly upTo: string;
}

/** A slot as it is kept on disk. */
export interface SlotFile {
  readonly restart: string | null;
  readonly lost: boolean;
}

const RECORD_BYTES: Readonly<Record<WalRecord['kind'], bigint>> = { checkpoint: 0x78n, shutdown: 0x78n, 'end-of-recovery': 0x30n, write: 0x60n, role: 0xa0n, marker: 0x50n };

export const FIRST_LSN = parseLsn('0/1000028');

/** The files of one data directory, read and written as PostgreSQL would. Whether a server runs on them is not its matter. */
export class DataDirectory {
  readonly disk: Disk;
  readonly path: string;

  constructor(disk: Disk, path: string) {
    this.disk = disk;
    this.path = path;
  }

  has(name: string): boolean {
    return this.disk.find(`${this.path}/${name}`) !== null;
  }

  read(name: string): string | null {
    return this.disk.text(`${this.path}/${name}`);
  }

  write(name: string, content: string): void {
    this.disk.write(`${this.path}/${name}`, content, { owner: this.disk.find(this.path)?.owner ?? 'postgres', mode: 0o600 });
  }

  remove(name: string): void {
    this.disk.remove(`${this.path}/${name}`);
  }

  control(): ControlData | null {
    const text = this.read('global/pg_control');
    if (text === null) return null;
    const raw = JSON.parse(text) as RawControl;
    return {
      ...raw,
      systemIdentifier: parseSystemIdentifier(raw.systemIdentifier),
      checkpointLsn: parseLsn(raw.checkpointLsn),
      redoLsn: parseLsn(raw.redoLsn),
      minRecoveryLsn: raw.minRecoveryLsn === null ? null : parseLsn(raw.minRecoveryLsn),
    };
  }

  setControl(changes: Partial<ControlData>): void {
    const now = this.control();
    if (now === null) throw new Error(`${this.path} has no pg_control`);
    this.write('global/pg_control', renderControl({ ...now, ...changes }));
  }

  catalog(): Catalog {
    return JSON.parse(this.read('base/catalog') ?? '{"roles":{},"writes":[],"upTo":"0/0"}') as Catalog;
  }

  records(): readonly WalRecord[] {
    const text = this.read('pg_wal/records') ?? '';
    return text.split('\n').flatMap((line) => {
      if (line === '') return [];
      const [start = '', end = '', timeline, kind, at, payload = 'null'] = line.split('\t');
      return [{ start: parseLsn(start), end: parseLsn(end), timeline: Number(timeline), kind: kind as WalRecord['kind'], at: Number(at), payload: JSON.parse(payload) as unknown }];
    });
  }

  /** End of the log on disk. */
  end(): Lsn {
    return this.records().at(-1)?.end ?? FIRST_LSN;
  }

  /** The timeline of the newest record. */
  walTimeline(): number {
    return this.records().at(-1)?.timeline ?? this.control()?.timeline ?? 1;
  }

  append(records: readonly WalRecord[]): void {
    if (records.length > 0) this.write('pg_wal/records', (this.read('pg_wal/records') ?? '') + records.map(renderRecord).join(''));
  }

  /** The effect of a record on the database. */
  apply(record: WalRecord): void {
    const catalog = { ...this.catalog(), upTo: renderLsn(record.end) };
    this.write('base/catalog', JSON.stringify({ ...catalog, ...effectOf(record, catalog) } satisfies Catalog));
    if (record.kind === 'checkpoint' || record.kind === 'shutdown') this.setControl({ checkpointLsn: record.start, redoLsn: record.start, timeline: record.timeline });
  }

  /** The WAL files that this log would be in. */
  walFiles(): readonly string[] {
    const size = this.control()?.walSegmentBytes ?? 16 * 1024 * 1024;
    return [...new Set(this.records().map((record) => walFileName(record.timeline, record.start, size)))].sort();
  }

  /** SHA-256 of the records in this piece; `null` where the file is not there. A file of a newer timeline begins with a copy of the older. */
  walDigest({ file, bytes }: WalPiece): string | null {
    if (!this.walFiles().includes(file)) return null;
    const size = this.control()?.walSegmentBytes ?? 16 * 1024 * 1024;
    const start = (segmentOfWalFile(file, size) ?? 0n) * BigInt(size);
    const inside = this.records().filter((record) => record.timeline <= timelineOfWalFile(file) && record.start >= start && record.start < start + BigInt(bytes));
    return createHash('sha256').update(inside.map(renderRecord).join('')).digest('hex');
  }

  history(timeline: number): string {
    return timeline === 1 ? '' : (this.read(`pg_wal/${renderTimelineId(timeline)}.history`) ?? '');
  }

  historyEntries(timeline: number): readonly HistoryEntry[] {
    return parseHistory(this.history(timeline));
  }

  /** The newest timeline of which this directory knows. */
  newestTimeline(): number {
    const files = this.disk.list(`${this.path}/pg_wal`) ?? [];
    return Math.max(this.walTimeline(), ...files.filter((name) => name.endsWith('.history')).map((name) => Number.parseInt(name.slice(0, 8), 16)));
  }

  /** Where the links of tablespaces lead. */
  tablespaces(): readonly { readonly oid: number; readonly location: string }[] {
    return (this.disk.list(`${this.path}/pg_tblspc`) ?? []).map((name) => ({ oid: Number(name), location: this.disk.realPath(`${this.path}/pg_tblspc/${name}`) }));
  }

  slots(): readonly (SlotFile & { readonly name: string })[] {
    return (this.disk.list(`${this.path}/pg_replslot`) ?? []).flatMap((name) => {
      const text = this.read(`pg_replslot/${name}/state`);
      return text === null ? [] : [{ name, ...(JSON.parse(text) as SlotFile) }];
    });
  }

  writeSlot(name: string, slot: SlotFile): void {
    const folder = `${this.path}/pg_replslot/${name}`;
    if (this.disk.find(folder) === null) this.disk.makeDirectory(folder, { owner: this.disk.find(this.path)?.owner ?? 'postgres', mode: 0o700 });
    this.write(`pg_replslot/${name}/state`, JSON.stringify(slot));
  }

  removeSlot(name: string): void {
    this.remove(`pg_replslot/${name}/state`);
    this.remove(`pg_replslot/${name}`);
  }
}

interface RawControl extends Omit<ControlData, 'systemIdentifier' | 'checkpointLsn' | 'redoLsn' | 'minRecoveryLsn'> {
  readonly systemIdentifier: string;
  readonly checkpointLsn: string;
  readonly redoLsn: string;
  readonly minRecoveryLsn: string | null;
}

function effectOf(record: WalRecord, { roles, writes }: Catalog): Partial<Catalog> {
  if (record.kind === 'write') return { writes: [...writes, record.payload as number] };
  if (record.kind !== 'role') return {};
  const { name, role } = record.payload as { readonly name: string; readonly role: FakeRole | null };
  const { [name]: _, ...others } = roles;
  return { roles: role === null ? others : { ...others, [name]: role } };
}

function renderControl(control: ControlData): string {
  return JSON.stringify({ ...control, checkpointLsn: renderLsn(control.checkpointLsn), redoLsn: renderLsn(control.redoLsn), minRecoveryLsn: control.minRecoveryLsn === null ? null : renderLsn(control.minRecoveryLsn) });
}

function renderRecord(record: WalRecord): string {
  return `${[renderLsn(record.start), renderLsn(record.end), record.timeline, record.kind, record.at, JSON.stringify(record.payload)].join('\t')}\n`;
}

/** The record that comes at this place of the log. */
export function recordAt(start: Lsn, made: Pick<WalRecord, 'timeline' | 'kind' | 'at' | 'payload'>): WalRecord {
  return { start, end: (start + RECORD_BYTES[made.kind]) as Lsn, ...made };
}

/** What initdb makes, in its order: pg_control, without which nothing starts, is the last one. */
export function initialFiles(made: { readonly systemIdentifier: string; readonly superuser: string; readonly major: number; readonly at: number; readonly checksums: boolean }): readonly (readonly [name: string, content: string])[] {
  const first = recordAt(FIRST_LSN, { timeline: 1, kind: 'shutdown', at: made.at, payload: null });
  const state: ControlState = 'shut down';
  const control: ControlData = {
    systemIdentifier: parseSystemIdentifier(made.systemIdentifier),
    state,
    checkpointLsn: FIRST_LSN,
    redoLsn: FIRST_LSN,
    timeline: 1,
    minRecoveryLsn: null,
    minRecoveryTimeline: null,
    walLevel: 'replica',
    walLogHints: false,
    checksums: made.checksums,
    walSegmentBytes: 16 * 1024 * 1024,
    required: { max_connections: 100, max_worker_processes: 8, max_wal_senders: 10, max_prepared_transactions: 0, max_locks_per_transaction: 64 },
  };
  const superuser: FakeRole = { login: true, replication: true, superuser: true, verifier: null };
  return [
    ['PG_VERSION', `${made.major}\n`],
    ['postgresql.conf', "# as initdb makes it\nmax_connections = 100\t\t\t# (change requires restart)\n#listen_addresses = 'localhost'\n"],
    ['postgresql.auto.conf', '# Do not edit this file manually!\n# It will be overwritten by the ALTER SYSTEM command.\n'],
    [
      'pg_hba.conf',
      ['# TYPE  DATABASE        USER            ADDRESS                 METHOD', 'local   all             all                                     peer', 'host    all             all             127.0.0.1/32            scram-sha-256', 'host    all             all             ::1/128                 scram-sha-256', 'local   replication     all                                     peer', 'host    replication     all             127.0.0.1/32            scram-sha-256', ''].join('\n'),
    ],
    ['pg_ident.conf', '# MAPNAME       SYSTEM-USERNAME         PG-USERNAME\n'],
    ['pg_wal/records', renderRecord(first)],
    ['pg_replslot', ''],
    ['base/catalog', JSON.stringify({ roles: { [made.superuser]: superuser }, writes: [], upTo: renderLsn(first.end) } satisfies Catalog)],
    ['global/pg_control', renderControl(control)],
  ];
}

import { PgreplError } from '../../src/errors.ts';
import { newestTimeline } from '../../src/postgres/control-data.ts';
import { features } from '../../src/postgres/features.ts';
import { matchHba } from '../../src/postgres/hba-file.ts';
import { findPassword } from '../../src/postgres/passfile.ts';
import { renderTimelineId, spansOf, lastCommon } from '../../src/postgres/timeline.ts';
import type { RewindOptions } from '../../src/postgres/tools.ts';
import { ownEntries } from '../../src/steps/kept.ts';
import { DataDirectory, recordAt } from './fake-data-directory.ts';
import type { Disk, Entry } from './fake-disk.ts';
import { diskOf, serverIn, settingOf, type FleetState, type RunningServer } from './fake-fleet.ts';
import { parseRules, Postgres, type TcpLogin } from './fake-postgres.ts';

/** There while a directory is half rewound; no server of PostgreSQL would look for it, and would run on garbage. */
export const HALF_REWOUND = 'base/half-rewound';

type Change = (what: string, act: () => void) => Promise<void>;

interface At {
  readonly fleet: FleetState;
  readonly machine: string;
  readonly user: string;
  readonly versionNumber: number;
}

/** Single-user crash recovery: all that is in the log is applied, and a shutdown checkpoint ends it. Reads the mode as a server does. */
export async function fakeRecovery(at: At, directory: string, change: Change): Promise<void> {
  const failed = (why: string): PgreplError => new PgreplError('unfinished', 'recovery-failed', 'the crash recovery exited with 1', { details: [why] });
  const data = new DataDirectory(diskOf(at.fleet, at.machine), directory);
  await change(`crash recovery of ${directory}`, () => {
    const mode = data.disk.find(directory)?.mode;
    if (mode !== 0o700 && mode !== 0o750) throw failed(`data directory "${directory}" has invalid permissions`);
    if (data.has('standby.signal')) throw failed('standby mode is not supported by single-user servers');
    if (serverIn(at.fleet, at.machine, directory) !== null) throw failed('lock file "postmaster.pid" already exists');
    data.remove('postmaster.pid');
    const from = data.catalog().upTo;
    for (const record of data.records()) if (record.start >= BigInt(`0x${from.split('/').map((part) => part.padStart(8, '0')).join('')}`)) data.apply(record);
    const shutdown = recordAt(data.end(), { timeline: data.walTimeline(), kind: 'shutdown', at: at.fleet.now, payload: null });
    data.append([shutdown]);
    data.apply(shutdown);
    data.setControl({ state: 'shut down', minRecoveryLsn: null, minRecoveryTimeline: null });
  });
}

/**
 * pg_rewind, each of its acts a change: it believes the numbers of the timelines; until 15 it reads the source's in pg_control; it needs the
 * target's own log; it replaces whatever is not a relation by the source's; and pg_control comes last. Cut off, it leaves garbage.
 */
export async function fakeRewind(at: At, options: RewindOptions, how: 'dry' | 'real', change: Change): Promise<void> {
  const failed = (why: string): PgreplError => new PgreplError('unfinished', 'rewind-failed', 'pg_rewind exited with 1', { details: [`pg_rewind: error: ${why}`] });
  const postgres = new Postgres(at.fleet);
  const disk = diskOf(at.fleet, at.machine);
  const target = new DataDirectory(disk, options.directory);
  const source = connect(at, options, disk, failed);
  const from = postgres.files(source);
  const [control, theirs] = [target.control(), from.control()];
  if (control === null || theirs === null) throw failed('could not open pg_control');
  if (control.systemIdentifier !== theirs.systemIdentifier) throw failed('source and target clusters are from different systems');
  if (control.state !== 'shut down' && control.state !== 'shut down in recovery') throw failed('target server must be shut down cleanly');
  if (!control.checksums && !control.walLogHints) throw failed('target server needs to use either data checksums or "wal_log_hints = on"');
  if (settingOf(source, 'full_page_writes') === 'off') throw failed('full_page_writes must be enabled');
  const sourceTimeline = features(at.versionNumber).rewindSeesFreshTimeline ? source.timeline : theirs.timeline;
  const ownTimeline = newestTimeline(control);
  if (sourceTimeline === ownTimeline) return;
  const common = lastCommon(spansOf(ownTimeline, target.historyEntries(ownTimeline)), spansOf(sourceTimeline, from.historyEntries(sourceTimeline)));
  if (common === null) throw failed('could not find common ancestor of the source and target cluster\'s timelines');
  const records = target.records();
  if (!records.some((record) => record.start === control.checkpointLsn && record.timeline === control.timeline)) throw failed(`could not find previous WAL record at ${String(control.checkpointLsn)}`);
  if (common.lsn !== null && target.end() <= common.lsn) return;
  if (how === 'dry') return;

  await change('pg_rewind begins to copy blocks', () => {
    target.write(HALF_REWOUND, '');
    target.write('base/catalog', JSON.stringify({ roles: {}, writes: [-1], upTo: '0/0' }));
  });
  await change('pg_rewind removes what the source does not have', () => {
    const there = new Set(disk.list(options.directory) ?? []);
    const kept = new Set(from.disk.list(source.directory) ?? []);
    for (const name of ownEntries([...there])) if (!kept.has(name)) removeAll(disk, `${options.directory}/${name}`);
    for (const slot of target.slots()) target.removeSlot(slot.name);
    for (const name of ['postmaster.pid', 'backup_label.old', 'standby.signal', 'backup_manifest']) target.remove(name);
  });
  await change('pg_rewind copies the files of the source', () => {
    for (const name of ownEntries(from.disk.list(source.directory) ?? [])) {
      removeAll(disk, `${options.directory}/${name}`);
      copyAll(from.disk, `${source.directory}/${name}`, disk, `${options.directory}/${name}`, at.user);
    }
  });
  await change('pg_rewind replaces the log', () => {
    target.write('pg_wal/records', from.read('pg_wal/records') ?? '');
    for (const timeline of from.records().map((record) => record.timeline)) if (from.history(timeline) !== '') target.write(`pg_wal/${renderTimelineId(timeline)}.history`, from.history(timeline));
  });
  postgres.tick(10);
  await change('pg_rewind copies the last blocks', () => {
    target.write('pg_wal/records', from.read('pg_wal/records') ?? '');
    target.write('base/catalog', from.read('base/catalog') ?? '');
    target.write('backup_label', 'START WAL LOCATION\n');
    target.remove(HALF_REWOUND);
  });
  await change('pg_rewind updates pg_control', () => {
    target.setControl({ ...theirs, state: 'in archive recovery', minRecoveryLsn: from.end(), minRecoveryTimeline: source.timeline, walLogHints: control.walLogHints });
  });
}

function connect(at: At, options: RewindOptions, disk: Disk, failed: (why: string) => PgreplError): RunningServer {
  const postgres = new Postgres(at.fleet);
  const entry = disk.find(options.passfile);
  const password = entry?.kind === 'file' && (entry.mode & 0o077) === 0 ? findPassword(entry.content, { host: options.host, port: options.port, database: 'postgres', user: options.user }) : null;
  // Whoever may replicate from there with that password reaches it; the rule and the grants of pg_rewind are asked on top.
  const admission = postgres.admit({ from: at.machine, host: options.host, port: options.port, user: options.user, password });
  if ('trouble' in admission) throw failed(admission.trouble);
  const { server } = admission;
  const trouble = sessionTrouble(postgres, { from: at.machine, host: options.host, port: options.port, user: options.user, password }, 'postgres');
  if (trouble !== null) throw failed(trouble);
  const role = postgres.files(server).catalog().roles[options.user];
  if (role?.superuser !== true && role?.rewind !== true) throw failed('permission denied for function pg_ls_dir');
  if (server.inRecovery) throw failed('source server must not be in recovery mode');
  return server;
}

/** Why a client is not let into this database; `null` when it is. Its password is asked as for replication, its rule on top. */
export function sessionTrouble(postgres: Postgres, login: TcpLogin, database: string): string | null {
  const admission = postgres.admit(login);
  if ('trouble' in admission) return admission.trouble;
  const { server, clientAddress } = admission;
  const rule = matchHba(parseRules(server.hba, server.versionNumber), { type: 'host', database, user: login.user, address: clientAddress, ssl: false });
  return rule === null || rule.method === 'reject' ? `no pg_hba.conf entry for host "${clientAddress}", user "${login.user}", database "${database}"` : null;
}

/** Copies a file or a whole directory, with modes. */
export function copyAll(from: Disk, path: string, to: Disk, target: string, owner: string): void {
  const entry: Entry | null = from.find(path, { follow: false });
  if (entry === null) return;
  if (entry.kind === 'directory') {
    if (to.find(target) === null) to.makeDirectory(target, { owner, mode: entry.mode });
    for (const name of from.list(path) ?? []) copyAll(from, `${path}/${name}`, to, `${target}/${name}`, owner);
  } else if (entry.kind === 'symlink') to.link(target, entry.content, owner);
  else to.write(target, entry.content, { owner, mode: entry.mode });
}

function removeAll(disk: Disk, path: string): void {
  for (const name of disk.tree(path)) disk.remove(name);
}

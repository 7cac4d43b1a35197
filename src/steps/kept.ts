import type { Host } from '../host/host.ts';
import { readMarkerIn } from './marker.ts';
import type { World } from './world.ts';

/**
 * The place beside a data directory where a rejoin keeps what would otherwise be gone: the log past the fork, and while a rewind is not
 * finished also the node's own files and its pg_control. Its marker proves whose it is, and that the rejoin has not ended.
 */
export interface KeptPlace {
  /** Holds one folder for each fork that this directory ever had. */
  readonly holder: string;
  /** `holder/…` */
  readonly folder: string;
}

/** Everything that a later run needs to go on, when the directory itself can no longer tell. */
export interface KeptMarker {
  readonly format: 1;
  readonly node: string;
  readonly cluster: string;
  readonly run: string;
  readonly pgdata: string;
  readonly systemIdentifier: string;
  /** The one that the node was on. */
  readonly timeline: number;
  readonly forkLsn: string;
  /** Whom it is rewound to, and on which timeline that was. */
  readonly source: { readonly node: string; readonly timeline: number };
  /** Where postgresql.conf of the node is, when not in the data directory. */
  readonly configFile: string | null;
  readonly restoreTargetWal: boolean;
  /** Entries of the data directory that are the node's own and not PostgreSQL's. */
  readonly own: readonly string[];
}

/**
 * How far it came. `kept`: log, own files and pg_control are there, whole. `recovering`: from here on the directory is no longer what it was.
 * `begun`: pg_rewind was started, and until `done` the directory is garbage. `restored`: the node's own files are back.
 */
export type KeptFlag = 'kept' | 'recovering' | 'begun' | 'done' | 'restored';

/** Where everything that is kept of this data directory lies. */
export function keptHolder(pgdata: string): string {
  return `${pgdata}.pgrepl-kept`;
}

/** The folder for what this directory had on `timeline` after `fork`. The same fork gives the same name, whoever asks. */
export function keptPlace(pgdata: string, timeline: number, fork: string): KeptPlace {
  const holder = keptHolder(pgdata);
  return { holder, folder: `${holder}/timeline-${timeline}-after-${fork.replace('/', '-')}` };
}

/** The marker in this folder; `null` when there is none, or it is torn or foreign. Reads only. */
export async function readKeptMarker(host: Host, folder: string): Promise<KeptMarker | null> {
  return await readMarkerIn(host, folder, isMarker);
}

function isMarker(value: unknown): value is KeptMarker {
  if (typeof value !== 'object' || value === null) return false;
  const marker = value as Partial<Record<keyof KeptMarker, unknown>>;
  return marker.format === 1 && typeof marker.node === 'string' && typeof marker.pgdata === 'string' && typeof marker.forkLsn === 'string' && Array.isArray(marker.own);
}

/** The rejoin of this data directory that has not ended; `null` when there is none. Reads only. */
export async function unfinishedKept(host: Host, pgdata: string): Promise<{ readonly place: KeptPlace; readonly marker: KeptMarker; readonly flags: ReadonlySet<KeptFlag> } | null> {
  const holder = keptHolder(pgdata);
  for (const name of (await host.list(holder)) ?? []) {
    const folder = `${holder}/${name}`;
    const marker = await readKeptMarker(host, folder);
    if (marker === null || marker.pgdata !== pgdata) continue;
    const names = (await host.list(folder)) ?? [];
    return { place: { holder, folder }, marker, flags: new Set(FLAGS.filter((flag) => names.includes(flag))) };
  }
  return null;
}

const FLAGS: readonly KeptFlag[] = ['kept', 'recovering', 'begun', 'done', 'restored'];

export async function hasKeptFlag(world: World, node: string, place: KeptPlace, flag: KeptFlag): Promise<boolean> {
  return (await world.node(node).host.stat(`${place.folder}/${flag}`)) !== null;
}

export async function setKeptFlag(world: World, node: string, place: KeptPlace, flag: KeptFlag): Promise<void> {
  if (!(await hasKeptFlag(world, node, place, flag))) await world.node(node).host.writeText(`${place.folder}/${flag}`, '', { mode: 0o600 });
}

/** What PostgreSQL itself has at the top of a data directory (initdb.c, basebackup.c); everything else there is the node's own. */
const POSTGRESQLS_OWN = new Set([
  'PG_VERSION', 'base', 'global', 'pg_commit_ts', 'pg_dynshmem', 'pg_logical', 'pg_multixact', 'pg_notify', 'pg_replslot', 'pg_serial', 'pg_snapshots', 'pg_stat', 'pg_stat_tmp', 'pg_subtrans', 'pg_tblspc', 'pg_twophase', 'pg_wal', 'pg_xact',
  'postmaster.pid', 'postmaster.opts', 'backup_label', 'backup_label.old', 'tablespace_map', 'tablespace_map.old', 'backup_manifest', 'current_logfiles', 'standby.signal', 'recovery.signal',
]);

/** Of the entries of a data directory, those that pg_rewind would replace by the source's, or remove, and that are this node's (hazard J16). Pure. */
export function ownEntries(entries: readonly string[]): readonly string[] {
  return entries.filter((name) => !POSTGRESQLS_OWN.has(name) && !name.startsWith('.pgrepl-') && !name.startsWith('pgsql_tmp'));
}

import type { Reason } from '../errors.ts';
import { features, sameMajor } from '../postgres/features.ts';
import { renderLsn, type Lsn } from '../postgres/lsn.ts';
import { renderVersionNumber } from '../postgres/version.ts';
import { ownEntries, type KeptMarker, type KeptPlace } from '../steps/kept.ts';
import type { Step } from '../steps/index.ts';
import { rewindPassfile } from '../steps/rewind-access.ts';
import type { World } from '../steps/world.ts';
import { allowedRanges, blockLabel, doorOf } from './access.ts';
import type { ClusterView, NodeView } from './cluster.ts';
import { folderOf, outsideConfig, STANDBY_CONF } from './config.ts';
import { openForStandbys, passfileSteps } from './open-for-standbys.ts';
import { sslBetween, takesOnlyTls } from './tls.ts';
import { filesFrom, hasSegments } from './rejoin-log.ts';
import type { LogVerdict, NodeLog, ServerLog } from './rejoin-verdict.ts';
import { standbyFile } from './role-change.ts';
import { RECOVERY_SETTINGS } from './settings.ts';
import { isToReplayLate } from '../topology/topology.ts';

/** What a rewind needs to know of its way before it begins. */
export interface RewindWay {
  readonly reasons: readonly Reason[];
  /** WAL files that it must keep for the way, history files among them. */
  readonly walFiles: readonly string[];
  readonly own: readonly string[];
  readonly configFile: string | null;
  readonly restoreTargetWal: boolean;
}

/** Whether pg_rewind can bring this node back; every reason against it (hazards A19, J10, J14, J18, X23). Reads only. */
export async function judgeRewind(world: World, node: NodeView, log: NodeLog, primary: { readonly view: NodeView; readonly log: ServerLog }, verdict: Extract<LogVerdict, { verdict: 'diverged' }>, copyInstead: string, wantsTargetWal: boolean): Promise<RewindWay> {
  const name = node.spec.name;
  const source = primary.view.spec.name;
  const { control, place } = node.facts;
  const server = primary.view.facts.server;
  const { host } = world.node(name);
  if (control === null || server === null) throw new Error('a rewind of what was not seen');
  const reasons: Reason[] = [];
  const refuse = (code: string, message: string, hint?: string, next: readonly string[] = [copyInstead]): void => {
    reasons.push({ code, node: name, message, hint, next });
  };
  const programs = await world.node(name).programs();
  const segmentBytes = control.walSegmentBytes;
  if (!control.checksums && !control.walLogHints) refuse('no-hints', `pg_rewind cannot bring ${name} back: it has neither checksums nor wal_log_hints`, 'Without one of them changes of hint bits are not in its log, and blocks would be missed. A copy anew needs neither.');
  if (server.settings['full_page_writes']?.value === 'off') refuse('full-page-writes', `full_page_writes of ${source} is off, and pg_rewind needs it`);
  if (!sameMajor(programs.versionNumber, server.versionNumber)) refuse('major-differs', `the programs of ${name} are PostgreSQL ${renderVersionNumber(programs.versionNumber)}, and ${source} runs ${server.version}`, 'A standby needs the same major version.', ['pgrepl status']);
  const configFile = node.config === null ? null : outsideConfig(node.config, place.pgdata);
  const restore = await programs.settingValue(place.pgdata, configFile, 'restore_command');
  // Until 14 it looks for that command in the data directory alone.
  const finds = configFile === null || features(programs.versionNumber).rewindConfigFile;
  const restoreTargetWal = finds && (wantsTargetWal || (restore ?? '') !== '');
  const [ownFiles, theirFiles] = await Promise.all([programs.walFiles(place.pgdata), (await world.node(source).server()).walFiles()]);
  const checkpoint = await programs.lastCheckpointBefore(place.pgdata, log.spans, verdict.forkLsn, segmentBytes);
  if (checkpoint === null && !restoreTargetWal) refuse('wal-gone', `${name} no longer has the WAL from its last checkpoint before ${renderLsn(verdict.forkLsn)}, where a rewind begins`, 'wal_keep_size keeps it; init-primary sets it. A copy anew needs none.');
  if (checkpoint !== null && !hasSegments(theirFiles, primary.log.spans, checkpoint.redoLsn, verdict.forkLsn, segmentBytes) && (restore ?? '') === '') {
    refuse('wal-gone', `${source} no longer has the WAL from ${renderLsn(checkpoint.redoLsn)} on, which a rewound ${name} would have to replay`, 'wal_keep_size keeps it; init-primary sets it. A copy anew needs none.');
  }
  const spaces = primary.view.inventory?.tablespaces ?? [];
  for (const space of spaces) {
    if ((await host.stat(`${place.pgdata}/pg_tblspc/${space.oid}`)) === null) refuse('tablespace-new', `tablespace "${space.name}" of ${source} (${space.location}) is not on ${name}: pg_rewind would make a link to that very place`, 'A copy anew gives it a place of its own.');
  }
  const entries = (await host.list(place.pgdata)) ?? [];
  if (entries.includes('backup_label')) refuse('not-consistent', `${name} has never come to the end of the copy or rewind that made it (its backup_label is there), and cannot be rewound again`);
  const own = ownEntries(entries);
  const root = await host.stat(await host.realPath(place.pgdata));
  for (const entry of own) {
    const stat = await host.stat(`${place.pgdata}/${entry}`);
    if (stat !== null && root !== null && (stat.owner !== place.osUser || stat.device !== root.device)) refuse('foreign-file', `${place.pgdata}/${entry} ${stat.owner === place.osUser ? 'is on another file system' : `belongs to ${stat.owner}`}, and pg_rewind would fail at it half way`, 'Move it out of the data directory for the time of the rewind.', [`ls -ld ${place.pgdata}/${entry}`]);
  }
  if (!(await host.canWrite(folderOf(place.pgdata)))) refuse('parent-not-writable', `${place.osUser} cannot write ${folderOf(place.pgdata)}, where what only ${name} has would be kept`, undefined, [`ls -ld ${folderOf(place.pgdata)}`]);
  const walFiles = [...filesFrom(ownFiles, checkpoint?.redoLsn ?? verdict.forkLsn, segmentBytes), ...historyFiles(log)];
  const { freeBytes } = await host.space(folderOf(place.pgdata));
  const needed = walFiles.length * segmentBytes;
  if (freeBytes < needed) refuse('no-space', `the file system of ${folderOf(place.pgdata)} has ${freeBytes} bytes free; ${needed} are needed to keep the log of ${name}`, 'Free some first: nothing is rewound before its log is safe.', [`df -h ${folderOf(place.pgdata)}`]);
  return { reasons, walFiles, own, configFile, restoreTargetWal };
}

function historyFiles(log: NodeLog): readonly string[] {
  return log.spans.filter(({ timeline }) => timeline > 1).map(({ timeline }) => `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`);
}

export interface RewindPlan {
  readonly view: ClusterView;
  readonly node: NodeView;
  readonly primary: NodeView;
  readonly place: KeptPlace;
  readonly marker: Omit<KeptMarker, 'run'>;
  readonly walFiles: readonly string[];
  readonly note: readonly string[];
  readonly copyInstead: string;
}

/** The documentation of a rewind: until it is begun everything can be taken back; from then on the same command goes on. Pure. */
export function rewindSteps(plan: RewindPlan): readonly Step[] {
  const { view, node, primary, place: kept, marker, copyInstead } = plan;
  const { place, server } = node.facts;
  const name = node.spec.name;
  const source = primary.spec.name;
  const primaryPlace = primary.facts.place;
  const facts = primary.facts.server;
  if (facts === null || primary.config === null) throw new Error('a source that was not seen');
  const ranges = allowedRanges(view.nodes.map((one) => one.spec));
  const access = accessOf(view, node, primary);
  const at = { node: name, directory: place.pgdata };
  return [
    ...passfileSteps(view, primary),
    ...openForStandbys(view, null, ranges),
    { kind: 'prove-login', node: name, user: primaryPlace.replicationUser, passfile: { node: name, path: place.passfile }, host: primary.spec.host, port: primary.spec.port, systemIdentifier: facts.systemIdentifier, ssl: sslBetween(node, primary) },
    { kind: 'create-slot', node: source, slot: name, claimedBy: null },
    { kind: 'see-timeline', node: source, timeline: facts.timeline },
    ...(access === null ? [] : [{ kind: 'allow-rewind', ...access } as const]),
    ...(server === null ? [] : [{ kind: 'stop-server', ...at, configFile: marker.configFile, as: 'standby' } as const]),
    { kind: 'lock-directory', ...at },
    { kind: 'keep-evidence', node: name, place: kept, marker, walFiles: plan.walFiles, note: plan.note },
    { kind: 'recover-crashed', ...at, configFile: marker.configFile, place: kept },
    {
      kind: 'rewind-server',
      node: name,
      source,
      systemIdentifier: facts.systemIdentifier,
      timeline: facts.timeline,
      place: kept,
      options: { directory: place.pgdata, configFile: marker.configFile, host: primary.spec.host, port: primary.spec.port, user: primaryPlace.replicationUser, passfile: rewindPassfile(place.passfile), ssl: sslBetween(node, primary), restoreTargetWal: marker.restoreTargetWal },
      copyInstead,
    },
    { kind: 'restore-own-files', ...at, place: kept },
    { kind: 'strip-auto-conf', node: name, staging: null, reload: false, path: `${place.pgdata}/postgresql.auto.conf`, names: RECOVERY_SETTINGS, found: [] },
    ...asStandbySteps(view, node, primary, primary),
    ...(access === null ? [] : [{ kind: 'end-rewind-access', ...access } as const]),
    { kind: 'finish-kept', node: name, place: kept },
  ];
}

/** What the replication role needs on the primary for the time of a rewind; `null` where the primary's files were not seen. Pure. */
export function accessOf(view: ClusterView, node: NodeView, primary: NodeView): Omit<Extract<Step, { kind: 'allow-rewind' }>, 'kind'> | null {
  const { place } = node.facts;
  if (primary.config === null) return null;
  return {
    node: primary.spec.name,
    role: primary.facts.place.replicationUser,
    hbaFile: primary.config.hbaFile,
    label: `${blockLabel(primary.facts.place.cluster)}-rewind`,
    ranges: allowedRanges(view.nodes.map((one) => one.spec)),
    passfile: { node: place.name, path: rewindPassfile(place.passfile), from: place.passfile },
    host: primary.spec.host,
    port: primary.spec.port,
    door: doorOf(primary.facts.place, takesOnlyTls(view, primary)),
    ssl: sslBetween(node, primary),
  };
}

/** Takes back what an interrupted rewind left open on the primary; nothing when there is none. Reads only. */
export async function accessLeft(world: World, { view, node, primary }: { readonly view: ClusterView; readonly node: NodeView; readonly primary: NodeView }): Promise<readonly Step[]> {
  const access = accessOf(view, node, primary);
  if (access === null) return [];
  const open = (primary.config?.hba ?? '').includes(`# pgrepl begin ${access.label} `) || (await world.node(node.spec.name).host.stat(access.passfile.path)) !== null;
  return open ? [{ kind: 'end-rewind-access', ...access }] : [];
}

/** From a stopped directory whose log leads to the primary, to a standby that streams; old slots of its time as a primary go (hazard J20). Pure. */
export function asStandbySteps(view: ClusterView, node: NodeView, upstream: NodeView, primary: NodeView): readonly Step[] {
  const { place } = node.facts;
  const name = node.spec.name;
  const folder = node.config?.folder ?? place.pgdata;
  const configFile = node.config === null ? null : outsideConfig(node.config, place.pgdata);
  const stopped: NodeView = { ...node, facts: { ...node.facts, server: null } };
  return [
    standbyFile(stopped, upstream),
    { kind: 'check-configuration', node: name, directory: place.pgdata, configFile },
    { kind: 'mark-standby', node: name, directory: place.pgdata, standbyFile: `${folder}/${STANDBY_CONF}` },
    { kind: 'start-server', node: name, directory: place.pgdata, configFile, as: 'standby' },
    { kind: 'prove-streaming', node: name, upstream: upstream.spec.name, primary: primary.spec.name, ...(isToReplayLate(node.spec) ? { delayed: true, mayHoldBack: true } : { delayed: false }) },
    ...oldSlots(view, node, upstream),
  ];
}

/** Slots of other nodes that it kept while it was the primary, and its own one wherever it once streamed from (hazards E01, J20). Pure. */
export function oldSlots(view: ClusterView, node: NodeView, upstream: NodeView): readonly Step[] {
  const { name } = node.spec;
  const elsewhere = view.nodes.filter((other) => other !== node && other !== upstream && other.facts.server?.slots.some((slot) => slot.name === name && slot.type === 'physical' && !slot.temporary) === true);
  return [
    ...view.nodes.filter((other) => other.spec.upstream !== name).map((other): Step => ({ kind: 'drop-slot', node: name, slot: other.spec.name })),
    ...elsewhere.map((other): Step => ({ kind: 'drop-slot', node: other.spec.name, slot: name })),
  ];
}

/** For whoever finds the folder one day. Pure. */
export function noteOf(what: readonly string[], at: { readonly node: string; readonly pgdata: string; readonly timeline: number; readonly fork: Lsn | null }): readonly string[] {
  return [
    `Kept by pgrepl when ${at.node} rejoined its cluster.`,
    '',
    ...what,
    '',
    `data directory  ${at.pgdata}`,
    `timeline        ${at.timeline}${at.fork === null ? '' : `, past ${renderLsn(at.fork)}`}`,
    '',
    ...(at.fork === null ? [] : ['pg_wal holds the log of the node from its last checkpoint before that place on. To read what was written past it:', '', `  pg_waldump -p pg_wal -t ${at.timeline} -s ${renderLsn(at.fork)}`, '']),
    'pgrepl does not need it any more. Remove it when nobody misses what is in it.',
  ];
}

import { PgreplError, refuseOn, type Reason } from '../errors.ts';
import { restoreCommandFor } from '../postgres/archive.ts';
import { features, isSupported } from '../postgres/features.ts';
import { sslWords } from '../postgres/tls-files.ts';
import type { Programs } from '../postgres/tools.ts';
import { renderVersionNumber } from '../postgres/version.ts';
import { ownedConfEdited } from '../postgres/conf-file.ts';
import type { Step } from '../steps/index.ts';
import type { NodePlace, World } from '../steps/world.ts';
import type { NodeSpec, Topology, TopologyEdit } from '../topology/topology.ts';
import { archiveNotices, archiveTrouble } from './archive.ts';
import { allowedRanges, blockLabel, hbaRules, hbaTrouble, identRules } from './access.ts';
import type { Change } from './change.ts';
import { basisOf, managedByOthers, observeCluster, viewOf, type ClusterView, type NodeView } from './cluster.ts';
import { OWNED_CONF, outsideConfig, STANDBY_CONF, valuesOf, type ConfigFacts } from './config.ts';
import { configFileOfPair, newPairOf, pairSteps, pairTrouble } from './debian-pair.ts';
import { judgeNewService, judgeService } from './judge-service.ts';
import { datedCopy, editedByHand, restoreWaits, settingsBehind, staleStandbys, standbyFileOf } from './init-primary-files.ts';
import { describeDoor } from './open-for-standbys.ts';
import { judgeRole } from './role.ts';
import { cannotMake, NEEDS_SESSION, noPlaceForPassfile, noRoom, otherNodeMayRun, portInUse, serverWithoutDirectory } from './preflight.ts';
import { offlineSettings } from './offline-settings.ts';
import { ownedSettings, overridden, renderNoStandby, renderOwned, uncappedSlots, type OwnedSetting, type SettingsInput } from './settings.ts';
import { settle } from './settle.ts';
import { certificateRules, stillOpen, takesOnlyTls } from './tls.ts';
import { tlsTrouble } from './tls-trouble.ts';
import type { InitPrimary } from './wants.ts';
import { wishTrouble } from './wished-settings.ts';
import { ownerMap, socketDirectoryFor, stagingFor } from './staging-place.ts';

/** Crash recovery reads all WAL since the last checkpoint, and first syncs every file of the data directory. */
const RECOVERY_MS = 60_000;

/** A primary ready for standbys: a new one where the directory is missing or empty, else the server that is there, as it is. */
export async function decideInitPrimary(world: World, topology: Topology, want: InitPrimary): Promise<Change> {
  const name = want.node.name;
  const others = topology.nodes.filter((node) => node.name !== name);
  const look = async (): Promise<{ readonly view: ClusterView; readonly node: NodeView }> => {
    const seen = await observeCluster(world, topology, [want.node, ...others]);
    const found = viewOf(seen, name);
    if (found === undefined) throw new Error('the node was not observed');
    return { view: seen, node: found };
  };
  const { view, node } = await settle(world, {
    look,
    // An interrupted run, or somebody else, has asked for its start already.
    isMoving: (seen) => seen.node.facts.state === 'starting' && (want.start || want.restart),
    what: () => `${name} to end its recovery`,
    deadlineMs: RECOVERY_MS,
    everyMs: 100,
  });
  const edits: TopologyEdit[] = [
    { edit: 'set-cluster', cluster: topology.cluster, replicationUser: topology.replicationUser, auth: topology.auth ?? 'password' },
    ...(want.node.archive === undefined ? [] : [{ edit: 'set-archive', archive: want.node.archive } as const]),
    { edit: 'put-node', node: want.node },
  ];
  const fresh = node.facts.staging?.marker.command === 'init-primary' || node.facts.directory === 'missing' || node.facts.directory === 'empty';
  const steps = fresh ? await planNew(world, view, node, want) : await planAdoption(world, view, node, want);
  const place = node.facts.place;
  return {
    plan: { title: `init primary ${name}`, command: `pgrepl init-primary ${name}`, basis: basisOf(view), steps: steps.steps, notices: steps.notices },
    edits,
    done: `${name} is a primary at ${place.host}:${place.port}, ready for standbys`,
    next: [...staleStandbys(view, node, want), addStandby(want.node), 'pgrepl status'],
    question: null,
    remains: steps.remains,
  };
}

interface Decided {
  readonly steps: readonly Step[];
  readonly notices: readonly string[];
  /** Why the run ends as unfinished although every step was done. */
  readonly remains: PgreplError | null;
}

async function planNew(world: World, view: ClusterView, node: NodeView, want: InitPrimary): Promise<Decided> {
  const { place } = node.facts;
  const running = view.nodes.filter((other) => other !== node && other.facts.server?.inRecovery === false);
  const reasons: Reason[] = [
    ...running.map((other) => ({ code: 'primary-exists', node: other.spec.name, message: `${other.spec.name} is the primary of cluster "${view.topology.cluster}" already`, next: [`pgrepl add-standby ${node.spec.name} -D ${place.pgdata} -p ${place.port}`], hint: 'A second primary is a cluster of its own: give it its own cluster file.' })),
    ...serverWithoutDirectory(node),
    // An unfinished run of ours may have come as far as starting it.
    ...((node.facts.processes?.length ?? 0) > 0 ? [] : await portInUse(world, place)),
    ...supported(await world.node(place.name).programs()),
    ...(await wishTrouble(world, place, want.node.set ?? {})),
    ...(want.node.archive === undefined ? [] : await archiveTrouble(world, place, want.node.archive, { effective: {}, config: null, set: want.node.set ?? {}, replace: false, systemIdentifier: null })),
    ...(await pairTrouble(world.node(place.name), node.facts)),
    ...(await judgeNewService(world.node(place.name))),
    ...(await tlsTrouble(world, place)),
  ];
  const staging = node.facts.staging === null ? await stagingFor(world.node(place.name).host, place.pgdata) : { holder: node.facts.staging.holder, pgdata: place.pgdata };
  refuseOn(`init primary ${place.name}`, [...reasons, ...(await cannotMake(world, place, staging)), ...(node.facts.staging === null ? await noRoom(world, place) : []), ...(await noPlaceForPassfile(world, place))]);
  const { host } = world.node(place.name);
  const walTotalBytes = (await host.space(place.pgdata)).totalBytes;
  const settings = ownedSettings({ place, effective: {}, atRestart: {}, config: null, fresh: true, walTotalBytes, slotRetainedBytes: 0, set: want.node.set ?? {}, socketDirectory: await socketDirectoryFor(host), archive: want.node.archive });
  const ranges = allowedRanges([want.node, ...view.nodes.filter((other) => other !== node).map((other) => other.spec)]);
  const map = ownerMap(place);
  const serves = { serves: place.name };
  const onlyTls = takesOnlyTls(view, node, serves);
  const ident = [...(map ? identRules(place) : []), ...certificateRules(view, place)];
  const made = await newPairOf(world.node(place.name));
  const at = { node: place.name, staging, reload: false };
  const steps: Step[] = [
    { kind: 'prepare-staging', node: place.name, staging, marker: { format: 1, node: place.name, cluster: place.cluster, command: 'init-primary', pgdata: place.pgdata, slot: null, upstream: null, systemIdentifier: null, also: [] } },
    { kind: 'init-database', node: place.name, staging, superuser: place.adminUser },
    { ...at, kind: 'write-file', path: STANDBY_CONF, content: renderNoStandby(place, restoreCommandFor(want.node) ?? ''), what: 'a primary streams from nowhere', keepCopyAs: null },
    { ...at, kind: 'write-file', path: OWNED_CONF, content: renderOwned(place.name, settings), what: 'what replication needs', keepCopyAs: null },
    { ...at, kind: 'include-conf', path: 'postgresql.conf', include: OWNED_CONF },
    ...(ident.length > 0 ? [{ ...at, kind: 'put-block', path: 'pg_ident.conf', label: blockLabel(place.cluster), lines: ident, what: map ? `let ${place.osUser} in as ${place.adminUser}` : `the certificates of the nodes are "${place.replicationUser}"` } as const] : []),
    { ...at, kind: 'put-block', path: 'pg_hba.conf', label: blockLabel(place.cluster), lines: hbaRules(place, ranges, map, onlyTls), what: describeDoor(place, ranges, onlyTls) },
    { kind: 'publish-directory', node: place.name, staging, mode: 0o700, as: 'primary' },
    ...pairSteps(made, world.node(place.name)),
    { kind: 'start-server', node: place.name, directory: place.pgdata, configFile: null, as: 'primary' },
    ...roleSteps(place, null, onlyTls),
    { kind: 'check-settings', node: place.name, expect: expectations(settings) },
    ...(want.node.archive === undefined ? [] : [{ kind: 'prove-archiving', node: place.name } as const]),
    { kind: 'check-configuration', node: place.name, directory: place.pgdata, configFile: configFileOfPair(made) },
    { kind: 'finish-staging', node: place.name, staging },
  ];
  return { steps, notices: [...(want.node.archive === undefined ? [] : await archiveNotices(world, place, want.node.archive)), ...stillOpen(view, node, serves)], remains: null };
}

async function planAdoption(world: World, view: ClusterView, node: NodeView, want: InitPrimary): Promise<Decided> {
  const { place, server } = node.facts;
  const title = `init primary ${place.name}`;
  refuseOn(title, standsInTheWay(node, want));
  const config = node.config;
  if (config === null) throw new Error('the configuration of an adopted server was not read');
  const starts = server === null;
  const configFile = outsideConfig(config, place.pgdata);
  if (starts) refuseOn(title, [...otherNodeMayRun(view, node), ...(await portInUse(world, place)), ...(await wouldNotStart(world, place, configFile))]);

  const programs = await world.node(place.name).programs();
  const atRestart = await offlineSettings(programs, node.facts, configFile);
  const input: SettingsInput = {
    place,
    effective: server?.settings ?? atRestart,
    atRestart,
    config,
    fresh: false,
    walTotalBytes: config.walSpace.totalBytes,
    // What the slots of a stopped server retain is not known: no cap is set over them.
    slotRetainedBytes: server === null ? (await hasSlots(world, place) ? Number.POSITIVE_INFINITY : 0) : Math.max(0, ...server.slots.map((slot) => slot.retainedBytes ?? 0)),
    set: want.node.set ?? {},
    socketDirectory: null,
    archive: want.node.archive,
  };
  const settings = ownedSettings(input);
  const ranges = allowedRanges([want.node, ...view.nodes.filter((other) => other !== node).map((other) => other.spec)]);
  // The map is ours only where we made the cluster: an adopted one lets its superuser in already.
  const map = (config.ident ?? '').includes(`# pgrepl begin ${blockLabel(place.cluster)}`);
  const serves = { serves: place.name };
  const onlyTls = takesOnlyTls(view, node, serves);
  const rules = hbaRules(place, ranges, map, onlyTls);
  const ident = [...(map ? identRules(place) : []), ...certificateRules(view, place)];
  const role = server === null ? { reasons: [], notices: [] } : await judgeRole(world, place);
  refuseOn(title, [
    ...supported(programs),
    ...managedByOthers(node),
    ...(await wishTrouble(world, place, input.set)),
    ...(want.node.archive === undefined ? [] : await archiveTrouble(world, place, want.node.archive, { effective: settingsBehind(input), config, set: input.set, replace: want.replaceArchive === true, systemIdentifier: server?.systemIdentifier ?? node.facts.control?.systemIdentifier ?? null })),
    ...overridden(place.name, settings, config, input.effective),
    ...hbaTrouble(place, config, ranges, rules, want.overReject, features(programs.versionNumber).hbaJoinsLines),
    ...editedByHand(input, settings, want),
    ...role.reasons,
    ...(starts ? await judgeService(world.node(place.name), ['start']) : want.restart ? await judgeService(world.node(place.name), ['stop', 'start']) : []),
    ...(await noPlaceForPassfile(world, place)),
    ...(await tlsTrouble(world, place)),
  ]);

  const waiting = starts ? [] : [...settings.filter((setting) => setting.restart && setting.expect !== null).map((setting) => setting.name), ...(await setThatNeedStart(world, place, config, input.set)), ...restoreWaits(input, want, programs.versionNumber)];
  const restarts = waiting.length > 0 && want.restart;
  const takesReplication = starts || restarts || (Number(input.effective['max_wal_senders']?.value ?? '0') > 0 && input.effective['wal_level']?.value !== 'minimal');
  const at = { node: place.name, staging: null, reload: !starts };
  const what = describeDoor(place, ranges, onlyTls);
  const uncapped = uncappedSlots(input);
  const archives = want.node.archive !== undefined && (starts || restarts || ['on', 'always'].includes(server.settings['archive_mode']?.value ?? 'off'));
  const onReturn = restarts ? [{ kind: 'restart-on-return', node: place.name, directory: place.pgdata, configFile, because: waiting } as const] : [];
  return {
    steps: [
      // First of all, and so the last to be taken back: when the files are as they were.
      ...onReturn,
      ...(config.standby === null || ownedConfEdited(config.standby) || valuesOf(config.standby).get('restore_command') !== valuesOf(standbyFileOf(place, input, want)).get('restore_command') ? [{ ...at, kind: 'write-file', path: `${config.folder}/${STANDBY_CONF}`, content: standbyFileOf(place, input, want), what: 'a primary streams from nowhere', keepCopyAs: datedCopy(config, STANDBY_CONF) } as const] : []),
      { ...at, kind: 'write-file', path: `${config.folder}/${OWNED_CONF}`, content: renderOwned(place.name, settings), what: 'what replication needs', keepCopyAs: datedCopy(config, OWNED_CONF) },
      { ...at, kind: 'include-conf', path: config.confFile, include: OWNED_CONF },
      ...(place.auth === 'cert' ? [{ ...at, kind: 'put-block', path: config.identFile, label: blockLabel(place.cluster), lines: ident, what: `the certificates of the nodes are "${place.replicationUser}"` } as const] : []),
      { ...at, kind: 'put-block', path: config.hbaFile, label: blockLabel(place.cluster), lines: rules, what },
      ...(starts ? [{ kind: 'start-server', node: place.name, directory: place.pgdata, configFile, as: 'primary' } as const] : []),
      ...(restarts ? [{ kind: 'restart-server', node: place.name, directory: place.pgdata, configFile, as: 'primary', because: waiting } as const] : []),
      ...roleSteps(place, server?.systemIdentifier ?? node.facts.control?.systemIdentifier ?? null, onlyTls, takesReplication),
      ...(node.facts.emptyHolder === null ? [] : [{ kind: 'finish-staging', node: place.name, staging: { holder: node.facts.emptyHolder, pgdata: place.pgdata } } as const]),
      ...checks(settings.filter((setting) => starts || restarts || !setting.restart), place, configFile),
      ...(archives ? [{ kind: 'prove-archiving', node: place.name } as const] : []),
    ],
    notices: [...(uncapped === null ? [] : [uncapped]), ...role.notices, ...(want.node.archive === undefined ? [] : await archiveNotices(world, place, want.node.archive)), ...stillOpen(view, node, serves)],
    remains: waiting.length > 0 && !want.restart ? restartNeeded(place, waiting) : null,
  };
}

/** The first standby, as it is to be typed: another machine has the usual port. Pure. */
function addStandby({ via, port }: NodeSpec): string {
  return via === 'local' ? `pgrepl add-standby -D DIR -p ${port + 1}` : 'pgrepl add-standby --via WHERE -h ADDRESS -D DIR';
}

function supported(programs: Programs): readonly Reason[] {
  if (isSupported(programs.versionNumber)) return [];
  return [{ code: 'version-unsupported', message: `the programs in ${programs.binDir} are PostgreSQL ${renderVersionNumber(programs.versionNumber)}, which is not supported`, next: ['--bin-dir DIR'] }];
}

async function hasSlots(world: World, place: NodePlace): Promise<boolean> {
  return ((await world.node(place.name).host.list(`${place.pgdata}/pg_replslot`)) ?? []).length > 0;
}

/** Settings of the operator that only a start can change, and that do not run yet. */
async function setThatNeedStart(world: World, place: NodePlace, config: ConfigFacts, set: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const names = Object.keys(set);
  if (names.length === 0) return [];
  const present = valuesOf(config.owned);
  const startOnly = await (await world.node(place.name).server()).startOnly(names);
  return names.filter((name) => startOnly.has(name) && (present.get(name) !== set[name] || startOnly.get(name) === true));
}

async function wouldNotStart(world: World, place: NodePlace, configFile: string | null): Promise<readonly Reason[]> {
  const complaint = await (await world.node(place.name).programs()).checkConfiguration(place.pgdata, configFile);
  return complaint === null ? [] : [{ code: 'configuration-broken', node: place.name, message: `the server would not start: ${complaint}` }];
}

/** What makes a node impossible to adopt, whatever its configuration. Pure. */
function standsInTheWay(node: NodeView, want: InitPrimary): readonly Reason[] {
  const { place, state, directory, server, control, hasSignal, staging } = node.facts;
  const name = place.name;
  if (staging !== null) {
    const { command, node: owner } = staging.marker;
    return [{ code: 'unfinished-copy', node: name, message: `${place.pgdata} is being made by an unfinished ${command} of ${owner}`, next: [`pgrepl ${command} ${owner} -D ${place.pgdata}`, 'pgrepl undo'] }];
  }
  if (directory === 'foreign') return [{ code: 'directory-not-empty', node: name, message: `${place.pgdata} is not empty and is no data directory`, hint: 'A new cluster needs a missing or empty directory; a file system root with lost+found wants a subdirectory.' }];
  if (server?.inRecovery === true || hasSignal) return [{ code: 'is-a-standby', node: name, message: `${name} is a standby`, next: [`pgrepl promote ${name}`], hint: 'A standby becomes a primary by promote.' }];
  switch (state) {
    case 'up':
      return [];
    case 'down':
      // Our own file is in place: a restart that was asked for stopped it, and asking for it again starts it.
      return want.start || (want.restart && node.config?.owned !== null && node.config !== null) ? [] : [{ code: 'server-down', node: name, message: `the server in ${place.pgdata} is stopped (${control?.state ?? 'no control data'})`, next: [`pgrepl init-primary ${name} --start${want.restart ? ' --restart' : ''}`], hint: 'pgrepl starts a stopped server only when it is told to.' }];
    case 'starting':
    case 'stopping':
      return [{ code: `server-${state}`, node: name, message: `the server in ${place.pgdata} is ${state}`, hint: 'Run the command again when it is done.' }];
    case 'closed':
    case 'silent':
    case 'unknown':
      return [{ code: `server-${state}`, node: name, message: node.facts.trouble ?? `the server in ${place.pgdata} does not answer`, ...(state === 'closed' ? NEEDS_SESSION : node.facts.advice) }];
    default:
      return state satisfies never;
  }
}

function roleSteps(place: NodePlace, systemIdentifier: string | null, onlyTls: boolean, provable = true): readonly Step[] {
  const target = { host: place.host, port: place.port };
  return [
    { kind: 'write-passfile', node: place.name, path: place.passfile, user: place.replicationUser, targets: [target], from: null },
    { kind: 'create-role', node: place.name, user: place.replicationUser, passfile: place.passfile, ...target },
    ...(provable ? [{ kind: 'prove-login', node: place.name, user: place.replicationUser, passfile: { node: place.name, path: place.passfile }, ...target, systemIdentifier, ssl: sslWords(place, place), ...(onlyTls ? ({ onlyTls: true } as const) : {}) } as const] : []),
  ];
}

function checks(settings: readonly OwnedSetting[], place: NodePlace, configFile: string | null): readonly Step[] {
  const expect = expectations(settings);
  return [
    ...(Object.keys(expect).length === 0 ? [] : [{ kind: 'check-settings', node: place.name, expect } as const]),
    { kind: 'check-configuration', node: place.name, directory: place.pgdata, configFile },
  ];
}

function expectations(settings: readonly OwnedSetting[]): Readonly<Record<string, string>> {
  return Object.fromEntries(settings.flatMap((setting) => (setting.expect === null ? [] : [[setting.name, setting.expect]])));
}

function restartNeeded(place: NodePlace, names: readonly string[]): PgreplError {
  return new PgreplError('unfinished', 'restart-needed', `${place.name} needs a restart for ${names.join(', ')}`, {
    node: place.name,
    hint: 'Everything is written and waits for the restart.',
    next: [`pgrepl init-primary ${place.name} --restart`],
  });
}

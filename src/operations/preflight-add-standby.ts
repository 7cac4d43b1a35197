import type { Reason } from '../errors.ts';
import { features, isSupported, sameMajor } from '../postgres/features.ts';
import { renderVersionNumber } from '../postgres/version.ts';
import type { World } from '../steps/world.ts';
import type { AddStandbyFacts, alreadyMade } from './add-standby.ts';
import { allowedRanges, hbaRules, hbaTrouble, leftOut } from './access.ts';
import { managedByOthers } from './cluster.ts';
import { takesWhole } from './clone-configuration.ts';
import { newPairOf, pairTrouble } from './debian-pair.ts';
import { includesMissing } from './includes.ts';
import { loginTrial } from './login-trial.ts';
import { judgeNewService, judgeService } from './judge-service.ts';
import { hasMap } from './open-for-standbys.ts';
import { cannotMake, noPlaceForPassfile, portInUse, serverWithoutDirectory } from './preflight.ts';
import { judgeRole } from './role.ts';
import { roomReasons } from './room.ts';
import type { NodeSpec } from '../topology/topology.ts';
import { certificateMissing, takesOnlyTls } from './tls.ts';
import { tlsTrouble } from './tls-trouble.ts';
import type { AddStandby } from './wants.ts';
import { tooLow, wishTrouble } from './wished-settings.ts';

/** Senders that a copy takes (data and WAL), and one to spare for whoever else connects meanwhile (hazard A07). */
const SENDERS_NEEDED = 3;

/** Everything that stands in the way, all at once, before anything is touched. Reads only. */
export async function preflightAddStandby(world: World, want: AddStandby, facts: AddStandbyFacts, made: ReturnType<typeof alreadyMade>): Promise<readonly Reason[]> {
  const wishes = [...(await wishReasons(world, want, facts)), ...certificateMissing(facts.standby, facts.primary), ...(await tlsTrouble(world, facts.standby.facts.place))];
  if (made === 'streaming') return wishes;
  if (made !== 'no') return [...wrongUpstream(want, facts), ...wishes, ...(made === 'stopped' ? await judgeService(world.node(want.node.name), ['start']) : [])];
  const source = [...upstreamReasons(want, facts), ...(await loginReasons(world, facts))];
  return [
    ...source,
    ...wishes,
    ...(await oldRecoveryFile(world, facts)),
    ...(await targetReasons(world, want, facts)),
    ...(await tablespaceReasons(world, want, facts)),
    ...(await judgeNewService(world.node(want.node.name))),
    ...(await cannotMake(world, facts.standby.facts.place, facts.staging)),
    ...(await noPlaceForPassfile(world, facts.standby.facts.place)),
    ...accessReasons(want, facts),
    // What is wrong with the server or the role would only be said twice.
    ...(source.length > 0 ? [] : await loginTrial(world, facts, allowedRanges(specsOf(want, facts)))),
    ...(await roomReasons(world, want, facts)),
  ];
}

async function wishReasons(world: World, want: AddStandby, { standby, primary }: AddStandbyFacts): Promise<readonly Reason[]> {
  const wishes = want.node.set ?? {};
  const { place } = standby.facts;
  return [...(await wishTrouble(world, place, wishes)), ...tooLow(place, wishes, { name: primary.spec.name, settings: primary.facts.server?.settings ?? {} })];
}

/** Every node of the cluster as it will be. */
function specsOf(want: AddStandby, { view, standby }: AddStandbyFacts): readonly NodeSpec[] {
  return [...view.nodes.filter((node) => node !== standby).map((node) => node.spec), want.node];
}

/** The node exists and is attached elsewhere: that is another wish than adding it. */
function wrongUpstream(want: AddStandby, facts: AddStandbyFacts): readonly Reason[] {
  const name = want.node.name;
  const elsewhere = facts.view.nodes.find((node) => node !== facts.upstream && node.facts.server?.senders.some((sender) => sender.applicationName === name) === true);
  if (elsewhere === undefined) return [];
  return [{ code: 'other-upstream', node: name, message: `${name} exists and streams from ${elsewhere.spec.name}, not from ${facts.upstream.spec.name}`, next: [`pgrepl follow ${name} --upstream ${facts.upstream.spec.name}`] }];
}

/** Why nothing can be copied or streamed from the upstream that is wished for. Pure. */
export function upstreamReasons(want: AddStandby, facts: AddStandbyFacts): readonly Reason[] {
  const { upstream, standby, primary } = facts;
  const node = upstream.spec.name;
  const server = upstream.facts.server;
  if (server === null) return [{ code: 'upstream-down', node, message: `${node} does not answer: ${upstream.facts.trouble ?? upstream.facts.state}`, next: ['pgrepl status'] }];
  const reasons: Reason[] = [...managedByOthers(upstream)];
  const number = (name: string): number => Number(server.settings[name]?.value ?? '0');
  // Of a standby that command wants nothing to do.
  const byInit = (words: string): readonly string[] => (server.inRecovery ? [] : [`pgrepl init-primary ${node} ${words}`]);
  const refuse = (code: string, message: string, hint?: string, next?: readonly string[]): void => {
    reasons.push({ code, node, message, hint, next });
  };
  if (!isSupported(server.versionNumber)) refuse('version-unsupported', `${node} runs PostgreSQL ${server.version}, which is not supported`);
  if (server.systemIdentifier !== primary.facts.server?.systemIdentifier) refuse('another-cluster', `${node} belongs to another cluster than the primary ${primary.spec.name}`, 'Their system identifiers differ. Look at host, port and data directory of both in the cluster file.', ['pgrepl status']);
  if (server.settings['wal_level']?.value === 'minimal') refuse('wal-level', `wal_level of ${node} is minimal`, undefined, byInit('--restart'));
  const freeSenders = number('max_wal_senders') - server.senders.length;
  if (freeSenders < SENDERS_NEEDED) refuse('senders', `${node} has ${Math.max(0, freeSenders)} of ${number('max_wal_senders')} WAL senders free; a copy needs ${SENDERS_NEEDED} (two, and one to spare)`, 'max_wal_senders needs a restart.', byInit(`--set max_wal_senders=${server.senders.length + 10} --restart`));
  const slot = server.slots.find((one) => one.name === standby.spec.name);
  const claimed = standby.facts.staging?.marker.slot === standby.spec.name || facts.view.topology.nodes.some((one) => one.name === standby.spec.name);
  if (slot === undefined && server.slots.length >= number('max_replication_slots')) refuse('slots', `${node} has ${server.slots.length} of ${number('max_replication_slots')} replication slots in use`, 'max_replication_slots needs a restart.', byInit(`--set max_replication_slots=${server.slots.length + 10} --restart`));
  if (slot !== undefined && (slot.type !== 'physical' || slot.temporary || !claimed)) refuse('slot-foreign', `${node} has a slot ${slot.name} already, and nothing shows that it is ours`, 'Take another name, or drop the slot if nobody needs it.', [`SELECT pg_drop_replication_slot('${slot.name}')`]);
  if (slot?.active === true && standby.facts.staging === null) refuse('slot-active', `slot ${slot.name} of ${node} is in use by process ${slot.activePid ?? '?'}`, 'Another standby streams under this name.');
  if (server.inRecovery) {
    if (server.receiver === null) refuse('upstream-detached', `${node} is a standby that receives nothing`, undefined, ['pgrepl status']);
    if (primary.facts.server?.settings['full_page_writes']?.value === 'off') refuse('full-page-writes', `full_page_writes of ${primary.spec.name} is off, and a copy of a standby needs it`);
  }
  if (want.compress !== 'auto' && want.compress !== 'none' && !features(server.versionNumber).basebackupServerCompression) refuse('compress', `PostgreSQL ${server.version} cannot compress a copy on the server`, 'That came with 15.', ['--compress none']);
  return reasons;
}

/** A copy with recovery.conf does not start since 12 (hazard A12); whoever put it there may want to know. */
async function oldRecoveryFile(world: World, facts: AddStandbyFacts): Promise<readonly Reason[]> {
  const { host, place } = world.node(facts.upstream.spec.name);
  if ((await host.stat(`${place.pgdata}/recovery.conf`)) === null) return [];
  return [{ code: 'recovery-conf', node: place.name, message: `${place.pgdata} has a recovery.conf, and no server starts with one since PostgreSQL 12`, hint: 'Move it away first; the copy would carry it along.', next: [`mv ${place.pgdata}/recovery.conf ${place.pgdata}/recovery.conf.old`] }];
}

/**
 * Two C libraries may sort texts differently (glibc 2.28 changed most locales): then the indexes of the copy are wrong, silently, and it shows
 * after a promote (hazard D27). So may two processors, whose `char` is signed or not (hazard D36). Machines that do not answer are not
 * compared. Reads only.
 */
export async function machinesDiffer(world: World, { upstream, standby }: Pick<AddStandbyFacts, 'upstream' | 'standby'>): Promise<readonly string[]> {
  if (upstream.spec.via === standby.spec.via) return [];
  const answers = async (argv: readonly [string, string]): Promise<readonly [string, string] | null> => {
    const [there, here] = await Promise.all([upstream, standby].map(async (node) => {
      const exit = await world.node(node.spec.name).host.run({ argv, effect: 'reads' }).catch(() => null);
      return exit?.code === 0 ? exit.stdout.trim() : null;
    }));
    return there === undefined || here === undefined || there === null || here === null || there === here ? null : [there, here];
  };
  const [libraries, processors] = await Promise.all([answers(['getconf', 'GNU_LIBC_VERSION']), answers(['uname', '-m'])]);
  const told = ([there, here]: readonly [string, string]): string => `${upstream.spec.name} has ${there} and ${standby.spec.name} has ${here}`;
  return [
    ...(libraries === null ? [] : [`${told(libraries)}: they may sort texts differently, and indexes on texts (but not of the C, POSIX and ICU collations) be wrong on ${standby.spec.name}; REINDEX them after a promote`]),
    ...(processors === null ? [] : [`${told(processors)}: two kinds of processors may order the bytes of some indexes differently (pg_trgm and others on "char"); REINDEX those after a promote`]),
  ];
}

/** Links in the upstream's directory that a base backup skips, or follows to another place (hazards D21, D34). Reads only. */
export async function linksNotCopied(world: World, facts: AddStandbyFacts, waldir: string | undefined): Promise<readonly string[]> {
  const { host, place } = world.node(facts.upstream.spec.name);
  const names = (await host.list(place.pgdata)) ?? [];
  const stats = await Promise.all(names.map(async (name) => ({ name, stat: await host.stat(`${place.pgdata}/${name}`) })));
  return stats
    .filter(({ stat }) => stat?.kind === 'symlink')
    .flatMap(({ name }) => {
      if (name !== 'pg_wal') return [`${place.pgdata}/${name} of ${place.name} is a link, which a base backup does not copy`];
      return waldir === undefined ? [`pg_wal of ${place.name} is on another volume; that of the copy is in its data directory (--waldir DIR)`] : [];
    });
}

/** What the configuration of the upstream includes and the copy would not find. Nothing where the copy gets all of it in one file. */
export async function missingIncludes(world: World, facts: AddStandbyFacts): ReturnType<typeof includesMissing> {
  const { upstream, standby, whole } = facts;
  const node = world.node(standby.spec.name);
  if (whole.includes.length === 0 || takesWhole(facts, await newPairOf(node))) return { reasons: [], notices: [] };
  return await includesMissing(node.host, whole.includes, { upstream: upstream.facts.place, standby: standby.facts.place });
}

async function targetReasons(world: World, want: AddStandby, facts: AddStandbyFacts): Promise<readonly Reason[]> {
  const { standby, view, upstream } = facts;
  const { place, directory, staging, server } = standby.facts;
  const node = place.name;
  const { host } = world.node(node);
  const reasons: Reason[] = [];
  const real = await host.realPath(place.pgdata);
  for (const other of view.nodes.filter((one) => one !== standby && one.spec.via === standby.spec.via)) {
    if ((await host.realPath(other.facts.place.pgdata)) === real) reasons.push({ code: 'directory-of-other', node, message: `${place.pgdata} is the data directory of ${other.spec.name}`, hint: 'A standby needs a directory of its own.' });
    else if (real.startsWith(`${await host.realPath(other.facts.place.pgdata)}/`)) reasons.push({ code: 'directory-inside', node, message: `${place.pgdata} lies inside the data directory of ${other.spec.name}`, hint: 'It would be copied with it.' });
  }
  for (const other of view.nodes.filter((one) => one !== standby && one.spec.host === standby.spec.host && one.spec.port === standby.spec.port)) {
    reasons.push({ code: 'address-of-other', node, message: `${other.spec.name} has the address ${place.host}:${place.port} already`, next: [`--port ${place.port + 1}`] });
  }
  if (reasons.length > 0) return reasons;
  if (server !== null && staging === null) return [{ code: 'server-runs', node, message: server.inRecovery ? `a standby of another kind runs in ${place.pgdata}` : `a primary runs in ${place.pgdata}`, hint: 'pgrepl does not replace what is there.' }];
  const marker = staging?.marker;
  if (marker !== undefined && (marker.node !== node || marker.command !== 'add-standby' || marker.upstream !== upstream.spec.name)) {
    const words = marker.command === 'add-standby' ? `add-standby ${marker.node}${marker.upstream === null ? '' : ` --upstream ${marker.upstream}`}` : `${marker.command} ${marker.node}`;
    reasons.push({ code: 'unfinished-copy', node, message: `${place.pgdata} is being made by an unfinished ${words}`, hint: 'Finish it, or take it back.', next: [marker.command === 'rejoin' ? `pgrepl ${words}` : `pgrepl ${words} -D ${place.pgdata} -p ${place.port}`, 'pgrepl undo'] });
  }
  if (staging === null && (directory === 'data' || directory === 'foreign')) {
    const entries = (await host.list(place.pgdata)) ?? [];
    const found = entries.slice(0, 3).join(', ');
    const hint = entries.includes('lost+found') ? `It is the root of a file system; take a subdirectory, such as ${place.pgdata}/data.` : 'pgrepl never deletes a data directory. Move it away, or choose another.';
    reasons.push({ code: 'directory-not-empty', node, message: `${place.pgdata} is not empty (${found}${entries.length > 3 ? ', …' : ''})`, hint });
  }
  const programs = await world.node(node).programs();
  const source = upstream.facts.server?.versionNumber;
  if (source !== undefined && !sameMajor(programs.versionNumber, source)) {
    reasons.push({ code: 'major-differs', node, message: `the programs of ${node} in ${programs.binDir} are PostgreSQL ${renderVersionNumber(programs.versionNumber)}, and ${upstream.spec.name} runs ${renderVersionNumber(source)}`, hint: 'A standby needs the same major version.', next: ['--bin-dir DIR'] });
  }
  reasons.push(...(await pairTrouble(world.node(node), standby.facts)));
  reasons.push(...serverWithoutDirectory(standby));
  const running = standby.facts.processes?.length ?? 0;
  if (running === 0) reasons.push(...(await portInUse(world, place)));
  if (want.node.waldir !== undefined) reasons.push(...(await emptyPlace(world, facts, want.node.waldir, '--waldir')));
  return reasons;
}

/** Why a tablespace cannot be put where it is wished. Reads only. */
export async function tablespaceReasons(world: World, want: AddStandby, facts: AddStandbyFacts): Promise<readonly Reason[]> {
  const { upstream, standby } = facts;
  const node = standby.spec.name;
  const spaces = upstream.inventory?.tablespaces ?? [];
  const mapping = want.node.tablespaces ?? {};
  const reasons: Reason[] = [];
  for (const from of Object.keys(mapping)) {
    if (!spaces.some((space) => space.location === from)) reasons.push({ code: 'tablespace-unknown', node, message: `${upstream.spec.name} has no tablespace at ${from}`, hint: `It has: ${spaces.map((space) => space.location).join(', ') || 'none'}.` });
  }
  for (const space of spaces) {
    const to = mapping[space.location];
    if (to !== undefined) reasons.push(...(await emptyPlace(world, facts, to, '--tablespace')));
    else if (upstream.spec.via === standby.spec.via) reasons.push({ code: 'tablespace-unmapped', node, message: `tablespace "${space.name}" is at ${space.location} on the same machine and needs a place of its own`, next: [`--tablespace ${space.location}=NEW`] });
    else reasons.push(...(await emptyPlace(world, facts, space.location, 'tablespace')));
  }
  return reasons;
}

/** A directory that the copy will fill: absolute, and missing or empty, unless an unfinished run of ours is filling it. */
async function emptyPlace(world: World, facts: AddStandbyFacts, path: string, option: string): Promise<readonly Reason[]> {
  const node = facts.standby.spec.name;
  if (!path.startsWith('/')) return [{ code: 'path-relative', node, message: `${option} ${path} is not an absolute path` }];
  if (facts.standby.facts.staging?.marker.also.includes(path) === true) return [];
  const entries = await world.node(node).host.list(path);
  return entries === null || entries.length === 0 ? [] : [{ code: 'directory-not-empty', node, message: `${path} (${option}) is not empty (${entries.slice(0, 3).join(', ')})` }];
}

function accessReasons(want: AddStandby, facts: AddStandbyFacts): readonly Reason[] {
  const { view, standby } = facts;
  const specs = specsOf(want, facts);
  const ranges = allowedRanges(specs);
  const reasons = [...leftOut(specs, ranges)];
  for (const node of view.nodes) {
    const server = node.facts.server;
    if (node === standby || server === null || node.config === null) continue;
    reasons.push(...hbaTrouble(node.facts.place, node.config, ranges, hbaRules(node.facts.place, ranges, hasMap(node), takesOnlyTls(facts.view, node, { ready: want.node.name })), [], features(server.versionNumber).hbaJoinsLines));
  }
  return reasons;
}

/** The role and its password, with which the copy and the standby log in (hazard D35). */
export async function loginReasons(world: World, facts: AddStandbyFacts): Promise<readonly Reason[]> {
  const { place } = facts.primary.facts;
  const node = place.name;
  if ((await (await world.node(node).server()).role(place.replicationUser)) === null) {
    return [{ code: 'role-missing', node, message: `${node} has no role "${place.replicationUser}"`, next: [`pgrepl init-primary ${node}`] }];
  }
  return (await judgeRole(world, place)).reasons;
}

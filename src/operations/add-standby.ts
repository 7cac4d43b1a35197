import { PgreplError, refuseOn } from '../errors.ts';
import { restoreCommandFor } from '../postgres/archive.ts';
import { features } from '../postgres/features.ts';
import { blockLines } from '../postgres/hba-file.ts';
import type { Staging } from '../steps/staging.ts';
import type { Step } from '../steps/index.ts';
import type { World } from '../steps/world.ts';
import { isToReplayLate, type NodeSpec, type Topology, type TopologyEdit } from '../topology/topology.ts';
import { archiveNotAtHand } from './archive.ts';
import { allowedRanges } from './access.ts';
import { cloneConfiguration } from './clone-configuration.ts';
import { NO_SYNC_CHANGE } from './carry-sync.ts';
import type { Change } from './change.ts';
import { basisOf, describeNode, observeCluster, primariesOf, splitBrain, viewOf, type ClusterView, type NodeView } from './cluster.ts';
import { outsideConfig, valuesOf } from './config.ts';
import { delayNeed, delayNotices, delayTrouble } from './delay.ts';
import { configFileOfPair, newPairOf, pairSteps } from './debian-pair.ts';
import { doorsOfBackup, judgeBackup, restoreSteps } from './from-backup.ts';
import { joinSync, withSync } from './move-sync.ts';
import { openForStandbys, passfileSteps } from './open-for-standbys.ts';
import { readIncludes, type WholeConfiguration } from './includes.ts';
import { judgeMachine } from './judge-machine.ts';
import { linksNotCopied, machinesDiffer, missingIncludes, preflightAddStandby } from './preflight-add-standby.ts';
import { NEEDS_SESSION } from './preflight.ts';
import { renderAgain } from './render-again.ts';
import { slotMayBeCut } from './slot-budget.ts';
import { stagingFor } from './staging-place.ts';
import { sslBetween } from './tls.ts';
import type { AddStandby } from './wants.ts';

/** What was seen for one new standby: where it comes from, and what is at its own place. */
export interface AddStandbyFacts {
  readonly view: ClusterView;
  readonly primary: NodeView;
  readonly upstream: NodeView;
  readonly standby: NodeView;
  readonly staging: Staging;
  /** The configuration of the upstream with all that it includes. */
  readonly whole: WholeConfiguration;
}

/** Preflight, slot, copy, verify, standby settings, publish, start, proof. A finished one is only proved again; an unfinished one goes on. */
export async function decideAddStandby(world: World, topology: Topology, want: AddStandby): Promise<Change> {
  const name = want.node.name;
  const title = `add standby ${name}`;
  const others = topology.nodes.filter((node) => node.name !== name);
  if (others.length === 0) {
    throw new PgreplError('refused', 'no-cluster', `${title} is refused: ${topology.file} names no other node`, { hint: 'A standby needs a primary first.', next: ['pgrepl init-primary -D DIR'] });
  }
  const view = await observeCluster(world, topology, [want.node, ...others]);
  const facts = await factsFor(world, view, want);
  const spec = specOf(want, facts);
  const made = alreadyMade(facts);
  // A delayed standby that was started again first replays what it has.
  const startedAgain = isToReplayLate(want.node) && (made === 'stopped' || made === 'running');
  const from = facts.upstream.spec.name;
  // One that first replays what it holds back for its delay connects some time later: it is no member that could be proved now.
  const sync = startedAgain && want.sync !== true ? NO_SYNC_CHANGE : joinSync(view, facts.primary, { ...facts.standby, spec: want.node }, { asked: want.sync === true, direct: facts.upstream === facts.primary });
  const change = (steps: readonly Step[], notices: readonly string[] = [], remains: PgreplError | null = null): Change => ({
    plan: { title, command: `pgrepl add-standby ${name}`, basis: basisOf(view), steps: withSync(steps, sync.after), notices: [...notices, ...sync.notices] },
    edits: [{ edit: 'set-cluster', cluster: topology.cluster, replicationUser: topology.replicationUser, auth: topology.auth ?? 'password' }, { edit: 'put-node', node: spec }, ...sync.edits] satisfies TopologyEdit[],
    done: startedAgain ? `${name} runs as a standby of ${from}, from which it streams as soon as it has replayed what it holds back for its delay` : `${name} streams from ${from}, proved by a fresh record ${isToReplayLate(want.node) ? 'received' : 'replayed'} on it`,
    // Only a standby of the primary itself, and one that is not kept behind, can take over.
    next: ['pgrepl status', ...(facts.upstream === facts.primary && !isToReplayLate(want.node) ? [`pgrepl switchover ${name}`] : [])],
    question: null,
    remains,
  });
  const reasons = await preflightAddStandby(world, want, facts, made);
  const machine = made === 'no' ? await judgeMachine(world, want, facts) : { reasons: [], notices: [] };
  const backup = made === 'no' ? await judgeBackup(world, want, facts) : { reasons: [], notices: [] };
  const included = made === 'no' ? await missingIncludes(world, facts) : { reasons: [], notices: [] };
  const need = made === 'no' || delayChanges(want, facts) ? await delayNeed(world, want, facts) : null;
  refuseOn(title, [...reasons, ...delayTrouble(name, need), ...backup.reasons, ...included.reasons, ...machine.reasons, ...sync.reasons]);
  const { place, emptyHolder } = facts.standby.facts;
  const tidy: readonly Step[] = emptyHolder === null ? [] : [{ kind: 'finish-staging', node: name, staging: { holder: emptyHolder, pgdata: place.pgdata } }];
  const rendered = made === 'no' ? [] : againWithDoors(want, facts);
  const late = delayNotices(name, from, need);
  if (made === 'streaming') return change([...rendered, ...(rendered.length === 0 ? [] : [proofOf(facts, want.node)]), ...tidy], late, waitsForStart(want, facts));
  if (made === 'running') return change([...rendered, proofOf(facts, want.node), ...tidy], late, waitsForStart(want, facts));
  if (made === 'stopped') return change([...rendered, { kind: 'start-server', node: name, directory: place.pgdata, configFile: null, as: 'standby' }, proofOf(facts, want.node), ...tidy]);
  return change(await planCopy(world, want, facts), [...noticesOfCopy(want, facts), ...backup.notices, ...late, ...(want.node.archive === undefined ? [] : await archiveNotAtHand(world, facts.standby.facts.place, want.node.archive)), ...included.notices, ...machine.notices, ...(await linksNotCopied(world, facts, want.node.waldir)), ...(await machinesDiffer(world, facts))]);
}

/** The delay that a standby runs with is another one than it shall have. Pure. */
function delayChanges(want: AddStandby, { standby }: AddStandbyFacts): boolean {
  return (valuesOf(standby.config?.standby ?? null).get('recovery_min_apply_delay') ?? '0') !== (want.node.delay ?? '0');
}

/** Its files anew; where it then comes by its certificate, that is proved before, and the way without one is closed after it is there. */
function againWithDoors(want: AddStandby, facts: AddStandbyFacts): readonly Step[] {
  const { view, primary, upstream, standby } = facts;
  const files = renderAgain(want, facts);
  const ssl = sslBetween(standby, upstream);
  if (ssl.sslmode === undefined) return files;
  const doors = openForStandbys(view, null, allowedRanges(view.nodes.map((node) => node.spec)), { ready: want.node.name, serves: want.node.name });
  if (files.length === 0) return standby.facts.server === null ? [] : changedDoors(view, doors);
  return [loginOf(standby, upstream, primary), ...files, ...(standby.facts.server === null ? [] : [proofOf(facts, want.node)]), ...doors];
}

/** Blocks that are not yet what they should be: the others would be no change, and make one of a run that has nothing to do. */
function changedDoors(view: ClusterView, doors: readonly Step[]): readonly Step[] {
  return doors.filter((step) => {
    if (step.kind !== 'put-block') return true;
    const { config } = viewOf(view, step.node) ?? {};
    const text = step.path === config?.hbaFile ? config.hba : (config?.ident ?? null);
    return text === null || (blockLines(text, step.label) ?? []).join('\n') !== step.lines.join('\n');
  });
}

/** As the copy and the standby will come: from its machine, with its files. */
function loginOf(standby: NodeView, upstream: NodeView, primary: NodeView): Step {
  const { place } = standby.facts;
  return { kind: 'prove-login', node: place.name, user: place.replicationUser, passfile: { node: place.name, path: place.passfile }, host: upstream.spec.host, port: upstream.spec.port, systemIdentifier: primary.facts.server?.systemIdentifier ?? null, ssl: sslBetween(standby, upstream) };
}

async function factsFor(world: World, view: ClusterView, want: AddStandby): Promise<AddStandbyFacts> {
  const name = want.node.name;
  const title = `add standby ${name}`;
  const standby = viewOf(view, name);
  const id = standby?.facts.server?.systemIdentifier;
  // Whatever else runs at the place of the new node is in its way, but no second writer of this cluster.
  const stranger = id !== undefined && view.nodes.every((node) => node === standby || (node.facts.server ?? node.facts.control)?.systemIdentifier !== id);
  refuseOn(title, splitBrain(stranger ? { ...view, nodes: view.nodes.filter((node) => node !== standby) } : view));
  const primary = primariesOf(view).find((node) => node.spec.name !== name);
  if (standby === undefined) throw new Error('the new node was not observed');
  if (primary === undefined) {
    const seen = view.nodes.filter((node) => node.spec.name !== name).map(describeNode);
    throw new PgreplError('refused', 'no-primary', `${title} is refused: no primary of cluster "${view.topology.cluster}" answers`, { details: seen, ...(view.nodes.some((node) => node.facts.state === 'closed') ? NEEDS_SESSION : { next: ['pgrepl status'] }) });
  }
  const upstreamName = want.upstream ?? want.node.upstream ?? primary.spec.name;
  const upstream = viewOf(view, upstreamName);
  if (upstream === undefined || upstreamName === name) {
    throw new PgreplError('usage', 'upstream-unknown', `${upstreamName} is not another node of ${view.topology.file}`, { next: ['pgrepl status'] });
  }
  const pgdata = standby.facts.place.pgdata;
  const left = standby.facts.staging;
  const staging = left === null ? await stagingFor(world.node(name).host, pgdata) : { holder: left.holder, pgdata };
  const { config } = upstream;
  const whole = config === null ? { text: '', includes: [] } : await readIncludes(world.node(upstreamName).host, config, pgdata);
  return { view, primary, upstream, standby, staging, whole };
}

/** How far an earlier run of the same command came: nothing to go on from, or a standby of this cluster under its own name. Pure. */
export function alreadyMade(facts: AddStandbyFacts): 'no' | 'stopped' | 'running' | 'streaming' {
  const { standby, primary, upstream } = facts;
  if (standby.facts.staging !== null || standby.config === null) return 'no';
  const id = standby.facts.server?.systemIdentifier ?? standby.facts.control?.systemIdentifier;
  const name = standby.spec.name;
  if (id !== primary.facts.server?.systemIdentifier || valuesOf(standby.config.standby).get('primary_slot_name') !== name || !standby.facts.hasSignal) return 'no';
  if (standby.facts.state === 'down') return 'stopped';
  if (standby.facts.server?.inRecovery !== true) return 'no';
  return upstream.facts.server?.senders.some((sender) => sender.applicationName === name && sender.state === 'streaming') === true ? 'streaming' : 'running';
}

/** The steps of a copy, from the open doors to the proof. `replacing`: of a rejoin, whose old directory is moved aside before the new one gets its name. */
export async function planCopy(world: World, want: AddStandby, facts: AddStandbyFacts, replacing: { readonly aside: string; readonly step: Step; readonly slot: string | null } | null = null): Promise<readonly Step[]> {
  const { primary, upstream, standby, staging, view } = facts;
  const { place } = standby.facts;
  const name = place.name;
  const server = upstream.facts.server;
  const systemIdentifier = primary.facts.server?.systemIdentifier;
  if (server === null || systemIdentifier === undefined) throw new Error('preflight lets only running upstreams through');
  const tablespaces = Object.entries(want.node.tablespaces ?? {}).map(([from, to]) => ({ from, to }));
  const also = [...tablespaces.map((space) => space.to), ...(want.node.waldir === undefined ? [] : [want.node.waldir])];
  const specs = [...view.nodes.filter((node) => node !== standby).map((node) => node.spec), want.node];
  const configuration = await cloneConfiguration(world, want, facts);
  const made = await newPairOf(world.node(name));
  const groupAccess = server.settings['data_directory_mode']?.value === '0750';
  return [
    ...openForStandbys(view, standby, allowedRanges(specs)),
    ...passfileSteps(view, primary),
    // By the rules as they are now.
    loginOf(standby, upstream, primary),
    {
      kind: 'prepare-staging',
      node: name,
      staging,
      marker: { format: 1, node: name, cluster: place.cluster, command: replacing === null ? 'add-standby' : 'rejoin', pgdata: place.pgdata, slot: replacing === null ? name : replacing.slot, upstream: upstream.spec.name, systemIdentifier, also, ...(replacing === null ? {} : { aside: replacing.aside }) },
    },
    { kind: 'create-slot', node: upstream.spec.name, slot: name, claimedBy: { node: name, holder: staging.holder } },
    ...(want.source === 'pgbackrest' ? restoreSteps(want, facts) : [{
      kind: 'base-backup',
      node: name,
      upstream: upstream.spec.name,
      staging,
      systemIdentifier,
      options: {
        host: upstream.spec.host,
        port: upstream.spec.port,
        user: place.replicationUser,
        passfile: place.passfile,
        slot: name,
        applicationName: `pgrepl_${name}`.slice(0, 63),
        checkpoint: want.checkpoint,
        // Between nodes of one machine compression only costs; the link of others is measured when they can be reached.
        compress: want.compress === 'auto' ? 'none' : want.compress,
        maxRate: want.maxRate,
        tablespaces,
        waldir: want.node.waldir ?? null,
        ssl: sslBetween(standby, upstream),
      },
    } as const]),
    ...(want.verify && want.source === undefined ? [{ kind: 'verify-backup', node: name, staging } as const] : []),
    ...configuration,
    ...doorsOfBackup(want, facts),
    ...(replacing === null ? [] : [replacing.step]),
    { kind: 'publish-directory', node: name, staging, mode: groupAccess ? 0o750 : 0o700, as: 'standby' },
    ...pairSteps(made, world.node(name)),
    // Its own directory and no other, whatever the files that came along say (hazard B22); and no line that a start would stumble over.
    { kind: 'check-configuration', node: name, directory: place.pgdata, configFile: configFileOfPair(made) },
    { kind: 'check-slot', node: name, upstream: upstream.spec.name, slot: name, staging },
    { kind: 'start-server', node: name, directory: place.pgdata, configFile: null, as: 'standby' },
    proofOf(facts, want.node),
    { kind: 'finish-staging', node: name, staging },
  ];
}

/** What a running standby takes only at its start: archive_mode, and in 13 restore_command. Everything is written, and waits for that. */
function waitsForStart(want: AddStandby, { standby }: AddStandbyFacts): PgreplError | null {
  const { server, place } = standby.facts;
  if (server === null) return null;
  const restore = !features(server.versionNumber).restoreCommandReloads && (server.settings['restore_command']?.value ?? '') !== (restoreCommandFor(want.node) ?? '');
  const archive = want.node.archive !== undefined && server.settings['archive_mode']?.value === 'off' && want.node.set?.['archive_mode'] === undefined;
  const names = [...(archive ? ['archive_mode'] : []), ...(restore ? ['restore_command'] : [])];
  if (names.length === 0) return null;
  return new PgreplError('unfinished', 'restart-needed', `${place.name} needs a restart for ${names.join(', ')}`, {
    node: place.name,
    hint: restore && !archive ? 'Everything is written and waits for the restart, which PostgreSQL 13 needs and later ones do not. Restart the server by whoever runs it.' : 'Everything is written and waits for the restart: restart the server by whoever runs it.',
    next: ['pgrepl status'],
  });
}

function proofOf(facts: AddStandbyFacts, node: NodeSpec): Step {
  const delayed = isToReplayLate(node);
  return { kind: 'prove-streaming', node: node.name, upstream: facts.upstream.spec.name, primary: facts.primary.spec.name, delayed, ...(sslBetween(facts.standby, facts.upstream).sslmode === undefined ? {} : { encrypted: true }), ...(delayed && alreadyMade(facts) !== 'no' ? { mayHoldBack: true } : {}) };
}

/** As it goes into the cluster file: the upstream is named only when it is not the primary. */
function specOf(want: AddStandby, facts: AddStandbyFacts): NodeSpec {
  // A fence that was open is closed by the copy: the old directory of this name is no longer a node.
  const { upstream: _, fenced: __, ...node } = want.node;
  return facts.upstream === facts.primary ? node : { ...node, upstream: facts.upstream.spec.name };
}

/** What the operator should know of the copy before it is made. Pure. */
export function noticesOfCopy(want: AddStandby, facts: AddStandbyFacts): readonly string[] {
  const { upstream, standby, whole } = facts;
  const notices: string[] = [];
  const included = whole.includes.filter(({ exists }) => exists).map(({ path }) => path);
  if (want.source === 'pgbackrest') notices.push(`${upstream.spec.name} only makes a slot`);
  else if (want.checkpoint === 'fast') notices.push(`${upstream.spec.name} writes out its dirty buffers at once (--checkpoint spread takes minutes instead)`);
  else notices.push(`${upstream.spec.name} spreads its checkpoint: nothing seems to happen for some minutes`);
  notices.push(...slotMayBeCut(want, facts));
  if (!want.verify && want.source === undefined) notices.push('the copy is not verified against its manifest');
  if (upstream.spec.via === standby.spec.via) notices.push('both are on one machine: this protects from mistakes with a server, not from the loss of the machine');
  if (upstream.config !== null && outsideConfig(upstream.config, upstream.facts.place.pgdata) !== null) notices.push(`the configuration of ${upstream.spec.name} is outside its data directory; the copy takes it along${included.length === 0 ? '' : `, with ${included.join(', ')} in the same file`}`);
  const server = upstream.facts.server;
  const logs = server?.settings['logging_collector']?.value === 'on' ? (server.settings['log_directory']?.value ?? '') : '';
  if (upstream.spec.via === standby.spec.via && logs.startsWith('/') && want.node.set?.['log_directory'] === undefined) notices.push(`both servers write their logs into ${logs} (log_directory): --set log_directory=DIR gives ${standby.spec.name} its own`);
  if (server !== null && features(server.versionNumber).promoteTriggerFile && (server.settings['promote_trigger_file']?.value ?? '') !== '') notices.push('promote_trigger_file of the upstream is not taken over');
  return notices;
}


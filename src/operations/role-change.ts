import { PgreplError, refuseOn, type Reason } from '../errors.ts';
import { restoreCommandFor } from '../postgres/archive.ts';
import { newestTimeline, REQUIRED_PARAMETERS } from '../postgres/control-data.ts';
import { features } from '../postgres/features.ts';
import { laterLsn } from '../postgres/lsn.ts';
import { judgeHistory, parseHistory } from '../postgres/timeline.ts';
import type { Step } from '../steps/index.ts';
import { LOCKED_MODE } from '../steps/staging.ts';
import type { World } from '../steps/world.ts';
import { isToReplayLate, type TopologyEdit } from '../topology/topology.ts';
import type { Change } from './change.ts';
import { basisOf, type ClusterView, type NodeView } from './cluster.ts';
import { outsideConfig, STANDBY_CONF, valuesOf } from './config.ts';
import { judgeService } from './judge-service.ts';
import { isStoppedStandby, pointsTo } from './roles.ts';
import { healSync } from './carry-sync.ts';
import { sslBetween } from './tls.ts';
import { RECOVERY_SETTINGS, renderNoStandby, renderStandby, restoreCommandIn } from './settings.ts';

/** The standby file of `node`, streaming from `upstream`. Pure. */
export function standbyFile(node: NodeView, upstream: NodeView, fastRetry = false): Step {
  const { place, server } = node.facts;
  const version = server?.versionNumber ?? upstream.facts.server?.versionNumber ?? 0;
  return {
    kind: 'write-file',
    node: place.name,
    path: `${node.config?.folder ?? place.pgdata}/${STANDBY_CONF}`,
    staging: null,
    content: renderStandby({
      place,
      upstream: { host: upstream.spec.host, port: upstream.spec.port },
      delay: node.spec.delay ?? null,
      restoreCommand: restoreCommandFor(node.spec),
      hasTriggerFile: version > 0 && features(version).promoteTriggerFile,
      fastRetry,
      ssl: sslBetween(node, upstream),
    }),
    what: fastRetry ? `stream from ${upstream.spec.name}, and look for WAL every 5 ms until the switchover is over` : `stream from ${upstream.spec.name}`,
    keepCopyAs: null,
    // A running primary reads them too, though it does nothing with them: so that nothing stale is left in its memory on the way back.
    reload: server !== null,
  };
}

/** The standby file of a primary. Pure. */
export function noStandbyFile(node: NodeView): Step {
  const { place } = node.facts;
  return { kind: 'write-file', node: place.name, path: `${node.config?.folder ?? place.pgdata}/${STANDBY_CONF}`, staging: null, content: renderNoStandby(place, restoreCommandIn(node.config?.standby ?? null)), what: 'a primary streams from nowhere', keepCopyAs: null, reload: true };
}

/** Recovery settings that ALTER SYSTEM left on a running node: they would win over our file. Pure. */
export function clearSystemSettings(node: NodeView): readonly Step[] {
  const auto = valuesOf(node.config?.auto ?? null);
  const values = Object.fromEntries(RECOVERY_SETTINGS.flatMap((name) => (auto.has(name) ? [[name, auto.get(name) ?? '']] : [])));
  return Object.keys(values).length === 0 ? [] : [{ kind: 'reset-system-settings', node: node.spec.name, values }];
}

/** Where this node streams from by its own file; `undefined`: from nowhere that the cluster file knows. Pure. */
export function configuredUpstream(view: ClusterView, node: NodeView): NodeView | undefined {
  const conninfo = node.facts.server?.settings['primary_conninfo']?.value ?? valuesOf(node.config?.standby ?? null).get('primary_conninfo') ?? '';
  return view.nodes.find((other) => other !== node && pointsTo(conninfo, other));
}

/**
 * Two standbys that are each other's upstream, where every node is seen and none is a primary: a switchover was cut off between the mark of the
 * old primary and the promote, and somebody has started the old one, which then came up as a standby. Whoever was the primary is among them, so
 * nobody writes. Empty: it is not like that. Pure.
 */
export function standbysOfEachOther(view: ClusterView): readonly NodeView[] {
  const isStandby = (node: NodeView): boolean => node.facts.server?.inRecovery === true || (node.facts.state === 'down' && isStoppedStandby(node));
  if (!view.nodes.every(isStandby)) return [];
  // One that streams from a server which the cluster file does not name has a primary there.
  if (view.nodes.some((node) => node.facts.server !== null && configuredUpstream(view, node) === undefined)) return [];
  return view.nodes.filter((node) => {
    const upstream = configuredUpstream(view, node);
    return upstream !== undefined && configuredUpstream(view, upstream) === node;
  });
}

/** Running standbys that stream from this node directly. Pure. */
export function followersOf(view: ClusterView, upstream: NodeView): readonly NodeView[] {
  return view.nodes.filter((node) => node.facts.server?.inRecovery === true && node !== upstream && configuredUpstream(view, node) === upstream);
}

/** A running standby to another upstream, seen to arrive unless its replay is paused. Its slot there must exist already. Pure. */
export function followSteps(node: NodeView, upstream: NodeView, primary: NodeView): readonly Step[] {
  return [...repointSteps(node, upstream), ...arrivalProof(node, upstream, primary)];
}

/** A running standby to another upstream; `arrivalProof` shows that it came there. Pure. */
export function repointSteps(node: NodeView, upstream: NodeView): readonly Step[] {
  return [...clearSystemSettings(node), standbyFile(node, upstream)];
}

/** That a running standby streams from its new upstream; nothing of one that looks for none now. Pure. */
export function arrivalProof(node: NodeView, upstream: NodeView, primary: NodeView): readonly Step[] {
  if (comesLater(node)) return [];
  return [{ kind: 'prove-streaming', node: node.spec.name, upstream: upstream.spec.name, primary: primary.spec.name, delayed: isToReplayLate(node.spec) || lowerThan(node, upstream) !== null }];
}

/** A paused startup process starts no WAL receiver: such a standby hangs on nobody new until its replay goes on. Pure. */
export function isPaused(node: NodeView): boolean {
  return node.facts.server !== null && node.facts.server.replayPause !== 'not paused';
}

/** Paused, or within its apply delay: it connects to a new upstream only when it has replayed what it has (WaitForWALToBecomeAvailable of xlogrecovery.c). Pure. */
export function comesLater(node: NodeView): boolean {
  return isPaused(node) || node.facts.server?.holdsBack === true;
}

/** In which required parameters it is lower than that upstream, in words: it will receive and not replay (hazards A03, A04). Pure. */
function lowerThan(node: NodeView, upstream: NodeView): string | null {
  const [own, theirs] = [node.facts.server?.settings, upstream.facts.server?.settings];
  const lower = REQUIRED_PARAMETERS.filter((name) => Number(own?.[name]?.value ?? 0) < Number(theirs?.[name]?.value ?? 0));
  return lower.length === 0 ? null : lower.map((name) => `${name} is ${own?.[name]?.value ?? '?'} there and ${theirs?.[name]?.value ?? '?'} on ${upstream.spec.name}`).join(', ');
}

/** The standbys that will hang on this upstream and not go on. Pure. */
export function describeStandingStill(nodes: readonly NodeView[], upstream: NodeView): readonly string[] {
  return nodes.flatMap((node) => {
    const lower = lowerThan(node, upstream);
    return lower === null ? [] : [`${node.spec.name} cannot replay what ${upstream.spec.name} writes: ${lower}; raise it and restart ${node.spec.name}`];
  });
}

/** What a change leaves: standbys that are prepared for their new upstream and not there yet. `again`: what sees whether they came. Pure. */
export function leftBehind(nodes: readonly NodeView[], upstream: NodeView, again = `pgrepl promote ${upstream.spec.name}`): PgreplError | null {
  const late = nodes.filter(comesLater);
  const [first] = late;
  if (first === undefined) return null;
  const paused = late.filter(isPaused);
  const delayed = late.filter((node) => !isPaused(node));
  const why = [...(paused.length === 0 ? [] : [`replay is paused on ${namesOf(paused)}`]), ...(delayed.length === 0 ? [] : [`${namesOf(delayed)} ${delayed.length === 1 ? 'holds back commits for its' : 'hold back commits for their'} delay`])];
  return new PgreplError('unfinished', paused.length === 0 ? 'standby-delayed' : 'standby-paused', `${namesOf(late)} ${late.length === 1 ? 'does' : 'do'} not stream from ${upstream.spec.name} yet: ${why.join(', and ')}`, {
    node: first.spec.name,
    hint: 'Such a standby looks for no other upstream. Its slot and its settings are in place: it comes when it has replayed what it has.',
    next: [...(paused.length === 0 || describeStandingStill(paused, upstream).length > 0 ? [] : ['SELECT pg_wal_replay_resume()']), again],
  });
}

function namesOf(nodes: readonly NodeView[]): string {
  return nodes.map((node) => node.spec.name).join(', ');
}

/** What the cluster file says wrongly once `primary` is the primary: it has no upstream, and nobody names it as one. Pure. */
export function editsAfter(view: ClusterView, primary: NodeView): readonly TopologyEdit[] {
  return [
    ...view.nodes
      .filter((node) => node.spec.upstream !== undefined && (node === primary || node.spec.upstream === primary.spec.name))
      .map((node): TopologyEdit => ({ edit: 'set-upstream', name: node.spec.name, upstream: null })),
    // One that streams is no longer the server that was shut off somewhere.
    ...view.nodes
      .filter((node) => node.spec.fenced !== undefined && node.facts.server?.inRecovery === true && primary.facts.server?.senders.some((sender) => sender.applicationName === node.spec.name) === true)
      .map((node): TopologyEdit => ({ edit: 'set-fence', name: node.spec.name, fenced: null })),
  ];
}

/**
 * The named node is the primary already. Whatever an interrupted role change left undone is finished: its own file emptied, the old
 * primary brought back as the standby that it was prepared to be, standbys that look elsewhere re-pointed, old slots dropped.
 */
export async function healAfterRoleChange(world: World, view: ClusterView, primary: NodeView): Promise<Change> {
  const name = primary.spec.name;
  const server = primary.facts.server;
  if (server === null) throw new Error('a primary that was not seen');
  const steps: Step[] = [];
  const late: Step[] = [];
  const notices: string[] = [];
  const later: NodeView[] = [];
  const started: NodeView[] = [];
  const reasons: Reason[] = [];
  const closed: NodeView[] = [];
  const live = await world.node(name).server();
  const [history, controlTimeline] = [parseHistory(await live.timelineHistory(server.timeline)), await live.controlTimeline()];
  for (const node of view.nodes) {
    if (node === primary) continue;
    const wanted = view.nodes.find((other) => other.spec.name === node.spec.upstream && other !== primary) ?? primary;
    const slot: Step = { kind: 'create-slot', node: wanted.spec.name, slot: node.spec.name, claimedBy: null };
    if (node.facts.server?.inRecovery === true) {
      const attached = wanted.facts.server?.senders.some((sender) => sender.applicationName === node.spec.name && sender.state === 'streaming') === true;
      if (attached && configuredUpstream(view, node) === wanted) continue;
      const verdict = judgeHistory({ timeline: node.facts.server.timeline, endLsn: laterLsn(node.facts.server.receivedLsn, node.facts.server.replayedLsn) }, { timeline: server.timeline, history });
      if (verdict.verdict === 'same' || verdict.verdict === 'ancestor') {
        steps.push(slot, ...followSteps(node, wanted, primary));
        later.push(...(comesLater(node) ? [node] : []));
      } else notices.push(`${node.spec.name} cannot follow ${name}: it ${verdict.verdict === 'ahead' ? 'has WAL beyond the point where the timelines part' : 'has another history'}`);
      continue;
    }
    const { control, hasSignal, state, directoryMode, place } = node.facts;
    // One that has written its last record and still waits for a slow standby is as good as down: its start waits for the end.
    const prepared = hasSignal && (state === 'down' || state === 'stopping') && control?.state === 'shut down' && valuesOf(node.config?.standby ?? null).has('primary_conninfo');
    if (!prepared || directoryMode === LOCKED_MODE) {
      // It was taken for shut off by a statement, and can be seen now: what is seen takes the place of what was stated.
      if (node.spec.fenced !== undefined && state === 'down' && !hasSignal && control !== null && newestTimeline(control) < server.timeline) {
        if (directoryMode !== LOCKED_MODE) steps.push({ kind: 'lock-directory', node: node.spec.name, directory: place.pgdata });
        closed.push(node);
        notices.push(`${node.spec.name} is seen to be stopped, and left unable to start (mode 0701), its WAL untouched: its fence is closed`);
      } else if (state === 'down') notices.push(`${node.spec.name} is stopped and stays so`);
      continue;
    }
    const verdict = judgeHistory({ timeline: newestTimeline(control), endLsn: control.checkpointLsn }, { timeline: server.timeline, history });
    if (verdict.verdict !== 'ancestor') {
      notices.push(`${node.spec.name} is stopped, and its history does not lead to ${name}`);
      continue;
    }
    reasons.push(...(await judgeService(world.node(node.spec.name), ['start'])));
    started.push(node);
    steps.push(slot, standbyFile(node, wanted), { kind: 'start-server', node: node.spec.name, directory: place.pgdata, configFile: node.config === null ? null : outsideConfig(node.config, place.pgdata), as: 'standby' });
    late.push({ kind: 'prove-streaming', node: node.spec.name, upstream: wanted.spec.name, primary: name, delayed: isToReplayLate(node.spec) });
    // What it kept for others while it was the primary can only be seen once it runs.
    late.push(...view.nodes.filter((other) => other.spec.upstream !== node.spec.name).map((other): Step => ({ kind: 'drop-slot', node: node.spec.name, slot: other.spec.name })));
  }
  refuseOn(`promote ${name}`, reasons);
  const inMemory = (server.settings['primary_conninfo']?.value ?? '') !== '';
  if (inMemory || valuesOf(primary.config?.standby ?? null).has('primary_conninfo')) late.push(noStandbyFile(primary));
  late.push(...staleSlots(view, primary, steps.some(({ kind }) => kind !== 'lock-directory')));
  const sync = healSync(view, primary, started, steps.some(({ kind }) => kind !== 'lock-directory'));
  late.push(...sync.after);
  // Until its first checkpoint is done, which may be minutes after the promote, pg_control still shows the old one.
  if (controlTimeline !== server.timeline) late.push({ kind: 'see-timeline', node: name, timeline: server.timeline });
  return {
    plan: { title: `promote ${name}`, command: `pgrepl promote ${name}`, basis: basisOf(view), steps: [...steps, ...late], notices },
    edits: [...editsAfter(view, primary), ...sync.edits, ...closed.map((node): TopologyEdit => ({ edit: 'set-fence', name: node.spec.name, fenced: null }))],
    done: `${name} is the primary${steps.some(({ kind }) => kind !== 'lock-directory') ? ', and the others stream from it' : ''}${closed.length === 0 ? '' : `, and ${namesOf(closed)} cannot start`}`,
    next: ['pgrepl status'],
    question: null,
    remains: leftBehind(later, primary),
    target: name,
  };
}

/** Slots on standbys under the name of a node that streams from somewhere else now: left over from their time as a primary. Pure. */
function staleSlots(view: ClusterView, primary: NodeView, healing: boolean): readonly Step[] {
  return view.nodes.flatMap((holder) => {
    if (holder === primary || holder.facts.server === null) return [];
    return holder.facts.server.slots
      .filter((slot) => {
        const owner = view.nodes.find((node) => node.spec.name === slot.name);
        if (owner === undefined || slot.type !== 'physical' || slot.temporary || (slot.active && !healing)) return false;
        return owner === holder || owner === primary || (owner.spec.upstream !== holder.spec.name && owner.facts.server !== null);
      })
      .map((slot): Step => ({ kind: 'drop-slot', node: holder.spec.name, slot: slot.name }));
  });
}

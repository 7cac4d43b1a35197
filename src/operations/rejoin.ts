import { PgreplError, refuseOn, type Reason } from '../errors.ts';
import { withoutSettings } from '../postgres/conf-file.ts';
import { renderLsn } from '../postgres/lsn.ts';
import { keptPlace, unfinishedKept } from '../steps/kept.ts';
import type { Step } from '../steps/index.ts';
import type { World } from '../steps/world.ts';
import type { Topology } from '../topology/topology.ts';
import { allowedRanges } from './access.ts';
import { decideAddStandby } from './add-standby.ts';
import type { Change } from './change.ts';
import { describeNode, fullPrimariesOf, managedByOthers, observeCluster, primariesOf, splitBrain, viewOf, type ClusterView, type NodeView } from './cluster.ts';
import { outsideConfig } from './config.ts';
import { judgeService } from './judge-service.ts';
import { openForStandbys, passfileSteps } from './open-for-standbys.ts';
import { finishedChange, titleOf, type RejoinFacts } from './rejoin-change.ts';
import { decideCopyAnew, describeCopy } from './rejoin-copy.ts';
import { hasSegments, nodeLog, primaryLog, provePrefix } from './rejoin-log.ts';
import { countLoss, describeLoss, describeTables, isData, wouldDiscard } from './rejoin-loss.ts';
import { accessLeft, asStandbySteps, judgeRewind, noteOf, oldSlots, rewindSteps } from './rejoin-rewind.ts';
import { tooLow } from './rejoin-parameters.ts';
import { judgeLogs, toCompare, type NodeLog } from './rejoin-verdict.ts';
import { followSteps, leftBehind } from './role-change.ts';
import { RECOVERY_SETTINGS } from './settings.ts';
import type { Rejoin } from './wants.ts';

/**
 * A fallen-out node back as a standby. Which way is decided before it is started or marked in any way, because both destroy the evidence: by
 * system identifier, control state, timeline histories, the end of its log, and the bytes of both logs.
 */
export async function decideRejoin(world: World, topology: Topology, want: Rejoin): Promise<Change> {
  const { name } = want;
  const title = titleOf(name);
  if (!topology.nodes.some((node) => node.name === name)) {
    throw new PgreplError('usage', 'node-unknown', `${topology.file} has no node ${name}`, { hint: `It has: ${topology.nodes.map((node) => node.name).join(', ') || 'none'}.` });
  }
  const view = await observeSettled(world, topology, name);
  const node = viewOf(view, name);
  if (node === undefined) throw new Error('the node was not observed');
  refuseOn(title, splitBrain(view));
  refuseOn(title, cannotBe(view, node));
  const primary = primariesOf(view)[0];
  if (primary === undefined) throw new Error('unreachable');
  const facts: RejoinFacts = { topology, view, node, primary };
  const { staging, directory } = node.facts;
  const copying = staging?.marker.command === 'rejoin';
  if (copying && node.facts.server === null) return await decideCopyAnew(world, facts, want, null);
  if (directory === 'missing' || directory === 'empty' || (staging !== null && !copying)) return await asNew(world, topology, want, node, primary);
  refuseOn(title, unfit(node, primary));
  const unfinished = await unfinishedKept(world.node(name).host, node.facts.place.pgdata);
  // A copy that was started is in its place: all that is left is to see it arrive.
  if (node.facts.server?.inRecovery === true && (copying || attachedTo(view, node) !== undefined)) return await alreadyBack(world, facts);
  const halfWay = unfinished !== null && (unfinished.flags.has('begun') || unfinished.flags.has('recovering')) && !isMarkedStandby(node, unfinished.flags.has('restored'));
  if (halfWay && !want.copy) return await goOnRewinding(world, facts, unfinished);
  if (halfWay) return await decideCopyAnew(world, facts, want, { timeline: unfinished.marker.timeline, fork: unfinished.marker.forkLsn, what: [`It was rewound half, from timeline ${unfinished.marker.timeline}, and is no database any more.`] });
  return await decideByLogs(world, facts, want);
}

/** How long a server that starts or stops may take to its end, before what is seen is taken for what is. */
const SETTLE_MS = 60_000;

/** The cluster, and not in the moment in which the server of the node comes up or goes down, as an interrupted rejoin leaves it. */
async function observeSettled(world: World, topology: Topology, name: string): Promise<ClusterView> {
  let view = await observeCluster(world, topology, topology.nodes);
  const isMoving = (): boolean => ['starting', 'stopping'].includes(viewOf(view, name)?.facts.state ?? '');
  if (!isMoving()) return view;
  const look = async (): Promise<true | null> => {
    view = await observeCluster(world, topology, topology.nodes);
    return isMoving() ? null : true;
  };
  await world.waitFor(`${name} to come up or go down`, look, { deadlineMs: SETTLE_MS, everyMs: 100 }).catch((thrown: unknown) => {
    if (!(thrown instanceof PgreplError && thrown.code === 'wait-timeout')) throw thrown;
  });
  return view;
}

/** Restored, with its signal file and a mode to start: the rewind is behind it, whatever its kept folder still says. */
function isMarkedStandby(node: NodeView, restored: boolean): boolean {
  return restored && node.facts.hasSignal && (node.facts.directoryMode === 0o700 || node.facts.directoryMode === 0o750);
}

/** Everything that keeps a rejoin of this node from being looked at at all. Pure. */
function cannotBe(view: ClusterView, node: NodeView): readonly Reason[] {
  const { spec, facts } = node;
  const name = spec.name;
  const [full] = fullPrimariesOf(view);
  if (full !== undefined && full !== node) return [{ code: 'primary-full', node: full.spec.name, message: `the primary ${full.spec.name} takes no more sessions: ${full.facts.trouble ?? 'all its connections are used'}`, next: ['pgrepl status'] }];
  const primary = primariesOf(view)[0];
  if (primary === node || full === node) return [{ code: 'is-the-primary', node: name, message: `${name} runs as the primary; there is no other one that it could follow`, hint: 'A standby takes over with promote; the node that fell out can rejoin then.', next: ['pgrepl status'] }];
  if (primary === undefined) {
    return [{ code: 'no-primary', message: `no primary answers (${view.nodes.map(describeNode).join('; ')})`, hint: 'A node rejoins a running primary. If none is left, promote a standby first; if this node was the last primary, start it again.', next: ['pgrepl status', ...(facts.control?.state === 'in production' || facts.control?.state === 'shut down' ? [`pgrepl init-primary ${name} --start`] : [])] }];
  }
  if (facts.server === null && facts.state !== 'down' && !(facts.state === 'unknown' && facts.processes?.length === 0)) {
    const alive = facts.processes?.[0];
    return [{ code: alive === undefined ? 'node-unreachable' : 'node-not-stopped', node: name, message: alive === undefined ? `${name} cannot be looked at: ${facts.trouble ?? facts.state}` : `${name} has a living server (process ${alive.pid}) that cannot be asked: ${facts.trouble ?? facts.state}`, hint: facts.advice?.hint ?? 'What it has can only be judged on its machine, and only of a server that answers or is stopped.', next: [...(facts.advice?.next ?? []), 'pgrepl status'] }];
  }
  if (facts.directory === 'foreign') return [{ code: 'directory-foreign', node: name, message: `${facts.place.pgdata} is no data directory`, hint: 'pgrepl does not replace what is there.', next: [`ls -la ${facts.place.pgdata}`] }];
  return [];
}

/** Reasons that hold whichever way is taken (hazards J27, M09, A01). Pure. */
function unfit(node: NodeView, primary: NodeView): readonly Reason[] {
  const { facts, spec } = node;
  const name = spec.name;
  const own = facts.server?.systemIdentifier ?? facts.control?.systemIdentifier ?? null;
  const theirs = primary.facts.server?.systemIdentifier;
  if (own !== null && own !== theirs) return [{ code: 'another-cluster', node: name, message: `${name} belongs to another cluster: system identifier ${own}, and ${primary.spec.name} has ${theirs ?? '?'}`, hint: 'It was never a part of this one. Look at its data directory in the cluster file.', next: ['pgrepl status'] }];
  return managedByOthers(primary);
}

/** The upstream that lists it as streaming, under its own name. Pure. */
function attachedTo(view: ClusterView, node: NodeView): NodeView | undefined {
  return view.nodes.find((other) => other !== node && other.facts.server?.senders.some((sender) => sender.applicationName === node.spec.name && sender.state === 'streaming') === true);
}

/** There is nothing to be judged and nothing to lose: the node is made as a new one. */
async function asNew(world: World, topology: Topology, want: Rejoin, node: NodeView, primary: NodeView): Promise<Change> {
  const change = await decideAddStandby(world, topology, { node: node.spec, upstream: node.spec.upstream ?? null, checkpoint: 'fast', compress: 'auto', maxRate: want.maxRate, verify: true });
  const why = node.facts.staging === null ? `${node.facts.place.pgdata} is ${node.facts.directory ?? 'missing'}: copy anew of ${primary.spec.name}` : 'an unfinished copy goes on';
  return { ...change, plan: { ...change.plan, title: titleOf(want.name), command: `pgrepl rejoin ${want.name}`, notices: [why, ...change.plan.notices] } };
}

/** It streams: only what an interrupted run left is cleared away, and the fence closed. */
async function alreadyBack(world: World, facts: RejoinFacts): Promise<Change> {
  const { view, node, primary } = facts;
  const upstream = attachedTo(view, node) ?? primary;
  const { steps } = await tidy(world, facts);
  const isThere = (name: string, wanted: string): boolean => viewOf(view, name)?.facts.server?.slots.some((slot) => slot.name === wanted && slot.type === 'physical' && !slot.temporary) === true;
  const old = oldSlots(view, node, upstream).filter((step) => step.kind === 'drop-slot' && isThere(step.node, step.slot));
  const proof: Step = { kind: 'prove-streaming', node: node.spec.name, upstream: upstream.spec.name, primary: primary.spec.name, delayed: node.spec.delay !== undefined };
  const all = [...old, ...steps];
  return finishedChange(facts, `pgrepl rejoin ${node.spec.name}`, all.length === 0 ? [] : [proof, ...all], [`nothing needed: ${node.spec.name} streams from ${upstream.spec.name}`], null, upstream);
}

/** What an interrupted rejoin left behind on both sides. Reads only. */
async function tidy(world: World, facts: RejoinFacts): Promise<{ readonly steps: readonly Step[] }> {
  const { node } = facts;
  const { host } = world.node(node.spec.name);
  const { staging, emptyHolder, place } = node.facts;
  const unfinished = await unfinishedKept(host, place.pgdata);
  return {
    steps: [
      ...(await accessLeft(world, facts)),
      ...(unfinished === null ? [] : [{ kind: 'finish-kept', node: node.spec.name, place: unfinished.place } as const]),
      ...(staging === null && emptyHolder !== null ? [{ kind: 'finish-staging', node: node.spec.name, staging: { holder: emptyHolder, pgdata: place.pgdata } } as const] : []),
      ...(staging === null ? [] : [{ kind: 'finish-staging', node: node.spec.name, staging: { holder: staging.holder, pgdata: place.pgdata, ...(staging.marker.command === 'rejoin' ? { replaces: true as const } : {}) } } as const]),
    ],
  };
}

/** pg_rewind was begun: the directory itself tells nothing any more, its marker does. */
async function goOnRewinding(world: World, facts: RejoinFacts, unfinished: NonNullable<Awaited<ReturnType<typeof unfinishedKept>>>): Promise<Change> {
  const { node, primary, view } = facts;
  const { marker, place, flags } = unfinished;
  const name = node.spec.name;
  const copyInstead = `pgrepl rejoin ${name} --copy --discard`;
  const now = primary.facts.server;
  refuseOn(titleOf(name), [
    ...(flags.has('begun') && now !== null && (marker.source.timeline !== now.timeline || marker.source.node !== primary.spec.name)
      ? [{ code: 'primary-changed', node: name, message: `${name} was being rewound to ${marker.source.node} on timeline ${marker.source.timeline}, and ${primary.spec.name} is the primary on timeline ${now.timeline} now`, hint: 'What came from the one may never have been on the other. Only a copy anew brings this node back.', next: [copyInstead] }]
      : []),
    ...(await judgeService(world.node(name), ['start'])),
  ]);
  const source = { node: primary.spec.name, timeline: now?.timeline ?? marker.source.timeline };
  const { run: _, ...same } = marker;
  const walFiles = ((await world.node(name).host.list(`${place.folder}/pg_wal`)) ?? []).filter((file) => /^[0-9A-F]{8}/.test(file));
  const steps = rewindSteps({ view, node: stoppedView(node), primary, place, marker: { ...same, source }, walFiles, note: [], copyInstead });
  return finishedChange(facts, `pgrepl rejoin ${name} --discard`, steps, [`the rewind of ${name} to ${primary.spec.name} was begun (${place.folder}), and goes on`], null);
}

function stoppedView(node: NodeView): NodeView {
  return { ...node, facts: { ...node.facts, server: null } };
}

async function decideByLogs(world: World, facts: RejoinFacts, want: Rejoin): Promise<Change> {
  const { view, node, primary } = facts;
  const { name } = want;
  const [source, title] = [primary.spec.name, titleOf(name)];
  const copyInstead = `pgrepl rejoin ${name} --copy --discard`;
  const control = node.facts.control;
  if (control === null) {
    if (want.copy && want.discard) return await decideCopyAnew(world, facts, want, { timeline: 0, fork: '0/0', what: ['Its pg_control could not be read.'] });
    refuseOn(title, [{ code: 'control-unreadable', node: name, message: `pg_control of ${name} cannot be read: nothing can be said about what it has`, hint: 'A copy anew moves the whole directory aside.', next: [copyInstead] }]);
  }
  if (control === null) throw new Error('unreachable');
  const log = await nodeLog(world, node);
  const theirs = await primaryLog(world, primary);
  const proof = await provePrefix(world, { view: node, log }, { view: primary, log: theirs }, toCompare(log, theirs), control.walSegmentBytes);
  const verdict = judgeLogs(log, theirs, proof, { node: name, primary: source, lsn: renderLsn });
  const loss = await countLoss(world, node, log, primary, verdict);
  const own = log.spans.at(-1)?.timeline ?? control.timeline;
  const fork = renderLsn(verdict.verdict === 'diverged' ? verdict.forkLsn : verdict.verdict === 'other' && verdict.from !== null ? verdict.from : log.endLsn);
  const kept = keptPlace(node.facts.place.pgdata, own, fork);
  const lossLines = loss === null ? [] : [`${name} has what ${source} does not have: ${describeLoss(loss)}`, ...(describeTables(loss) === '' ? [] : [describeTables(loss)])];
  const copy = async (why: readonly string[]): Promise<Change> => {
    refuseOn(title, isData(loss) && loss !== null && !want.discard ? [wouldDiscard(name, source, loss, `${kept.folder}/data`, copyInstead)] : []);
    return await decideCopyAnew(world, facts, want, { timeline: own, fork, what: [`copy anew of ${source}: ${verdict.because}.`, ...lossLines.map((line) => `${line}.`)] }, [verdict.because, ...why, ...lossLines]);
  };
  if (want.copy) return await copy([describeCopy(node, primary)]);

  if (verdict.verdict === 'contained') {
    const programs = await world.node(name).programs();
    const configFile = node.config === null ? null : outsideConfig(node.config, node.facts.place.pgdata);
    const archive = (node.spec.restoreCommand ?? (node.facts.server?.settings['restore_command']?.value ?? (await programs.settingValue(node.facts.place.pgdata, configFile, 'restore_command')))) ?? '';
    const there = hasSegments(await (await world.node(source).server()).walFiles(), theirs.spans, log.writtenLsn, log.writtenLsn < theirs.endLsn ? theirs.endLsn : log.writtenLsn, control.walSegmentBytes);
    if (!there && archive === '') return await copy([`${source} no longer has the WAL that ${name} would go on with: ${describeCopy(node, primary)}`]);
    return await planNothingNeeded(world, facts, log, verdict.because);
  }

  if (verdict.verdict === 'other') {
    refuseOn(title, [
      { code: 'other-history', node: name, message: verdict.because, hint: `pg_rewind believes the number of the timeline and would find nothing to do; started as a standby, ${name} would look well and hold other data. Only a copy anew brings it back; its directory is moved aside whole.`, next: [isData(loss) ? copyInstead : `pgrepl rejoin ${name} --copy`] },
      ...(isData(loss) && loss !== null && !want.discard ? [wouldDiscard(name, source, loss, `${kept.folder}/data`, copyInstead)] : []),
    ]);
    throw new Error('unreachable');
  }

  const offer = isData(loss) ? copyInstead : `pgrepl rejoin ${name} --copy`;
  const way = await judgeRewind(world, node, log, { view: primary, log: theirs }, verdict, offer, want.restoreTargetWal);
  refuseOn(title, [
    ...way.reasons,
    ...(await tooLow(world, node, primary)),
    ...(await judgeService(world.node(name), node.facts.server === null ? ['start'] : ['stop', 'start'])),
    ...(isData(loss) && loss !== null && !want.discard ? [wouldDiscard(name, source, loss, kept.folder, way.reasons.length > 0 ? copyInstead : `pgrepl rejoin ${name} --discard`)] : []),
  ]);
  const note = noteOf([`${name} was rewound to ${source}: ${verdict.because}.`, ...lossLines.map((line) => `${line}.`)], { node: name, pgdata: node.facts.place.pgdata, timeline: own, fork: verdict.forkLsn });
  const steps = rewindSteps({
    view,
    node,
    primary,
    place: kept,
    marker: {
      format: 1,
      node: name,
      cluster: node.facts.place.cluster,
      pgdata: node.facts.place.pgdata,
      systemIdentifier: control.systemIdentifier,
      timeline: own,
      forkLsn: renderLsn(verdict.forkLsn),
      source: { node: source, timeline: primary.facts.server?.timeline ?? 0 },
      configFile: way.configFile,
      restoreTargetWal: way.restoreTargetWal,
      own: way.own,
    },
    walFiles: way.walFiles,
    note,
    copyInstead,
  });
  const downstream = view.nodes.filter((other) => other !== node && other.spec.upstream === name).map((other) => other.spec.name);
  return finishedChange(
    facts,
    `pgrepl rejoin ${name}${want.discard ? ' --discard' : ''}`,
    steps,
    [
      `rewind: ${verdict.because}`,
      ...lossLines,
      `the log past the fork is kept in ${kept.folder}`,
      ...(control.state === 'shut down' || control.state === 'shut down in recovery' || node.facts.server !== null ? [] : [`${name} was not shut down (${control.state}): its crash recovery comes first`]),
      ...(downstream.length === 0 ? [] : [`${downstream.join(', ')} ${downstream.length === 1 ? 'streams' : 'stream'} from ${name} and will need a rejoin of ${downstream.length === 1 ? 'its' : 'their'} own`]),
    ],
    loss === null || !isData(loss) ? `Rewind ${name} to ${source}?` : `Discard ${loss.content === null ? 'what only it has' : countOf(loss.content.commits + loss.content.prepared)} on ${name}, and rewind it to ${source}?`,
  );
}

/** Its log leads to the primary: slot, settings, signal, start, proof. Of a running one only where it streams from changes. */
async function planNothingNeeded(world: World, facts: RejoinFacts, log: NodeLog, because: string): Promise<Change> {
  const { view, node, primary } = facts;
  const name = node.spec.name;
  const wanted = view.nodes.find((other) => other.spec.name === node.spec.upstream && other !== primary && other.facts.server?.inRecovery === true && other.facts.server.receiver !== null);
  const upstream = wanted ?? primary;
  const running = node.facts.server !== null;
  const auto = node.config?.auto ?? null;
  refuseOn(titleOf(name), [
    ...(node.config?.owned === null || node.config === null ? [{ code: 'not-prepared', node: name, message: `${name} does not include pgrepl.conf`, hint: 'It was not made by pgrepl, which sets upstreams there. A copy anew makes it one of its own.', next: [`pgrepl rejoin ${name} --copy`] }] : []),
    ...(await tooLow(world, node, primary)),
    ...(running ? [] : await judgeService(world.node(name), ['start'])),
  ]);
  const { steps: left } = await tidy(world, facts);
  const place = primary.facts.place;
  const steps: readonly Step[] = [
    ...passfileSteps(view, primary),
    ...openForStandbys(view, null, allowedRanges(view.nodes.map((one) => one.spec))),
    { kind: 'prove-login', node: name, user: place.replicationUser, passfile: { node: name, path: node.facts.place.passfile }, host: upstream.spec.host, port: upstream.spec.port, systemIdentifier: primary.facts.server?.systemIdentifier ?? null },
    { kind: 'create-slot', node: upstream.spec.name, slot: name, claimedBy: null },
    ...(running
      ? [...followSteps(node, upstream, primary), ...oldSlots(view, node, upstream)]
      : [
          ...(auto !== null && withoutSettings(auto, RECOVERY_SETTINGS).removed.length > 0
            ? [{ kind: 'write-file', node: name, staging: null, reload: false, keepCopyAs: null, path: `${node.facts.place.pgdata}/postgresql.auto.conf`, content: withoutSettings(auto, RECOVERY_SETTINGS).text, what: 'without the recovery settings of an earlier life' } as const]
            : []),
          ...asStandbySteps(view, node, upstream, primary),
        ]),
    ...left,
  ];
  const notice = `nothing needed: ${because}; ${running ? `it is pointed to ${upstream.spec.name}` : `it is started as a standby of ${upstream.spec.name}`}`;
  const change = finishedChange(facts, `pgrepl rejoin ${name}`, steps, [notice], log.endedAs === 'primary' ? `Start ${name} as a standby of ${upstream.spec.name}?` : null, upstream);
  return running ? { ...change, remains: leftBehind([node], upstream, `pgrepl rejoin ${name}`) } : change;
}

function countOf(transactions: number): string {
  return transactions === 1 ? '1 transaction' : `${transactions} transactions`;
}

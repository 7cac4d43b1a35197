import { PgreplError, refuseOn } from '../errors.ts';
import { restoreCommandFor } from '../postgres/archive.ts';
import { renderLsn } from '../postgres/lsn.ts';
import { keptPlace, unfinishedKept, type KeptPlace } from '../steps/kept.ts';
import type { World } from '../steps/world.ts';
import type { Topology } from '../topology/topology.ts';
import { decideAddStandby } from './add-standby.ts';
import type { Change } from './change.ts';
import { observeCluster, primariesOf, splitBrain, viewOf, type ClusterView, type NodeView } from './cluster.ts';
import { outsideConfig } from './config.ts';
import { judgeService } from './judge-service.ts';
import { alreadyBack, attachedTo, planNothingNeeded } from './rejoin-attach.ts';
import { finishedChange, titleOf, type RejoinFacts } from './rejoin-change.ts';
import { decideCopyAnew, describeCopy } from './rejoin-copy.ts';
import { hasSegments, nodeLog, primaryLog, provePrefix } from './rejoin-log.ts';
import { countLoss, describeLoss, describeTables, isData, wouldDiscard, type RejoinLoss } from './rejoin-loss.ts';
import { tooLow } from './rejoin-parameters.ts';
import { cannotBe, unfit } from './rejoin-preflight.ts';
import { judgeRewind, noteOf, rewindSteps } from './rejoin-rewind.ts';
import { judgeLogs, toCompare, type LogVerdict, type NodeLog, type ServerLog } from './rejoin-verdict.ts';
import { settle } from './settle.ts';
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
  return await settle(world, {
    look: async () => await observeCluster(world, topology, topology.nodes),
    isMoving: (view) => ['starting', 'stopping'].includes(viewOf(view, name)?.facts.state ?? ''),
    what: () => `${name} to come up or go down`,
    deadlineMs: SETTLE_MS,
    everyMs: 100,
  });
}

/** Restored, with its signal file and a mode to start: the rewind is behind it, whatever its kept folder still says. */
function isMarkedStandby(node: NodeView, restored: boolean): boolean {
  return restored && node.facts.hasSignal && (node.facts.directoryMode === 0o700 || node.facts.directoryMode === 0o750);
}

/** There is nothing to be judged and nothing to lose: the node is made as a new one. */
async function asNew(world: World, topology: Topology, want: Rejoin, node: NodeView, primary: NodeView): Promise<Change> {
  const change = await decideAddStandby(world, topology, { node: node.spec, upstream: node.spec.upstream ?? null, checkpoint: 'fast', compress: 'auto', maxRate: want.maxRate, verify: true });
  const why = node.facts.staging === null ? `${node.facts.place.pgdata} is ${node.facts.directory ?? 'missing'}: copy anew of ${primary.spec.name}` : 'an unfinished copy goes on';
  return { ...change, plan: { ...change.plan, title: titleOf(want.name), command: `pgrepl rejoin ${want.name}`, notices: [why, ...change.plan.notices] } };
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

/** Both logs, how they relate, and what only the node has. */
interface Evidence {
  readonly log: NodeLog;
  readonly theirs: ServerLog;
  readonly verdict: LogVerdict;
  readonly loss: RejoinLoss | null;
  readonly lossLines: readonly string[];
  /** The timeline that the node was on. */
  readonly own: number;
  readonly fork: string;
  readonly kept: KeptPlace;
}

async function seeEvidence(world: World, { node, primary }: RejoinFacts, walSegmentBytes: number, controlTimeline: number): Promise<Evidence> {
  const [name, source] = [node.spec.name, primary.spec.name];
  const log = await nodeLog(world, node);
  const theirs = await primaryLog(world, primary);
  const proof = await provePrefix(world, { view: node, log }, { view: primary, log: theirs }, toCompare(log, theirs), walSegmentBytes);
  const verdict = judgeLogs(log, theirs, proof, { node: name, primary: source, lsn: renderLsn });
  const loss = await countLoss(world, node, log, primary, verdict);
  const own = log.spans.at(-1)?.timeline ?? controlTimeline;
  const fork = renderLsn(verdict.verdict === 'diverged' ? verdict.forkLsn : verdict.verdict === 'other' && verdict.from !== null ? verdict.from : log.endLsn);
  const lossLines = loss === null ? [] : [`${name} has what ${source} does not have: ${describeLoss(loss)}`, ...(describeTables(loss) === '' ? [] : [describeTables(loss)])];
  return { log, theirs, verdict, loss, lossLines, own, fork, kept: keptPlace(node.facts.place.pgdata, own, fork) };
}

async function decideByLogs(world: World, facts: RejoinFacts, want: Rejoin): Promise<Change> {
  const { node, primary } = facts;
  const { name } = want;
  const [source, title] = [primary.spec.name, titleOf(name)];
  const copyInstead = `pgrepl rejoin ${name} --copy --discard`;
  const { control } = node.facts;
  if (control === null) {
    if (want.copy && want.discard) return await decideCopyAnew(world, facts, want, { timeline: 0, fork: '0/0', what: ['Its pg_control could not be read.'] });
    refuseOn(title, [{ code: 'control-unreadable', node: name, message: `pg_control of ${name} cannot be read: nothing can be said about what it has`, hint: 'A copy anew moves the whole directory aside.', next: [copyInstead] }]);
    throw new Error('unreachable');
  }
  const seen = await seeEvidence(world, facts, control.walSegmentBytes, control.timeline);
  const { log, theirs, verdict, loss, lossLines, kept } = seen;
  const discards = loss !== null && isData(loss) && !want.discard ? [wouldDiscard(name, source, loss, `${kept.folder}/data`, copyInstead)] : [];
  const copy = async (why: readonly string[]): Promise<Change> => {
    refuseOn(title, discards);
    return await decideCopyAnew(world, facts, want, { timeline: seen.own, fork: seen.fork, what: [`copy anew of ${source}: ${verdict.because}.`, ...lossLines.map((line) => `${line}.`)] }, [verdict.because, ...why, ...lossLines]);
  };
  if (want.copy) return await copy([describeCopy(node, primary)]);
  switch (verdict.verdict) {
    case 'contained': {
      const upTo = log.writtenLsn < theirs.endLsn ? theirs.endLsn : log.writtenLsn;
      const there = hasSegments(await (await world.node(source).server()).walFiles(), theirs.spans, log.writtenLsn, upTo, control.walSegmentBytes);
      if (!there && (await archiveOf(world, node)) === '') return await copy([`${source} no longer has the WAL that ${name} would go on with: ${describeCopy(node, primary)}`]);
      return await planNothingNeeded(world, facts, log, verdict.because);
    }
    case 'other':
      refuseOn(title, [
        { code: 'other-history', node: name, message: verdict.because, hint: `pg_rewind believes the number of the timeline and would find nothing to do; started as a standby, ${name} would look well and hold other data. Only a copy anew brings it back; its directory is moved aside whole.`, next: [isData(loss) ? copyInstead : `pgrepl rejoin ${name} --copy`] },
        ...discards,
      ]);
      throw new Error('unreachable');
    case 'diverged':
      return await planRewind(world, facts, want, seen, verdict);
    default:
      return verdict satisfies never;
  }
}

/** The restore_command that the node has, or will have as a standby; empty without one. */
async function archiveOf(world: World, node: NodeView): Promise<string> {
  const { spec, facts, config } = node;
  const known = restoreCommandFor(spec) ?? facts.server?.settings['restore_command']?.value;
  if (known !== undefined) return known;
  const programs = await world.node(spec.name).programs();
  return (await programs.settingValue(facts.place.pgdata, config === null ? null : outsideConfig(config, facts.place.pgdata), 'restore_command')) ?? '';
}

async function planRewind(world: World, facts: RejoinFacts, want: Rejoin, seen: Evidence, verdict: Extract<LogVerdict, { verdict: 'diverged' }>): Promise<Change> {
  const { view, node, primary } = facts;
  const { name } = want;
  const { control, place, server } = node.facts;
  if (control === null) throw new Error('a rewind of what was not seen');
  const { log, theirs, loss, lossLines, own, kept } = seen;
  const source = primary.spec.name;
  const copyInstead = `pgrepl rejoin ${name} --copy --discard`;
  const way = await judgeRewind(world, node, log, { view: primary, log: theirs }, verdict, isData(loss) ? copyInstead : `pgrepl rejoin ${name} --copy`, want.restoreTargetWal);
  refuseOn(titleOf(name), [
    ...way.reasons,
    ...(await tooLow(world, node, primary)),
    ...(await judgeService(world.node(name), server === null ? ['start'] : ['stop', 'start'])),
    ...(loss !== null && isData(loss) && !want.discard ? [wouldDiscard(name, source, loss, kept.folder, way.reasons.length > 0 ? copyInstead : `pgrepl rejoin ${name} --discard`)] : []),
  ]);
  const steps = rewindSteps({
    view,
    node,
    primary,
    place: kept,
    marker: {
      format: 1,
      node: name,
      cluster: place.cluster,
      pgdata: place.pgdata,
      systemIdentifier: control.systemIdentifier,
      timeline: own,
      forkLsn: renderLsn(verdict.forkLsn),
      source: { node: source, timeline: primary.facts.server?.timeline ?? 0 },
      configFile: way.configFile,
      restoreTargetWal: way.restoreTargetWal,
      own: way.own,
    },
    walFiles: way.walFiles,
    note: noteOf([`${name} was rewound to ${source}: ${verdict.because}.`, ...lossLines.map((line) => `${line}.`)], { node: name, pgdata: place.pgdata, timeline: own, fork: verdict.forkLsn }),
    copyInstead,
  });
  const crashed = server === null && control.state !== 'shut down' && control.state !== 'shut down in recovery';
  const downstream = view.nodes.filter((other) => other !== node && other.spec.upstream === name).map((other) => other.spec.name);
  const one = downstream.length === 1;
  return finishedChange(
    facts,
    `pgrepl rejoin ${name}${want.discard ? ' --discard' : ''}`,
    steps,
    [
      `rewind: ${verdict.because}`,
      ...lossLines,
      `the log past the fork is kept in ${kept.folder}`,
      ...(crashed ? [`${name} was not shut down (${control.state}): its crash recovery comes first`] : []),
      ...(downstream.length === 0 ? [] : [`${downstream.join(', ')} ${one ? 'streams' : 'stream'} from ${name} and will need a rejoin of ${one ? 'its' : 'their'} own`]),
    ],
    loss === null || !isData(loss) ? `Rewind ${name} to ${source}?` : `Discard ${loss.content === null ? 'what only it has' : countOf(loss.content.commits + loss.content.prepared)} on ${name}, and rewind it to ${source}?`,
  );
}

function countOf(transactions: number): string {
  return transactions === 1 ? '1 transaction' : `${transactions} transactions`;
}

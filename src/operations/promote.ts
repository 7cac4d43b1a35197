import { PgreplError, refuseOn, type Reason } from '../errors.ts';
import type { Sender } from '../postgres/server-facts.ts';
import type { World } from '../steps/world.ts';
import type { Topology } from '../topology/topology.ts';
import type { Change } from './change.ts';
import { seenTimeline } from './facts.ts';
import { fullPrimariesOf, observeCluster, primariesOf, splitBrain, viewOf, type ClusterView, type NodeView } from './cluster.ts';
import { decideFailover } from './failover.ts';
import { judgeService } from './judge-service.ts';
import { LOCKED_MODE } from '../steps/staging.ts';
import { followersOf, healAfterRoleChange, isPaused, standbysOfEachOther } from './role-change.ts';
import { settle } from './settle.ts';
import { observePoolers, planPoolers, type PoolerFacts } from './poolers.ts';
import { chooseCandidate, decideSwitchover } from './switchover.ts';
import { handOverPrepared, promotingNode, stoppedPrimary } from './roles.ts';
import type { Promote } from './wants.ts';
import { describeFragile, seeFragile } from './what-stays.ts';

/**
 * Judges what is proved about the old primary, and so which way a standby becomes the primary: it runs (planned switchover), it is proved
 * stopped (failover, or the end of an interrupted switchover), or nobody can tell (refused, unless the operator says how it was shut off).
 */
export async function decidePromote(world: World, topology: Topology, want: Promote): Promise<Change> {
  const title = want.mode === 'planned' ? 'switchover' : 'promote';
  if (want.name !== null && !topology.nodes.some((node) => node.name === want.name)) {
    throw new PgreplError('usage', 'node-unknown', `${topology.file} has no node ${want.name}`, { hint: `It has: ${topology.nodes.map((node) => node.name).join(', ') || 'none'}.` });
  }
  const view = await observeSettled(world, topology);
  const poolers = await observePoolers(world, want.poolers ?? []);
  refuseOn(title, splitBrain(view));
  refuseOn(title, fullPrimariesOf(view).map(isFull));
  const primary = primariesOf(view)[0];
  if (primary !== undefined) {
    // Typed again without a name: what it asked for has been done.
    if (want.name === null && (want.mode === 'failover' || want.fenced !== null) && leftBehindBy(view, primary)) return withPoolers(await healAfterRoleChange(world, view, primary), poolers, view, primary, want);
    if (want.fenced !== null && primary.spec.name !== want.name) refuseOn(title, [contradicted(primary)]);
    if (primary.spec.name === want.name) return withPoolers(await healAfterRoleChange(world, view, primary), poolers, view, primary, want);
    if (want.mode === 'failover') refuseOn(title, [stillRuns(primary)]);
    const attached = await observeAttached(world, view, primary, want);
    const [service, notices] = await Promise.all([judgeService(world.node(primary.spec.name), ['stop', 'start']), noticesOf(world, attached, primary, want)]);
    return decideSwitchover(attached, viewOf(attached, primary.spec.name) ?? primary, want, service, poolers, notices);
  }
  const old = stoppedPrimary(view);
  if (old !== null && want.mode !== 'failover' && handOverPrepared(old)) return decideSwitchover(view, old, want, await judgeService(world.node(old.spec.name), ['start']), poolers);
  if (want.mode === 'planned' && standbysOfEachOther(view).length === 0) refuseOn(title, [notHealthy(view, old)]);
  const change = await decideFailover(world, view, old, want);
  const target = viewOf(view, change.target ?? '');
  return target === undefined ? change : withPoolers(change, poolers, view, target, want);
}

/** The same, and clients of PgBouncer are led to the new primary as soon as there is one. Pure. */
function withPoolers(change: Change, facts: readonly PoolerFacts[], view: ClusterView, to: NodeView, want: Promote): Change {
  const { steps } = change.plan;
  const returning = steps.flatMap((step) => (step.kind === 'start-server' && step.as === 'standby' ? [step.node] : []));
  const { reasons, after } = planPoolers(facts, view, { from: null, to, budgetMs: want.budgetMs, returning });
  refuseOn(change.plan.title, reasons);
  const promoted = steps.findIndex(({ kind }) => kind === 'promote-server') + 1;
  return after.length === 0 ? change : { ...change, plan: { ...change.plan, steps: steps.toSpliced(promoted, 0, ...after) } };
}

/** What is not seen in the facts of the candidate, and does not keep it from taking over. */
async function noticesOf(world: World, view: ClusterView, primary: NodeView, want: Promote): Promise<readonly string[]> {
  const candidate = chooseCandidate(view, primary, want);
  return candidate?.facts.server == null ? [] : describeFragile(candidate, await seeFragile(world, candidate, { tables: false }), null);
}

/** It writes, so no failover; and nothing can be handed over by one that takes no session. */
function isFull({ spec, facts }: NodeView): Reason {
  return {
    code: 'primary-full',
    node: spec.name,
    message: `${spec.name} runs as the primary on timeline ${facts.glimpse?.timeline ?? '?'}, and takes no more sessions: ${facts.trouble ?? 'all its connections are used'}`,
    hint: 'It takes writes, so no other node may. End some of its sessions; then a planned switchover loses nothing.',
    next: ['pgrepl status'],
  };
}

/** How long a promote that was sent by somebody else may take to show, before what is seen is taken for what is. */
const SETTLE_MS = 10_000;

/** The cluster, and not in the moment between the promote that an interrupted run has sent and its effect: neither old nor new primary is seen then. */
async function observeSettled(world: World, topology: Topology): Promise<ClusterView> {
  return await settle(world, {
    look: async () => await observeCluster(world, topology, topology.nodes),
    isMoving: (view) => promotingNode(view) !== undefined,
    what: (view) => `${promotingNode(view)?.spec.name ?? ''} to end its recovery`,
    deadlineMs: SETTLE_MS,
    everyMs: 20,
  });
}

/** How long a primary that was just started is given to get its standbys back: they look for it every `wal_retrieve_retry_interval`, 5 s by default. */
const RETURN_MS = 10_000;
/** After this long whoever has not come back does not come by itself. */
const JUST_STARTED_SECONDS = 60;

/**
 * The cluster, and not in the seconds after a start of the primary in which its standbys, this candidate or without a name all of them, have
 * not come back to it: that would be a refusal that is wrong a moment later.
 */
async function observeAttached(world: World, view: ClusterView, primary: NodeView, want: Promote): Promise<ClusterView> {
  const { server } = primary.facts;
  if (server === null || server.now - Number(server.startedAt) / 1_000_000 > JUST_STARTED_SECONDS) return view;
  const streams = (senders: readonly Sender[], name: string): boolean => senders.some((sender) => sender.applicationName === name && sender.state === 'streaming');
  const awaited = followersOf(view, primary)
    .map((node) => (want.name === null || node.spec.name === want.name) && !isPaused(node) && !streams(server.senders, node.spec.name) ? node.spec.name : null)
    .filter((name) => name !== null);
  if (awaited.length === 0) return view;
  const what = `${awaited.join(', ')} to stream from ${primary.spec.name} again, which was started a moment ago`;
  world.say?.(`waiting for ${what} (up to ${RETURN_MS / 1_000} s)`);
  await settle(world, {
    look: async () => (await (await world.node(primary.spec.name).server()).facts()).senders,
    isMoving: (senders) => !awaited.every((name) => streams(senders, name)),
    what: () => what,
    deadlineMs: RETURN_MS,
    everyMs: 100,
  });
  return await observeCluster(world, view.topology, view.topology.nodes);
}

/** A failover made it the primary: a node on an older timeline is locked, or stated to be shut off. Pure. */
function leftBehindBy(view: ClusterView, primary: NodeView): boolean {
  const timeline = primary.facts.server?.timeline ?? 0;
  return view.nodes.some(({ spec, facts }) => spec.name !== primary.spec.name && (spec.fenced !== undefined || (facts.directoryMode === LOCKED_MODE && (seenTimeline(facts) ?? timeline) < timeline)));
}

function contradicted(primary: NodeView): Reason {
  return { code: 'fence-contradicted', node: primary.spec.name, message: `${primary.spec.name} runs and takes writes, whatever was stated about it`, hint: 'It is not shut off. A planned switchover loses nothing.', next: ['pgrepl switchover'] };
}

function stillRuns(primary: NodeView): Reason {
  return { code: 'primary-runs', node: primary.spec.name, message: `${primary.spec.name} runs and takes writes; a failover would make a second writer`, next: ['pgrepl switchover'] };
}

function notHealthy(view: ClusterView, old: NodeView | null): Reason {
  const seen = view.nodes.filter((node) => node.facts.server === null).map((node) => `${node.spec.name}: ${node.facts.trouble ?? node.facts.state}`);
  return {
    code: 'primary-not-healthy',
    node: old?.spec.name,
    message: old === null ? `no primary answers (${seen.join('; ')})` : `the primary ${old.spec.name} is stopped (${old.facts.control?.state ?? '?'})`,
    hint: 'A switchover needs a healthy primary.',
    next: old === null ? ['pgrepl status'] : [`pgrepl init-primary ${old.spec.name} --start`, 'pgrepl promote --failover'],
  };
}

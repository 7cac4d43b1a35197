import { PgreplError, refuseOn, type Reason } from '../errors.ts';
import type { ControlData } from '../postgres/control-data.ts';
import { addBytes, bytesBetween, renderLsn, type Lsn } from '../postgres/lsn.ts';
import { renderBytes } from '../postgres/units.ts';
import type { Step } from '../steps/index.ts';
import type { World } from '../steps/world.ts';
import type { TopologyEdit } from '../topology/topology.ts';
import { allowedRanges } from './access.ts';
import { betterThan, candidatesOf, describeCandidates, describeUnseen, type Candidate } from './candidates.ts';
import type { Change } from './change.ts';
import { basisOf, describeNode, type ClusterView, type NodeView } from './cluster.ts';
import { openForStandbys, passfileSteps } from './open-for-standbys.ts';
import { judgeCandidate, whatBreaksWithout } from './preflight-promote.ts';
import { isStoppedStandby } from './roles.ts';
import { arrivalProof, configuredUpstream, describeStandingStill, editsAfter, leftBehind, noStandbyFile, repointSteps } from './role-change.ts';
import type { Promote } from './wants.ts';

/** How the old primary ended, and where: what any loss is measured against. */
interface OldPrimary {
  /** `null`: nobody could see it. */
  readonly node: NodeView | null;
  /** Where its log ends; `null` when that cannot be read. */
  readonly end: Lsn | null;
  readonly says: string;
}

/** A standby takes over from a primary that is gone. Any loss is refused unless it was accepted, and a better candidate is named. */
export async function decideFailover(world: World, view: ClusterView, stopped: NodeView | null, want: Promote): Promise<Change> {
  const unseen = unseenNodes(view, stopped);
  const systemIdentifier = stopped?.facts.control?.systemIdentifier ?? null;
  const candidates = candidatesOf(view, systemIdentifier);
  const chosen = want.name === null ? candidates[0] : candidates.find((one) => one.node.spec.name === want.name);
  const title = `promote${chosen === undefined ? '' : ` ${chosen.node.spec.name}`}`;
  if (stopped === null) refuseOn(title, cannotProve(view, unseen, want));
  if (chosen === undefined) refuseOn(title, [noSuchCandidate(view, want)]);
  if (chosen === undefined) throw new Error('unreachable');
  refuseOn(title, await promotingElsewhere(world, view, chosen));
  // Side by side: the end of the log is found by a program.
  const [old, unlogged] = await Promise.all([endOf(world, stopped, chosen, want), unloggedOn(world, chosen.node.spec.name)]);
  const siblings = view.nodes.filter((node) => node !== chosen.node && node.facts.server?.inRecovery === true && follows(view, node, stopped));
  const after = siblings.filter((node) => !isAhead(candidates, node, chosen));
  refuseOn(title, [
    ...lossOf(chosen, candidates, old, want),
    ...judgeCandidate(view, stopped, chosen.node, after, 'failover'),
  ]);
  const name = chosen.node.spec.name;
  const fences: TopologyEdit[] = stopped === null ? unseen.map((node) => ({ edit: 'set-fence', name: node.spec.name, fenced: want.fenced })) : [];
  return {
    plan: {
      title: `promote ${name}`,
      command: `pgrepl promote ${name}`,
      basis: basisOf(view),
      steps: stepsOf(view, stopped, chosen, after),
      notices: [
        `failover: ${stopped?.spec.name ?? 'the old primary'} is not asked, and does not come back by itself`,
        ...(stopped === null ? [`stated by the operator: ${want.fenced ?? ''}`] : [`if ${stopped.spec.name} can simply be started again, that loses nothing: pgrepl init-primary ${stopped.spec.name} --start`]),
        old.says,
        ...describeCandidates(candidates, old.end),
        ...siblings.filter((node) => !after.includes(node)).map((node) => `${node.spec.name} is ahead of ${name} and cannot follow it; it needs rejoin`),
        ...describeStandingStill(after, chosen.node),
        ...whatBreaksWithout(chosen.node, after, unlogged),
        ...(stopped === null ? [] : describeUnseen(view, stopped, chosen.node)),
        ...(stopped === null ? fencingSteps(unseen) : [`${stopped.spec.name} is left unable to start (mode 0701), its WAL untouched`]),
      ],
    },
    edits: [...editsAfter(view, chosen.node), ...fences],
    done: `${name} is the primary${after.length === 0 ? '' : `; ${after.map((node) => node.spec.name).join(', ')} stream${after.length === 1 ? 's' : ''} from it, proved`}`,
    next: ['pgrepl status'],
    question: `Promote ${name}, and leave ${stopped?.spec.name ?? unseen.map((node) => node.spec.name).join(', ')} behind?`,
    remains: leftBehind(after, chosen.node),
    target: name,
  };
}

/** What a failover is made of. The old primary is locked before the promote, so that it cannot come back while nobody looks. Pure. */
function stepsOf(view: ClusterView, stopped: NodeView | null, chosen: Candidate, siblings: readonly NodeView[]): readonly Step[] {
  const { node } = chosen;
  const name = node.spec.name;
  const old = stopped === null ? null : { node: stopped.spec.name, directory: stopped.facts.place.pgdata };
  return [
    ...passfileSteps(view, node),
    ...openForStandbys(view, null, allowedRanges(view.nodes.map((one) => one.spec))),
    ...siblings.map((one): Step => ({ kind: 'create-slot', node: name, slot: one.spec.name, claimedBy: null })),
    ...(old === null ? [] : [{ kind: 'lock-directory', ...old } as const]),
    { kind: 'promote-server', node: name, systemIdentifier: node.facts.server?.systemIdentifier ?? '', timeline: chosen.timeline, oldPrimary: old },
    ...siblings.flatMap((one) => repointSteps(one, node)),
    ...siblings.flatMap((one) => arrivalProof(one, node, node)),
    noStandbyFile(node),
    { kind: 'checkpoint', node: name, times: 1, why: 'so that pg_control shows the new timeline' },
  ];
}

/** Nodes of which nobody can say that they are not the primary. Pure. */
function unseenNodes(view: ClusterView, stopped: NodeView | null): readonly NodeView[] {
  return view.nodes.filter((node) => node !== stopped && node.facts.server === null && !(node.facts.state === 'down' && (isStoppedStandby(node) || node.facts.control !== null)));
}

/** Without proof that the old primary is stopped, only the operator's statement goes on, and not against what is seen. Pure. */
function cannotProve(view: ClusterView, unseen: readonly NodeView[], want: Promote): readonly Reason[] {
  const reasons: Reason[] = [];
  const witnesses = view.nodes.filter((node) => node.facts.server?.receiver?.status === 'streaming' && node.facts.server.inRecovery && unseen.includes(configuredUpstream(view, node) ?? node));
  for (const node of unseen) {
    const alive = node.facts.processes?.[0];
    if (want.fenced !== null && alive !== undefined) {
      reasons.push({ code: 'fence-contradicted', node: node.spec.name, message: `${node.spec.name} has a living server (process ${alive.pid}), whatever was stated about it`, hint: 'Stop it on its machine; then it is proved stopped, and needs no statement.', next: ['pgrepl status'] });
    } else if (alive !== undefined) {
      reasons.push({
        code: 'cannot-prove-stopped',
        node: node.spec.name,
        message: `${node.spec.name} has a living server (process ${alive.pid}), which may take writes: ${node.facts.trouble ?? node.facts.state}`,
        hint: 'Stop it on its machine first; then it is proved stopped, and what it wrote last can be compared.',
        next: ['pgrepl status'],
      });
    } else if (want.fenced === null) {
      reasons.push({
        code: 'cannot-prove-stopped',
        node: node.spec.name,
        message: `it cannot be proved that ${node.spec.name} is stopped: ${node.facts.trouble ?? node.facts.state}`,
        hint: 'A refused or silent port proves nothing. Reach its machine, or shut it off and say how.',
        next: [`pgrepl promote ${want.name ?? ''} --fenced "how it was shut off" --accept-loss unknown`.replace('  ', ' ')],
      });
    }
  }
  if (unseen.length === 0) reasons.push({ code: 'no-old-primary', message: 'no node of the cluster file was the primary last', hint: 'If the primary is a node that the file does not name, it may be running.', next: ['pgrepl status'] });
  for (const witness of witnesses) {
    reasons.push({ code: 'witness-sees-primary', node: witness.spec.name, message: `${witness.spec.name} still streams from the old primary, so it lives`, hint: 'Shut the old primary off first: whatever still streams from it then loses it.', next: ['pgrepl status'] });
  }
  return reasons;
}

/**
 * Standbys that somebody has told already to become the primary, from another machine or by hand: they will, however long they replay, and a
 * second one beside them would be on a timeline of the same number (hazards H05, H19).
 */
async function promotingElsewhere(world: World, view: ClusterView, chosen: Candidate): Promise<readonly Reason[]> {
  const others = view.nodes.filter((node) => node !== chosen.node && node.facts.server?.inRecovery === true);
  const reasons = await Promise.all(others.map(async ({ spec }): Promise<readonly Reason[]> => {
    if (!(await (await world.node(spec.name).server()).isPromoting())) return [];
    return [{ code: 'promote-pending', node: spec.name, message: `${spec.name} was told to become the primary, and will when it has replayed what it has`, hint: 'The request stays in force, whoever sent it. Two primaries would be the end of it.', next: [`pgrepl promote ${spec.name}`, 'pgrepl status'] }];
  }));
  return reasons.flat();
}

/** For a notice only: whoever cannot be asked for it is found out by the steps. */
async function unloggedOn(world: World, name: string): Promise<readonly string[]> {
  try {
    return await (await world.node(name).server()).unloggedTables();
  } catch (error) {
    if (!(error instanceof PgreplError) || error.kind === 'bug' || error.kind === 'interrupted') throw error;
    return [];
  }
}

/** Reads the log of the old primary from where the candidate is, so that a busy one's gigabytes since its last checkpoint are not read for the last few bytes. */
async function endOf(world: World, stopped: NodeView | null, chosen: Candidate, want: Promote): Promise<OldPrimary> {
  if (stopped === null) return { node: null, end: null, says: `the WAL of the old primary cannot be read: what is lost is unknown${want.acceptLoss === 'unknown' ? ', and accepted' : ''}` };
  const { control, place } = stopped.facts;
  const name = stopped.spec.name;
  if (control === null) throw new Error('a stopped primary without control data');
  const how = control.state === 'shut down' ? 'was shut down' : `crashed (${control.state})`;
  try {
    const programs = await world.node(name).programs();
    const scan = async (from: Lsn): Promise<Lsn> => (await programs.endOfWal(place.pgdata, control, from)).endLsn;
    const replayed = recordBoundary(chosen, control);
    const endLsn = replayed === null ? await scan(control.redoLsn) : await scan(replayed).catch(async (error: unknown) => {
      // Less is there than the candidate has: only the whole log can say where it ends.
      if (error instanceof PgreplError && error.code === 'wal-unreadable') return await scan(control.redoLsn);
      throw error;
    });
    return { node: stopped, end: endLsn, says: `${name} ${how}; its log ends at ${renderLsn(endLsn)}` };
  } catch (error) {
    if (!(error instanceof PgreplError) || error.kind === 'bug' || error.kind === 'interrupted') throw error;
    // Of one that was shut down the control file says enough: nothing comes after its shutdown checkpoint.
    if (control.state === 'shut down') return { node: stopped, end: addBytes(control.checkpointLsn, 1), says: `${name} ${how}; its last record starts at ${renderLsn(control.checkpointLsn)}` };
    return { node: stopped, end: null, says: `${name} ${how}, and its WAL cannot be read (${error.message}): what is lost is unknown` };
  }
}

/**
 * Where the candidate has replayed to, when a record of the old primary ends there: the same timeline, after its last checkpoint. What was
 * only received may end within a record, and that record would be passed over. Pure.
 */
function recordBoundary({ node, timeline }: Candidate, control: ControlData): Lsn | null {
  const replayed = node.facts.server?.replayedLsn ?? null;
  return replayed !== null && timeline === control.timeline && replayed > control.redoLsn ? replayed : null;
}

/** Loss must be named by the operator before it happens (exit 3 otherwise). Pure. */
function lossOf(chosen: Candidate, candidates: readonly Candidate[], old: OldPrimary, want: Promote): readonly Reason[] {
  const name = chosen.node.spec.name;
  const better = betterThan(chosen, candidates);
  if (old.end === null) {
    if (want.acceptLoss === 'unknown') return [];
    return [...better, { code: 'loss-unknown', node: name, message: `how much would be lost is unknown: the WAL of the old primary cannot be read`, hint: old.says, next: [`pgrepl promote ${name}${want.fenced === null ? '' : ` --fenced "${want.fenced}"`} --accept-loss unknown`] }];
  }
  const loss = Math.max(0, bytesBetween(chosen.position, old.end));
  if (loss === 0) return better;
  if (want.acceptLoss === 'unknown' || (want.acceptLoss !== null && want.acceptLoss >= loss)) return [];
  const start = old.node === null ? [] : [`pgrepl init-primary ${old.node.spec.name} --start`];
  return [
    ...better,
    {
      code: 'loss',
      node: name,
      message: `${loss} bytes (${renderBytes(loss)}) that ${old.node?.spec.name ?? 'the old primary'} wrote are not on ${name} and would be lost`,
      hint: 'If the old primary can be started again, nothing is lost.',
      next: [...start, `pgrepl promote ${name} --accept-loss ${loss}`],
    },
  ];
}

function follows(view: ClusterView, node: NodeView, stopped: NodeView | null): boolean {
  const upstream = configuredUpstream(view, node);
  return upstream === undefined || upstream === stopped || upstream.facts.server === null;
}

function isAhead(candidates: readonly Candidate[], node: NodeView, chosen: Candidate): boolean {
  const own = candidates.find((one) => one.node === node);
  return own !== undefined && (own.timeline > chosen.timeline || own.position > chosen.position);
}

function noSuchCandidate(view: ClusterView, want: Promote): Reason {
  const named = view.nodes.find((node) => node.spec.name === want.name);
  if (named !== undefined) return { code: 'candidate-down', node: named.spec.name, message: `${named.spec.name} cannot take over: ${named.facts.trouble ?? named.facts.state}`, next: ['pgrepl status'] };
  return { code: 'no-candidate', message: `no standby can take over (${view.nodes.map(describeNode).join('; ')})`, hint: 'A failover needs a running standby: start one.', next: ['pgrepl status'] };
}

/** What the operator must do where pgrepl cannot reach. Pure. */
/** The image of PostgreSQL gives the directory its mode back when it starts: there only the restart policy keeps it down. */
function offWords(via: string): string {
  const [, container] = /(?:^docker:\/|\/docker)\/([^/]+)$/.exec(via) ?? [];
  return container === undefined ? 'disable its service' : `docker update --restart=no ${container}`;
}

function fencingSteps(unseen: readonly NodeView[]): readonly string[] {
  return unseen.map((node) => `on the machine of ${node.spec.name}, before its network or power comes back: keep PostgreSQL from starting (chmod 0701 ${node.facts.place.pgdata}, and ${offWords(node.spec.via)}). Until then every status is critical`);
}

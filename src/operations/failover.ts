import { refusal, refuseOn, type Reason } from '../errors.ts';
import type { Step } from '../steps/index.ts';
import type { World } from '../steps/world.ts';
import type { TopologyEdit } from '../topology/topology.ts';
import { allowedRanges } from './access.ts';
import { notUnasked, onlyDelayed } from './delay.ts';
import { candidatesOf, describeCandidates, describeUnseen, isDelayed, type Candidate } from './candidates.ts';
import { carrySyncAnyway, NO_SYNC_CHANGE, type SyncChange } from './carry-sync.ts';
import type { Change } from './change.ts';
import { basisOf, describeNode, type ClusterView, type NodeView } from './cluster.ts';
import { fenceByHand } from './fence-by-hand.ts';
import { judgeFence } from './judge-service.ts';
import { describeLoss, describeReplay, lossOf, questionOf } from './loss.ts';
import { seeOldPrimary, type OldPrimary } from './old-primary.ts';
import { openForStandbys, passfileSteps } from './open-for-standbys.ts';
import { judgeCandidate, whatBreaksWithout } from './preflight-promote.ts';
import { isStoppedStandby } from './roles.ts';
import { arrivalProof, configuredUpstream, describeStandingStill, editsAfter, leftBehind, noStandbyFile, repointSteps, standbysOfEachOther } from './role-change.ts';
import type { Promote } from './wants.ts';
import { describeFragile, seeFragile } from './what-stays.ts';

/** A standby takes over from a primary that is gone. Any loss is refused unless it was accepted, and a better candidate is named. */
export async function decideFailover(world: World, view: ClusterView, stopped: NodeView | null, want: Promote): Promise<Change> {
  const unseen = unseenNodes(view, stopped);
  const systemIdentifier = stopped?.facts.control?.systemIdentifier ?? null;
  const candidates = candidatesOf(view, systemIdentifier);
  // Never one that is delayed on purpose, unless it is named (hazard H07).
  const chosen = want.name === null ? candidates.find(({ node }) => !isDelayed(node)) : candidates.find((one) => one.node.spec.name === want.name);
  const title = `promote${chosen === undefined ? '' : ` ${chosen.node.spec.name}`}`;
  const eachOther = stopped === null ? standbysOfEachOther(view) : [];
  if (stopped === null && eachOther.length === 0) refuseOn(title, cannotProve(view, unseen, want));
  if (chosen === undefined) refuseOn(title, [noSuchCandidate(view, want), ...(want.name === null ? onlyDelayed(candidates) : [])]);
  if (chosen === undefined) throw new Error('unreachable');
  refuseOn(title, await promotingElsewhere(world, view, chosen));
  // Side by side: the end of the log is found by a program.
  const [old, fragile, fence] = await Promise.all([
    seeOldPrimary(world, view, stopped, chosen, want.acceptLoss === 'unknown', eachOther),
    seeFragile(world, chosen.node, { tables: true }),
    stopped === null ? [] : judgeFence(world.node(stopped.spec.name)),
  ]);
  const siblings = view.nodes.filter((node) => node !== chosen.node && node.facts.server?.inRecovery === true && (follows(view, node, stopped) || wasOf(view, node, eachOther)));
  const after = siblings.filter((node) => !isAhead(candidates, node, chosen));
  const table = [old.says, ...describeCandidates(candidates, { name: stopped?.spec.name ?? 'the old primary', end: old.end, atLeast: old.atLeast?.lsn ?? null, lastCommit: lastCommitOf(candidates, old) })];
  const loss = lossOf(chosen, candidates, old, view, want);
  const reasons = [...loss, ...fence, ...judgeCandidate(view, stopped, chosen.node, after, 'failover')];
  // Whoever is asked to accept a loss sees what it was measured by.
  if (reasons.length > 0) throw refusal(title, reasons).as('refused', loss.length === 0 ? {} : { details: [...table, ...(old.proof === null ? [] : [old.proof])] });
  const name = chosen.node.spec.name;
  const sync = carrySyncAnyway(view, stopped, chosen.node, after, null);
  const fences: TopologyEdit[] = stopped === null ? unseen.map((node) => ({ edit: 'set-fence', name: node.spec.name, fenced: want.fenced })) : [];
  return {
    plan: {
      title: `promote ${name}`,
      command: `pgrepl promote ${name}`,
      basis: basisOf(view),
      steps: [...stepsOf(view, stopped, chosen, after, sync), ...(eachOther.length === 0 ? [] : oldSlots(view, after.filter((node) => eachOther.includes(node))))],
      notices: [
        ...(eachOther.length > 0 ? [`the rest of a change of roles that was cut off before its promote: ${names(eachOther)} are standbys of each other, so nobody takes writes`] : [`failover: ${stopped?.spec.name ?? 'the old primary'} is not asked, and does not come back by itself`]),
        ...(eachOther.length > 0 ? [] : stopped === null ? [`stated by the operator: ${want.fenced ?? ''}`] : [`if ${stopped.spec.name} can simply be started again, that loses nothing: pgrepl init-primary ${stopped.spec.name} --start`]),
        ...table,
        ...(want.name === null ? notUnasked(candidates, chosen) : []),
        ...describeLoss(chosen, old, view),
        ...describeReplay(chosen),
        ...siblings.filter((node) => !after.includes(node)).map((node) => `${node.spec.name} is ahead of ${name} and cannot follow it; it needs rejoin`),
        ...describeStandingStill(after, chosen.node),
        ...sync.notices,
        ...whatBreaksWithout(chosen.node, after, fragile.unloggedTables, sync !== NO_SYNC_CHANGE),
        ...describeFragile(chosen.node, fragile, old.left),
        ...(stopped === null ? [] : describeUnseen(view, stopped, chosen.node)),
        ...(stopped === null ? fencingSteps(unseen) : [`${stopped.spec.name} is left unable to start (mode 0701), its WAL untouched`]),
      ],
    },
    edits: [...editsAfter(view, chosen.node), ...sync.edits, ...fences],
    done: `${name} is the primary${after.length === 0 ? '' : `; ${after.map((node) => node.spec.name).join(', ')} stream${after.length === 1 ? 's' : ''} from it, proved`}`,
    next: ['pgrepl status', ...(stopped === null ? [] : [`pgrepl rejoin ${stopped.spec.name}`])],
    question: eachOther.length > 0 ? null : questionOf(chosen, old, stopped?.spec.name ?? names(unseen)),
    remains: leftBehind(after, chosen.node),
    target: name,
  };
}

/** What a failover is made of. The old primary is locked before the promote, so that it cannot come back while nobody looks. Pure. */
function stepsOf(view: ClusterView, stopped: NodeView | null, chosen: Candidate, siblings: readonly NodeView[], sync: SyncChange): readonly Step[] {
  const { node } = chosen;
  const name = node.spec.name;
  const old = stopped === null ? null : { node: stopped.spec.name, directory: stopped.facts.place.pgdata };
  return [
    ...passfileSteps(view, node),
    ...openForStandbys(view, null, allowedRanges(view.nodes.map((one) => one.spec))),
    ...siblings.map((one): Step => ({ kind: 'create-slot', node: name, slot: one.spec.name, claimedBy: null })),
    ...sync.before,
    ...(old === null ? [] : [{ kind: 'lock-directory', ...old } as const]),
    { kind: 'promote-server', node: name, systemIdentifier: node.facts.server?.systemIdentifier ?? '', timeline: chosen.timeline, oldPrimary: old },
    ...siblings.flatMap((one) => repointSteps(one, node)),
    ...siblings.flatMap((one) => arrivalProof(one, node, node)),
    ...sync.after,
    noStandbyFile(node),
    { kind: 'checkpoint', node: name, times: 1, why: 'so that pg_control shows the new timeline' },
  ];
}

/** What the old primary kept for nodes that stream from another one now. Pure. */
function oldSlots(view: ClusterView, after: readonly NodeView[]): readonly Step[] {
  const known = new Set<string>(view.nodes.map(({ spec }) => spec.name));
  return after.flatMap((node) => (node.facts.server?.slots ?? []).filter((slot) => known.has(slot.name)).map((slot): Step => ({ kind: 'drop-slot', node: node.spec.name, slot: slot.name })));
}

function names(nodes: readonly NodeView[]): string {
  return nodes.map(({ spec }) => spec.name).join(' and ');
}

/** Nodes of which nobody can say that they are not the primary. Pure. */
function unseenNodes(view: ClusterView, stopped: NodeView | null): readonly NodeView[] {
  return view.nodes.filter((node) => node !== stopped && node.facts.server === null && !(node.facts.state === 'down' && (isStoppedStandby(node) || node.facts.control !== null)));
}

/** When the witness heard from it last: of a machine that is gone nobody is told, and its standbys notice only by the silence. Pure. */
function heard({ facts: { server } }: NodeView): string {
  const ago = server?.receiver?.heardSecondsAgo ?? null;
  const timeout = Number(server?.settings['wal_receiver_timeout']?.value ?? 0) / 1_000;
  return ago === null || ago < 1 ? '' : ` (heard from ${Math.round(ago)} s ago${timeout > 0 ? `; after ${timeout} s of silence it lets go` : ''})`;
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
    reasons.push({ code: 'witness-sees-primary', node: witness.spec.name, message: `${witness.spec.name} still streams from the old primary, so it lives${heard(witness)}`, hint: 'Shut the old primary off first: whatever still streams from it then loses it, at the latest after wal_receiver_timeout.', next: ['pgrepl status'] });
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

/** The last commit that the old primary is known to have made, ISO 8601: in its log, or replayed anywhere. Pure. */
function lastCommitOf(candidates: readonly Candidate[], { commits }: OldPrimary): string | null {
  const replayed = candidates.flatMap(({ node: { facts: { server } } }) => (server?.replayAgeSeconds == null ? [] : [new Date((server.now - server.replayAgeSeconds) * 1_000).toISOString()]));
  return [...replayed, ...(commits?.last == null ? [] : [new Date(commits.last).toISOString()])].sort().at(-1) ?? null;
}

function follows(view: ClusterView, node: NodeView, stopped: NodeView | null): boolean {
  const upstream = configuredUpstream(view, node);
  return upstream === undefined || upstream === stopped || upstream.facts.server === null;
}

/** One of the standbys of each other, or a standby of one of them. Pure. */
function wasOf(view: ClusterView, node: NodeView, eachOther: readonly NodeView[]): boolean {
  const upstream = configuredUpstream(view, node);
  return eachOther.includes(node) || (upstream !== undefined && eachOther.includes(upstream));
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

/** What the operator must do where pgrepl cannot reach, typed literally, in this order. Pure. */
function fencingSteps(unseen: readonly NodeView[]): readonly string[] {
  return unseen.flatMap(({ spec }) => {
    const { where, commands } = fenceByHand(spec);
    return [`before the network or the power of ${spec.name} comes back, ${where}, so that it cannot start; until it is back as a standby every status is critical:`, ...commands.map((command) => `  ${command}`)];
  });
}

import { refuseOn, type Reason } from '../errors.ts';
import type { Step } from '../steps/index.ts';
import { allowedRanges } from './access.ts';
import { candidatesOf, describeCandidates, describeUnseen, isDelayed } from './candidates.ts';
import { notUnasked, onlyDelayed } from './delay.ts';
import type { Change } from './change.ts';
import { basisOf, describeNode, type ClusterView, type NodeView } from './cluster.ts';
import { outsideConfig } from './config.ts';
import { openForStandbys, passfileSteps } from './open-for-standbys.ts';
import { sslBetween } from './tls.ts';
import { judgeCandidate, judgePrimary, whatBreaks } from './preflight-promote.ts';
import { preparedFor } from './roles.ts';
import { planPoolers, type PoolerChange, type PoolerFacts } from './poolers.ts';
import { carrySync, type SyncChange } from './carry-sync.ts';
import { arrivalProof, clearSystemSettings, describeStandingStill, editsAfter, followersOf, leftBehind, noStandbyFile, repointSteps, standbyFile } from './role-change.ts';
import type { Promote } from './wants.ts';

/** A planned switchover, or the rest of one that was interrupted after the primary was stopped. Nothing acknowledged is lost. `service`: what keeps the primary from being stopped or started; `notices`: what else is to be said of the candidate. */
export function decideSwitchover(view: ClusterView, primary: NodeView, want: Promote, service: readonly Reason[], poolers: readonly PoolerFacts[], notices: readonly string[] = []): Change {
  const interrupted = primary.facts.server === null;
  const candidate = chooseCandidate(view, primary, want);
  const title = `switchover to ${candidate?.spec.name ?? want.name ?? 'a standby'}`;
  if (candidate === undefined) refuseOn(title, [noCandidate(view), ...onlyDelayed(candidatesOf(view, null))]);
  if (candidate === undefined) throw new Error('unreachable');
  const siblings = followersOf(view, primary).filter((node) => node !== candidate);
  const sync = carrySync(view, primary, candidate, siblings, primary);
  const pooling = planPoolers(poolers, view, { from: primary, to: candidate, budgetMs: want.budgetMs, returning: [] });
  refuseOn(title, [...judgePrimary(primary, interrupted), ...service, ...judgeCandidate(view, primary, candidate, siblings, 'planned'), ...sync.reasons, ...pooling.reasons]);
  const name = candidate.spec.name;
  const fragile = whatBreaks(primary, candidate);
  return {
    plan: {
      // The same words whichever way a node becomes the primary: by them an unfinished run is found again.
      title: `promote ${name}`,
      command: `pgrepl ${want.mode === 'planned' ? 'switchover' : 'promote'} ${name}`,
      basis: basisOf(view),
      steps: stepsOf(view, primary, candidate, siblings, want.budgetMs - pooling.pauseMs, sync, pooling),
      notices: [
        ...(interrupted ? [`${primary.spec.name} was shut down by an interrupted switchover; it goes on from there`] : []),
        ...describeCandidates(candidatesOf(view, null), null),
        ...(want.name === null ? notUnasked(candidatesOf(view, null), undefined) : []),
        `planned switchover: ${primary.spec.name} comes back as a standby of ${name}`,
        'nothing acknowledged is lost: the promote is sent only after the last record of the old primary has been replayed',
        `writes pause for a moment, at most ${want.budgetMs / 1000} s: then ${primary.spec.name} takes writes again`,
        ...pooling.notices,
        ...sync.notices,
        ...describeUnseen(view, primary, candidate),
        ...describeStandingStill(siblings, candidate),
        ...fragile,
        ...notices,
      ],
    },
    edits: [...editsAfter(view, candidate), ...sync.edits],
    done: `${name} is the primary; ${[primary, ...siblings].map((node) => node.spec.name).join(', ')} ${siblings.length === 0 ? 'streams' : 'stream'} from it, proved`,
    next: ['pgrepl status'],
    question: interrupted ? null : `Hand over from ${primary.spec.name} to ${name}?`,
    remains: leftBehind(siblings, candidate),
    target: name,
  };
}

/** The standby that takes over; without a name the best of those that stream from the primary itself. Pure. */
export function chooseCandidate(view: ClusterView, primary: NodeView, want: Promote): NodeView | undefined {
  if (want.name !== null) return view.nodes.find((node) => node.spec.name === want.name);
  if (primary.facts.server === null) return preparedFor(view, primary);
  const direct = new Set(followersOf(view, primary));
  // Never one that is delayed on purpose (hazard H07).
  return candidatesOf(view, primary.facts.server.systemIdentifier).find((one) => direct.has(one.node) && !isDelayed(one.node))?.node;
}

/** The documentation of a switchover: everything that can be done before or after the hand-over is. Pure. */
function stepsOf(view: ClusterView, primary: NodeView, candidate: NodeView, siblings: readonly NodeView[], budgetMs: number, sync: SyncChange, pooling: PoolerChange): readonly Step[] {
  const [from, to] = [primary.spec.name, candidate.spec.name];
  const { place } = primary.facts;
  const systemIdentifier = candidate.facts.server?.systemIdentifier ?? '';
  const configFile = primary.config === null ? null : outsideConfig(primary.config, place.pgdata);
  const login = (node: NodeView, passfile: NodeView): Step => ({
    kind: 'prove-login',
    node: node.spec.name,
    user: node.facts.place.replicationUser,
    passfile: { node: passfile.spec.name, path: passfile.facts.place.passfile },
    host: node.spec.host,
    port: node.spec.port,
    systemIdentifier,
    ssl: sslBetween(node, node),
  });
  const running = primary.facts.server !== null;
  const moved = [candidate, ...siblings];
  return [
    ...passfileSteps(view, running ? primary : candidate),
    ...openForStandbys(view, null, allowedRanges(view.nodes.map((node) => node.spec))),
    login(candidate, primary),
    ...(running ? [login(primary, candidate), ...clearSystemSettings(primary)] : []),
    ...clearSystemSettings(candidate),
    ...[primary, ...siblings].map((node): Step => ({ kind: 'create-slot', node: to, slot: node.spec.name, claimedBy: null })),
    standbyFile(primary, candidate),
    standbyFile(candidate, primary, true),
    ...sync.before,
    ...(running ? [{ kind: 'checkpoint', node: from, times: 2, why: 'so that the shutdown has little to write' } as const] : []),
    ...pooling.before,
    { kind: 'hand-over', node: to, primary: { node: from, directory: place.pgdata, configFile }, systemIdentifier, timeline: candidate.facts.server?.timeline ?? 0, budgetMs },
    ...pooling.after,
    // The others first: they arrive while the old primary starts.
    ...siblings.flatMap((node) => repointSteps(node, candidate)),
    { kind: 'start-server', node: from, directory: place.pgdata, configFile, as: 'standby' },
    ...siblings.flatMap((node) => arrivalProof(node, candidate, candidate)),
    { kind: 'prove-streaming', node: from, upstream: to, primary: to, delayed: false },
    ...sync.after,
    noStandbyFile(candidate),
    ...moved.map((node): Step => ({ kind: 'drop-slot', node: from, slot: node.spec.name })),
    { kind: 'checkpoint', node: to, times: 1, why: 'so that pg_control shows the new timeline' },
  ];
}

function noCandidate(view: ClusterView): Reason {
  return { code: 'no-candidate', message: `no standby can take over (${view.nodes.map(describeNode).join('; ')})`, hint: 'A switchover needs a standby that streams from the primary.', next: ['pgrepl status'] };
}

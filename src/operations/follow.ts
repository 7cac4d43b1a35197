import { PgreplError, refuseOn, type Reason } from '../errors.ts';
import { bytesBetween, laterLsn } from '../postgres/lsn.ts';
import { judgeHistory, parseHistory } from '../postgres/timeline.ts';
import { renderBytes } from '../postgres/units.ts';
import type { Step } from '../steps/index.ts';
import type { World } from '../steps/world.ts';
import type { Topology } from '../topology/topology.ts';
import { allowedRanges } from './access.ts';
import type { Change } from './change.ts';
import { basisOf, managedByOthers, observeCluster, primariesOf, splitBrain, viewOf, type ClusterView, type NodeView } from './cluster.ts';
import { joinSync, leaveSync } from './move-sync.ts';
import { openForStandbys, passfileSteps } from './open-for-standbys.ts';
import { configuredUpstream, describeStandingStill, followSteps, isPaused, leftBehind } from './role-change.ts';
import type { Follow } from './wants.ts';

/** A running standby is re-pointed to another upstream, by reload, and seen to arrive there. */
export async function decideFollow(world: World, topology: Topology, want: Follow): Promise<Change> {
  const title = `follow: ${want.name} to ${want.upstream}`;
  for (const name of [want.name, want.upstream]) {
    if (!topology.nodes.some((node) => node.name === name)) throw new PgreplError('usage', 'node-unknown', `${topology.file} has no node ${name}`, { hint: `It has: ${topology.nodes.map((node) => node.name).join(', ') || 'none'}.` });
  }
  const view = await observeCluster(world, topology, topology.nodes);
  const node = viewOf(view, want.name);
  const upstream = viewOf(view, want.upstream);
  const primary = primariesOf(view)[0];
  if (node === undefined || upstream === undefined) throw new Error('a node of the file was not observed');
  refuseOn(title, [...splitBrain(view), ...standsInTheWay(view, node, upstream, primary)]);
  if (primary === undefined || upstream.facts.server === null) throw new Error('unreachable');
  refuseOn(title, await wouldNotFollow(world, node, upstream));
  const old = configuredUpstream(view, node);
  const there = upstream.facts.server.senders.some((sender) => sender.applicationName === want.name && sender.state === 'streaming') && old === upstream;
  if (!there && isPaused(node)) refuseOn(title, [{ code: 'replay-paused', node: want.name, message: `replay on ${want.name} is paused, and a paused standby looks for no other upstream`, next: ['SELECT pg_wal_replay_resume()'] }]);
  const sync = upstream === primary ? joinSync(view, primary, node, { asked: false, direct: true }) : leaveSync(view, primary, node);
  const late = there ? null : leftBehind([node], upstream, `pgrepl follow ${want.name} --upstream ${want.upstream}`);
  refuseOn(title, sync.reasons);
  return {
    plan: {
      title,
      command: `pgrepl follow ${want.name} --upstream ${want.upstream}`,
      basis: basisOf(view),
      steps: [
        ...sync.before,
        ...(there ? [] : attach(view, node, upstream, primary)),
        // Also after an interrupted run: what an old upstream keeps for it fills the disk there (hazard E01).
        ...view.nodes
          .filter((other) => other !== upstream && other.facts.server?.slots.some((slot) => slot.name === want.name && slot.type === 'physical' && !slot.temporary) === true)
          .map((other): Step => ({ kind: 'drop-slot', node: other.spec.name, slot: want.name })),
        ...(late === null ? sync.after : []),
      ],
      notices: [...sync.notices, ...describeStandingStill([node], upstream)],
    },
    edits: [{ edit: 'set-upstream', name: node.spec.name, upstream: upstream === primary ? null : upstream.spec.name }, ...sync.edits],
    done: `${want.name} streams from ${want.upstream}, proved by a fresh record`,
    next: ['pgrepl status'],
    question: null,
    remains: late,
  };
}

/** Everything that lets it in there, and then the move itself. Pure. */
function attach(view: ClusterView, node: NodeView, upstream: NodeView, primary: NodeView): readonly Step[] {
  return [
    ...passfileSteps(view, primary),
    ...openForStandbys(view, null, allowedRanges(view.nodes.map((one) => one.spec))),
    { kind: 'create-slot', node: upstream.spec.name, slot: node.spec.name, claimedBy: null },
    ...followSteps(node, upstream, primary),
  ];
}

function standsInTheWay(view: ClusterView, node: NodeView, upstream: NodeView, primary: NodeView | undefined): readonly Reason[] {
  const name = node.spec.name;
  const [own, theirs] = [node.facts.server, upstream.facts.server];
  if (own === null) return [{ code: 'node-down', node: name, message: `${name} does not answer: ${node.facts.trouble ?? node.facts.state}`, hint: 'follow re-points running standbys.', next: [node.facts.state === 'down' && node.facts.hasSignal ? `pgrepl add-standby ${name}` : 'pgrepl status'] }];
  if (!own.inRecovery) return [{ code: 'is-the-primary', node: name, message: `${name} is a primary`, next: ['pgrepl switchover'] }];
  if (theirs === null) return [{ code: 'upstream-down', node: upstream.spec.name, message: `${upstream.spec.name} does not answer: ${upstream.facts.trouble ?? upstream.facts.state}`, next: ['pgrepl status'] }];
  if (primary === undefined) return [{ code: 'no-primary', message: 'no primary answers', next: ['pgrepl status'] }];
  const reasons: Reason[] = [...managedByOthers(node)];
  if (own.systemIdentifier !== theirs.systemIdentifier) reasons.push({ code: 'another-cluster', node: name, message: `${upstream.spec.name} belongs to another cluster than ${name}`, hint: 'Their system identifiers differ: one never streams from the other. Look at host and port of both in the cluster file.', next: ['pgrepl status'] });
  if (node.config?.owned === null || node.config === null) reasons.push({ code: 'not-prepared', node: name, message: `${name} does not include pgrepl.conf`, hint: 'It was not made by pgrepl, which sets upstreams there: take it out, and add it anew with another directory.', next: [`pgrepl remove-standby ${name}`] });
  if (theirs.inRecovery && theirs.receiver === null) reasons.push({ code: 'upstream-detached', node: upstream.spec.name, message: `${upstream.spec.name} is a standby that receives nothing`, next: ['pgrepl status'] });
  const path: string[] = [];
  for (let at: NodeView | undefined = upstream; at !== undefined && at.facts.server?.inRecovery === true && path.length <= view.nodes.length; at = configuredUpstream(view, at)) {
    path.push(at.spec.name);
    if (at === node) return [...reasons, { code: 'loop', node: name, message: `${upstream.spec.name} streams from ${name} itself (${path.join(' ← ')}): no writes would ever arrive`, hint: `Name the primary, or a standby that does not hang on ${name}.`, next: [`pgrepl follow ${name} --upstream ${primary.spec.name}`] }];
  }
  if (theirs.settings['primary_conninfo']?.source === 'command line') reasons.push({ code: 'setting-overridden', node: name, message: `primary_conninfo of ${name} comes from the command line of its server and cannot be changed by a reload`, hint: 'Take it out of the words that start the server (its unit or container), and restart it.' });
  return reasons;
}

/** Its own history against that of the new upstream: one that went further than the switch point never gets back (hazards J02, J03). */
async function wouldNotFollow(world: World, node: NodeView, upstream: NodeView): Promise<readonly Reason[]> {
  const [own, theirs] = [node.facts.server, upstream.facts.server];
  if (own === null || theirs === null) return [];
  const name = node.spec.name;
  const position = laterLsn(own.receivedLsn, own.replayedLsn);
  const history = parseHistory(await (await world.node(upstream.spec.name).server()).timelineHistory(theirs.timeline));
  const { verdict, leftAt } = judgeHistory({ timeline: own.timeline, endLsn: position }, { timeline: theirs.timeline, history });
  const rejoin = { next: [`pgrepl rejoin ${name}`] };
  const anew = `A rejoin brings it back; or take it out with remove-standby, and add it anew with another directory.`;
  switch (verdict) {
    case 'same': {
      const there = theirs.currentLsn ?? laterLsn(theirs.receivedLsn, theirs.replayedLsn);
      const ahead = position === null || there === null ? 0 : bytesBetween(there, position);
      return ahead > 1024 * 1024 ? [{ code: 'upstream-behind', node: name, message: `${upstream.spec.name} is ${renderBytes(ahead)} behind ${name}`, hint: 'It can be followed once it has caught up.' }] : [];
    }
    case 'ancestor':
      return [];
    case 'ahead':
      return [{ code: 'ahead-of-switch', node: name, message: `${name} has ${position === null || leftAt === null ? 'more' : `${bytesBetween(leftAt, position)} bytes more`} of timeline ${own.timeline} than ${upstream.spec.name} kept when it left it`, hint: `It would ask for WAL that does not exist, for ever. ${anew}`, ...rejoin }];
    case 'newer':
      return [{ code: 'upstream-older', node: name, message: `${upstream.spec.name} is on timeline ${theirs.timeline}, ${name} on the newer ${own.timeline}`, hint: anew, ...rejoin }];
    case 'unrelated':
      return [{ code: 'other-history', node: name, message: `timeline ${own.timeline} of ${name} is not in the history of ${upstream.spec.name}`, hint: anew, ...rejoin }];
    default:
      return verdict satisfies never;
  }
}

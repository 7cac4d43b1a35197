import { PgreplError, refuseOn, type Reason } from '../errors.ts';
import type { Step } from '../steps/index.ts';
import { LOCKED_MODE } from '../steps/staging.ts';
import type { World } from '../steps/world.ts';
import type { Topology } from '../topology/topology.ts';
import { NO_SYNC_CHANGE } from './carry-sync.ts';
import type { Change } from './change.ts';
import { basisOf, observeCluster, primariesOf, splitBrain, viewOf, type ClusterView, type NodeView } from './cluster.ts';
import { outsideConfig } from './config.ts';
import { judgeService } from './judge-service.ts';
import { leaveSync } from './move-sync.ts';
import { followersOf } from './role-change.ts';
import type { RemoveStandby } from './wants.ts';

/** A standby is taken out: stopped, its slot dropped, its name out of the cluster file. Its directory stays, with its signal file. */
export async function decideRemoveStandby(world: World, topology: Topology, want: RemoveStandby): Promise<Change> {
  const { name } = want;
  if (want.removedBy !== undefined) return await removedBefore(world, topology, name, want.removedBy);
  if (!topology.nodes.some((node) => node.name === name)) throw new PgreplError('usage', 'node-unknown', `${topology.file} has no node ${name}`, { hint: `It has: ${topology.nodes.map((node) => node.name).join(', ') || 'none'}.` });
  const view = await observeCluster(world, topology, topology.nodes);
  const node = viewOf(view, name);
  if (node === undefined) throw new Error('a node of the file was not observed');
  const primary = primariesOf(view)[0];
  const sync = primary === undefined || primary === node ? NO_SYNC_CHANGE : leaveSync(view, primary, node);
  refuseOn(`remove standby ${name}`, [...splitBrain(view), ...standsInTheWay(view, node), ...sync.reasons, ...(node.facts.server === null ? [] : await judgeService(world.node(name), ['stop']))]);
  const unseen = node.facts.server === null && node.facts.state !== 'down';
  const { place } = node.facts;
  const holders = view.nodes.filter((other) => other !== node && other.facts.server?.slots.some((slot) => slot.name === name && slot.type === 'physical' && !slot.temporary) === true);
  const steps: Step[] = [
    ...sync.before,
    ...(node.facts.server === null ? [] : [{ kind: 'stop-server', node: name, directory: place.pgdata, configFile: node.config === null ? null : outsideConfig(node.config, place.pgdata), as: 'standby' } as const]),
    ...holders.map((holder): Step => ({ kind: 'drop-slot', node: holder.spec.name, slot: name })),
  ];
  const kept = `${place.pgdata} is kept${node.facts.hasSignal ? ', with its standby.signal' : node.facts.directoryMode === LOCKED_MODE ? ', locked (mode 0701)' : ''}`;
  const warning = `${name} cannot be reached and is not stopped by this: it must not be started again`;
  return {
    plan: { title: `remove standby ${name}`, command: `pgrepl remove-standby ${name}`, basis: basisOf(view), steps, notices: [...sync.notices, `${topology.file} loses ${name}`, kept, ...(unseen ? [warning] : [])] },
    edits: [{ edit: 'remove-node', name: node.spec.name }, ...sync.edits],
    done: unseen ? `${name} is taken out of the cluster; ${warning}` : `${name} is ${node.facts.server === null ? '' : 'stopped and '}taken out of the cluster; ${kept}`,
    next: ['pgrepl status'],
    question: `Take ${name} out?`,
    remains: null,
  };
}

/**
 * The same command once more, after its end: nothing to do, where the servers agree. One that is killed after its last act would otherwise end
 * with a name that nobody knows. Throws `node-unknown` while a primary is not seen, or anything of that name is left.
 */
async function removedBefore(world: World, topology: Topology, name: string, { run, at }: NonNullable<RemoveStandby['removedBy']>): Promise<Change> {
  const view = await observeCluster(world, topology, topology.nodes);
  const left = view.nodes.filter(({ facts: { server } }) => server?.slots.some((slot) => slot.name === name) === true || server?.senders.some((sender) => sender.applicationName === name) === true);
  const when = `${at.slice(0, 19).replace('T', ' ')} UTC`;
  if (left.length > 0 || primariesOf(view).length !== 1) {
    const why = left.length > 0 ? `${left.map((node) => node.spec.name).join(', ')} has a slot or a standby of that name again` : 'no primary answers that could tell';
    throw new PgreplError('usage', 'node-unknown', `${topology.file} has no node ${name}`, { hint: `Run ${run} took it out at ${when}, but ${why}.`, next: ['pgrepl status'] });
  }
  return {
    plan: { title: `remove standby ${name}`, command: `pgrepl remove-standby ${name}`, basis: basisOf(view), steps: [], notices: [] },
    edits: [],
    done: `${name} was taken out of the cluster by run ${run} at ${when}`,
    next: ['pgrepl status'],
    question: null,
    remains: null,
  };
}

function standsInTheWay(view: ClusterView, node: NodeView): readonly Reason[] {
  const { name } = node.spec;
  const reasons: Reason[] = [];
  if (node.facts.server?.inRecovery === false) return [{ code: 'is-the-primary', node: name, message: `${name} is the primary`, next: ['pgrepl switchover'] }];
  const followers: string[] = followersOf(view, node).map((one) => one.spec.name);
  const named: string[] = view.nodes.filter((one) => one.spec.upstream === name).map((one) => one.spec.name);
  const others = [...new Set([...followers, ...named])];
  const senders = node.facts.server?.senders.filter((sender) => sender.state !== 'backup' && !others.includes(sender.applicationName)).map((sender) => sender.applicationName) ?? [];
  if (others.length + senders.length > 0) reasons.push({ code: 'has-followers', node: name, message: `${[...others, ...senders].join(', ')} stream${others.length + senders.length === 1 ? 's' : ''} from ${name}`, next: others.map((other) => `pgrepl follow ${other} --upstream ${primariesOf(view)[0]?.spec.name ?? 'NODE'}`) });
  const primary = primariesOf(view)[0];
  if (primary === undefined) reasons.push({ code: 'no-primary', message: `no primary answers, and ${name} may be needed to replace it`, next: ['pgrepl status', 'pgrepl promote'] });
  return reasons;
}

import type { Reason } from '../errors.ts';
import { describeNode, fullPrimariesOf, managedByOthers, primariesOf, type ClusterView, type NodeView } from './cluster.ts';

/** Everything that keeps a rejoin of this node from being looked at at all. Pure. */
export function cannotBe(view: ClusterView, node: NodeView): readonly Reason[] {
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
export function unfit(node: NodeView, primary: NodeView): readonly Reason[] {
  const { facts, spec } = node;
  const name = spec.name;
  const own = facts.server?.systemIdentifier ?? facts.control?.systemIdentifier ?? null;
  const theirs = primary.facts.server?.systemIdentifier;
  if (own !== null && own !== theirs) return [{ code: 'another-cluster', node: name, message: `${name} belongs to another cluster: system identifier ${own}, and ${primary.spec.name} has ${theirs ?? '?'}`, hint: 'It was never a part of this one. Look at its data directory in the cluster file.', next: ['pgrepl status'] }];
  return managedByOthers(primary);
}

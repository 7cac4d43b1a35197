import type { Step } from '../steps/index.ts';
import { isToReplayLate, type Topology, type TopologyEdit } from '../topology/topology.ts';
import type { Change } from './change.ts';
import { NO_SYNC_CHANGE } from './carry-sync.ts';
import { basisOf, type ClusterView, type NodeView } from './cluster.ts';
import { joinSync, withSync } from './move-sync.ts';

/** What a rejoin found, as every way of it needs it. */
export interface RejoinFacts {
  readonly topology: Topology;
  readonly view: ClusterView;
  readonly node: NodeView;
  readonly primary: NodeView;
}

/** The words by which an unfinished rejoin is found again, whichever way it went. Pure. */
export function titleOf(name: string): string {
  return `rejoin ${name}`;
}

/** What is said of a finished rejoin, whichever way it went. */
export function finishedChange(facts: RejoinFacts, command: string, steps: readonly Step[], notices: readonly string[], question: string | null, upstream: NodeView = facts.primary): Change {
  const { view, node } = facts;
  const name = node.spec.name;
  // One that holds back commits for its delay connects some time later: it is no member that could be proved now.
  const sync = upstream === facts.primary && !isToReplayLate(node.spec) ? joinSync(view, facts.primary, node, { asked: false, direct: true }) : NO_SYNC_CHANGE;
  return {
    plan: { title: titleOf(name), command, basis: basisOf(view), steps: withSync(steps, sync.after), notices: [...notices, ...sync.notices] },
    edits: [...editsOf(node, facts.primary, upstream), ...sync.edits],
    done: `${name} streams from ${upstream.spec.name}, proved by a fresh record ${isToReplayLate(node.spec) ? 'received' : 'replayed'} on it`,
    next: ['pgrepl status'],
    question,
    remains: null,
  };
}

function editsOf(node: NodeView, primary: NodeView, upstream: NodeView): readonly TopologyEdit[] {
  const { name } = node.spec;
  return [
    ...(node.spec.fenced === undefined ? [] : [{ edit: 'set-fence', name, fenced: null } as const]),
    ...(node.spec.upstream !== undefined && upstream === primary ? [{ edit: 'set-upstream', name, upstream: null } as const] : []),
  ];
}

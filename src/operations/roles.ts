import { newestTimeline } from '../postgres/control-data.ts';
import type { ClusterView, NodeView } from './cluster.ts';
import { valuesOf } from './config.ts';
import { seenTimeline } from './facts.ts';

/**
 * The node that was the primary last, when it is proved stopped: its control file says that it ran as a primary, and no process has its
 * directory. `null`: no such proof. Pure.
 */
export function stoppedPrimary(view: ClusterView): NodeView | null {
  const standbyTimeline = Math.max(0, ...view.nodes.map((node) => node.facts.server?.timeline ?? 0));
  const proved = view.nodes.filter((node) => {
    const { state, control } = node.facts;
    const ranAsPrimary = control?.state === 'shut down' || control?.state === 'in production' || control?.state === 'shutting down' || control?.state === 'in crash recovery';
    // A primary that was left behind by an earlier failover is on an older timeline than the standbys.
    return state === 'down' && control !== null && ranAsPrimary && newestTimeline(control) >= standbyTimeline && !isStoppedStandby(node);
  });
  return proved.sort((a, b) => (seenTimeline(b.facts) ?? 0) - (seenTimeline(a.facts) ?? 0))[0] ?? null;
}

/**
 * The standby whose promote is under way: it alone has WAL of the newest timeline, receives from nobody, and no primary is to be found. It
 * says that it is in recovery until the first record of that timeline is written. `undefined`: none looks like it. Pure.
 */
export function promotingNode(view: ClusterView): NodeView | undefined {
  if (view.nodes.length < 2 || view.nodes.some((node) => node.facts.server?.inRecovery === false) || stoppedPrimary(view) !== null) return undefined;
  // A node that nobody sees may be on any timeline: then nothing is known that would be worth a wait.
  const isOlder = (other: NodeView, timeline: number): boolean => (seenTimeline(other.facts) ?? timeline) < timeline;
  return view.nodes.find((node) => {
    const timeline = seenTimeline(node.facts);
    return node.facts.server?.receiver === null && timeline !== null && timeline > 1 && view.nodes.every((other) => other === node || isOlder(other, timeline));
  });
}

/** Its last role was standby: the signal is there and its last shutdown was one in recovery. Pure. */
export function isStoppedStandby(node: NodeView): boolean {
  const { hasSignal, control } = node.facts;
  return hasSignal && control?.state !== 'shut down';
}

/** An interrupted switchover of ours got as far as preparing this primary to be a standby: its own file names where it was to stream from. Pure. */
export function handOverPrepared(node: NodeView): boolean {
  return node.facts.control?.state === 'shut down' && valuesOf(node.config?.standby ?? null).has('primary_conninfo');
}

/** The node that a prepared primary was to stream from: the candidate of the interrupted switchover. Pure. */
export function preparedFor(view: ClusterView, node: NodeView): NodeView | undefined {
  const conninfo = valuesOf(node.config?.standby ?? null).get('primary_conninfo') ?? '';
  return view.nodes.find((other) => other !== node && pointsTo(conninfo, other));
}

/** True when this conninfo leads to that node. Pure. */
export function pointsTo(conninfo: string, node: NodeView): boolean {
  const words = conninfo.split(' ').map((word) => word.replaceAll("'", ''));
  return words.includes(`host=${node.spec.host}`) && words.includes(`port=${node.spec.port}`);
}

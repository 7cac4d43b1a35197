import { refuseOn } from '../errors.ts';
import { renderSyncNames, sameSyncNames, type SyncNames } from '../postgres/sync-names.ts';
import { notCounted } from '../steps/prove-sync.ts';
import type { Step } from '../steps/index.ts';
import type { World } from '../steps/world.ts';
import type { Topology } from '../topology/topology.ts';
import type { Change } from './change.ts';
import { basisOf, describeNode, managedByOthers, observeCluster, primariesOf, splitBrain, type ClusterView, type NodeView } from './cluster.ts';
import { valuesOf } from './config.ts';
import { SYNC_SETTING } from './settings.ts';
import { describeCommitLevels, describeSyncSet, judgeSyncSet, namesFor } from './sync-set.ts';
import { cannotPutSyncValue, putSyncValue } from './sync-steps.ts';
import { renderSyncWish, syncCommand, syncInForce } from './sync-wish.ts';
import type { Sync } from './wants.ts';

/**
 * Which standbys a commit waits for. The value changes in one reload, so that every commit waits by the old or by the new rule and none by
 * neither; whoever is named streams and has caught up before that, so that no commit waits for it longer than for the others; and afterwards
 * each of them has flushed a fresh record, so that what was acknowledged before is on them as well.
 */
export async function decideSync(world: World, topology: Topology, want: Sync): Promise<Change> {
  const command = syncCommand(want.wish);
  const title = `sync ${renderSyncWish(want.wish)}`;
  const view = await observeCluster(world, topology, topology.nodes);
  const primary = primariesOf(view)[0];
  refuseOn(title, splitBrain(view));
  if (primary === undefined) refuseOn(title, [{ code: 'no-primary', message: `no primary answers (${view.nodes.map(describeNode).join('; ')})`, next: ['pgrepl status'] }]);
  if (primary === undefined) throw new Error('unreachable');
  const wanted: SyncNames | null = want.wish === null ? null : { ...want.wish, names: namesFor(view, primary, want.wish) };
  const there = isInForce(primary, wanted);
  refuseOn(title, [...managedByOthers(primary), ...cannotPutSyncValue(primary), ...(wanted === null ? [] : judgeSyncSet(view, primary, wanted))]);
  const value = renderSyncNames(wanted);
  return {
    plan: {
      title,
      command,
      basis: basisOf(view),
      steps: there ? [] : [...putSyncValue(primary, wanted), ...(wanted === null ? [] : [{ kind: 'prove-sync', node: primary.spec.name, value, names: wanted.names } satisfies Step])],
      notices: noticesOf(view, primary, wanted, there),
    },
    edits: [{ edit: 'set-sync', sync: renderSyncWish(want.wish) }],
    done: wanted === null ? `commits on ${primary.spec.name} wait for no standby` : `commits on ${primary.spec.name} wait for ${value}, and each of them has flushed a fresh record`,
    next: ['pgrepl status'],
    question: null,
    remains: null,
  };
}

/** That nothing is to be done: the value, from our own file, and everybody in it counts. Pure. */
function isInForce(primary: NodeView, wanted: SyncNames | null): boolean {
  const value = renderSyncNames(wanted);
  const server = primary.facts.server;
  const own = valuesOf(primary.config?.owned ?? null).get(SYNC_SETTING);
  const left = valuesOf(primary.config?.auto ?? null).has(SYNC_SETTING);
  if (server === null || left || (server.settings[SYNC_SETTING]?.value ?? '') !== value) return false;
  if (wanted === null) return own === undefined || own === '';
  return own === value && notCounted(wanted, server.senders) === null;
}

function noticesOf(view: ClusterView, primary: NodeView, wanted: SyncNames | null, there: boolean): readonly string[] {
  if (there) return [];
  const old = syncInForce(primary);
  const waiting = primary.facts.server?.syncWaiters ?? 0;
  const left = valuesOf(primary.config?.auto ?? null).get(SYNC_SETTING);
  const lines: string[] = [];
  if (left !== undefined) lines.push(`ALTER SYSTEM has set ${SYNC_SETTING} = ${left === '' ? "''" : left}: it is taken out, because it wins over pgrepl.conf`);
  if (wanted === null) {
    lines.push(`from now on a commit is acknowledged when ${primary.spec.name} alone has it: what no standby has received is lost with its disk`);
    if (waiting > 0) lines.push(`${waiting} ${waiting === 1 ? 'commit waits and is' : 'commits wait and are'} acknowledged at once, without a standby that has ${waiting === 1 ? 'it' : 'them'}`);
    return lines;
  }
  if (old !== null && !sameSyncNames(old, wanted)) lines.push(`now: ${renderSyncNames(old)}`);
  if (waiting > 0) lines.push(`${waiting} ${waiting === 1 ? 'commit waits' : 'commits wait'} now, and ${waiting === 1 ? 'goes' : 'go'} on when ${renderSyncNames(wanted)} ${waiting === 1 ? 'has it' : 'have them'}`);
  return [...lines, ...describeSyncSet(primary, wanted), ...describeCommitLevels(primary), ...unseen(view)];
}

function unseen(view: ClusterView): readonly string[] {
  return view.nodes.filter((node) => node.facts.server === null).map((node) => `${node.spec.name} does not answer (${node.facts.trouble ?? node.facts.state}) and is not in the set`);
}

import { PgreplError, refuseOn, type Reason } from '../errors.ts';
import { verifierMatches } from '../postgres/scram.ts';
import type { Step } from '../steps/index.ts';
import { hasPassword, readRotation } from '../steps/rotate-password.ts';
import type { World } from '../steps/world.ts';
import { isToReplayLate, type Topology } from '../topology/topology.ts';
import type { Change } from './change.ts';
import { basisOf, describeNode, managedByOthers, observeCluster, primariesOf, splitBrain, type ClusterView, type NodeView } from './cluster.ts';
import { arrivalProof, configuredUpstream, isPaused } from './role-change.ts';
import { sslBetween } from './tls.ts';
import type { RotatePassword } from './wants.ts';

/**
 * The replication role gets another password, and every node learns it (hazard C12). PostgreSQL has one password for a role, and asks for it only
 * when somebody connects: streams that stand are not broken. Whoever could not be told is refused beforehand, because its next reconnect would
 * fail; after the change every standby has replayed it, and every node has logged in anew with what its own passfile says.
 */
export async function decideRotatePassword(world: World, topology: Topology, want: RotatePassword): Promise<Change> {
  const title = 'rotate password';
  const view = await observeCluster(world, topology, topology.nodes);
  const primary = primariesOf(view)[0];
  refuseOn(title, splitBrain(view));
  if (primary === undefined) refuseOn(title, [{ code: 'no-primary', message: `no primary answers (${view.nodes.map(describeNode).join('; ')})`, next: ['pgrepl status'] }]);
  if (primary === undefined) throw new PgreplError('bug', 'bug', 'a refusal did not end the run');
  refuseOn(title, [...managedByOthers(primary), ...cutOff(view, want), ...standStill(view), ...(await roleMissing(world, primary))]);
  const { place } = primary.facts;
  const told = view.nodes.filter((node) => !isUnseen(node));
  const at = { node: primary.spec.name, user: place.replicationUser, passfile: place.passfile, host: place.host, port: place.port };
  const targets = view.nodes.map(({ spec }) => ({ host: spec.host, port: spec.port }));
  const files = passfilesOf(told);
  const done = await isDone(world, primary, files, targets);
  const steps: readonly Step[] = done
    ? []
    : [
        { kind: 'stage-password', ...at },
        { kind: 'switch-password', ...at, files, targets },
        ...told.filter((node) => node !== primary && node.facts.server?.inRecovery === true).flatMap((node) => arrivalProof(node, configuredUpstream(view, node) ?? primary, primary)),
        ...told.map((node): Step => loginOf(node, configuredUpstream(view, node) ?? primary, primary)),
        { kind: 'forget-password', node: primary.spec.name, passfile: place.passfile },
      ];
  return {
    plan: { title, command: 'pgrepl rotate-password', basis: basisOf(view), steps, notices: done ? [] : noticesOf(view, primary, want) },
    edits: [],
    done: done ? `"${place.replicationUser}" has this password already, and every node knows it` : `"${place.replicationUser}" has a new password; ${told.map((node) => node.spec.name).join(', ')} logged in with it`,
    next: ['pgrepl status'],
    question: done ? null : `Change the password of "${place.replicationUser}"?`,
    remains: null,
  };
}

/** From its own machine, with its own passfile; the primary to itself. Pure. */
function loginOf(node: NodeView, upstream: NodeView, primary: NodeView): Step {
  const { place } = node.facts;
  return { kind: 'prove-login', node: place.name, user: place.replicationUser, passfile: { node: place.name, path: place.passfile }, host: upstream.spec.host, port: upstream.spec.port, systemIdentifier: primary.facts.server?.systemIdentifier ?? null, ssl: sslBetween(node, upstream) };
}

/** Its machine cannot be asked, and so its passfile not be written. Pure. */
function isUnseen({ facts }: NodeView): boolean {
  return facts.state === 'unknown' && facts.directory === null;
}

function passfilesOf(nodes: readonly NodeView[]): readonly { readonly node: string; readonly path: string }[] {
  const seen = new Set<string>();
  return nodes.flatMap(({ facts: { place } }) => {
    const key = `${place.via} ${place.passfile}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return [{ node: place.name, path: place.passfile }];
  });
}

/** A given password that is in force everywhere, and no rotation that waits to be finished. Reads only. */
async function isDone(world: World, primary: NodeView, files: readonly { readonly node: string; readonly path: string }[], targets: readonly { readonly host: string; readonly port: number }[]): Promise<boolean> {
  const { place } = primary.facts;
  const given = world.givenPassword;
  if (given === null || (await readRotation({ node: place.name, passfile: place.passfile }, world)) !== null) return false;
  const role = await (await world.node(place.name).server()).role(place.replicationUser);
  if (role?.verifier == null || !verifierMatches(role.verifier, given)) return false;
  return (await Promise.all(files.map(async (file) => await hasPassword({ user: place.replicationUser, targets }, file, given, world)))).every(Boolean);
}

function cutOff(view: ClusterView, want: RotatePassword): readonly Reason[] {
  return view.nodes
    .filter((node) => isUnseen(node) && !want.cutOff.includes(node.spec.name))
    .map((node) => ({
      code: 'would-be-cut-off',
      node: node.spec.name,
      message: `${node.spec.name} cannot be told the new password: ${node.facts.trouble ?? 'its machine does not answer'}`,
      hint: 'Its next reconnect would be refused. With the flag it is left out; when it is back, any change of the cluster writes its passfile.',
      next: [`--cut-off ${node.spec.name}`, 'pgrepl status'],
    }));
}

/** A standby learns the password of the role by replaying it: whoever streams from one that does not replay now could not come back. Pure. */
function standStill(view: ClusterView): readonly Reason[] {
  return view.nodes.flatMap((node): readonly Reason[] => {
    const upstream = node.facts.server?.inRecovery === true ? configuredUpstream(view, node) : undefined;
    if (upstream?.facts.server?.inRecovery !== true) return [];
    const why = isToReplayLate(upstream.spec) ? `it replays everything ${upstream.spec.delay ?? ''} later` : isPaused(upstream) ? 'its replay is paused' : null;
    if (why === null) return [];
    return [{ code: 'upstream-stands-still', node: node.spec.name, message: `${node.spec.name} streams from ${upstream.spec.name}, which would not take the new password yet: ${why}`, hint: `A reconnect of ${node.spec.name} would be refused until then.`, next: [`pgrepl follow ${node.spec.name} --upstream ${primariesOf(view)[0]?.spec.name ?? 'NODE'}`] }];
  });
}

async function roleMissing(world: World, primary: NodeView): Promise<readonly Reason[]> {
  const { place } = primary.facts;
  if ((await (await world.node(place.name).server()).role(place.replicationUser)) !== null) return [];
  return [{ code: 'role-missing', node: place.name, message: `there is no role "${place.replicationUser}" on ${place.name}`, next: [`pgrepl init-primary ${place.name}`] }];
}

function noticesOf(view: ClusterView, primary: NodeView, want: RotatePassword): readonly string[] {
  const names = new Set<string>(view.nodes.map(({ spec }) => spec.name));
  const strangers = view.nodes.flatMap(({ facts }) => facts.server?.senders ?? []).filter((sender) => sender.state !== 'backup' && !names.has(sender.applicationName) && sender.role === primary.facts.place.replicationUser).map((sender) => sender.applicationName);
  return [
    'streams that stand are not broken; the password is asked for at the next connect alone',
    ...(primary.facts.place.auth === 'cert' ? ['standbys log in by certificate: no rule of pgrepl asks for this password'] : []),
    ...(strangers.length === 0 ? [] : [`${[...new Set(strangers)].join(', ')} ${strangers.length === 1 ? 'streams, too, and is no node' : 'stream, too, and are no nodes'} of the cluster file: whoever logs in as this role needs the new password at the next connect`]),
    ...want.cutOff.filter((name) => view.nodes.some((node) => node.spec.name === name && isUnseen(node))).map((name) => `${name} is not told: it cannot come back until its passfile has the new password`),
  ];
}

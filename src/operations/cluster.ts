import { createHash } from 'node:crypto';
import { PgreplError, type Reason } from '../errors.ts';
import type { Basis, Json } from '../plan/step.ts';
import type { Inventory } from '../postgres/server.ts';
import type { NodeWorld, World } from '../steps/world.ts';
import type { NodeSpec, Topology } from '../topology/topology.ts';
import { readConfig, type ConfigFacts } from './config.ts';
import { seenTimeline, type NodeFacts } from './facts.ts';
import { observeNode } from './observe.ts';

/** A node of the cluster file with everything that was seen of it. */
export interface NodeView {
  readonly spec: NodeSpec;
  readonly facts: NodeFacts;
  /** `null` where its files cannot be read. */
  readonly config: ConfigFacts | null;
  /** Of a running server that let us in. */
  readonly inventory: Inventory | null;
  /** In its certificate, where nodes log in with theirs. */
  readonly commonName?: string | null;
}

export interface ClusterView {
  readonly topology: Topology;
  readonly nodes: readonly NodeView[];
}

/** How long one node may take to answer when a change is decided. */
const OBSERVE_MS = 10_000;

/** Looks at these nodes side by side, files included. Changes nothing; a sick node is a fact, not an error. Throws `not-superuser`. */
export async function observeCluster(world: World, topology: Topology, specs: readonly NodeSpec[]): Promise<ClusterView> {
  const nodes = await Promise.all(
    specs.map(async (spec): Promise<NodeView> => {
      const node = world.node(spec.name);
      const seen = await observeNode(node, { timeoutMs: OBSERVE_MS, depth: 'change', signal: world.signal });
      if (seen.server?.superuser === false) throw notSuperuser(spec, seen);
      const readable = seen.directory === 'data';
      const [config, inventory, commonName] = await Promise.all([readable ? readConfig(node, seen) : null, seen.server === null ? null : (await node.server()).inventory(), commonNameOf(node)]);
      return { spec, facts: seen, config, inventory, commonName };
    }),
  );
  return { topology, nodes };
}

/** A certificate that cannot be read is said by whoever needs it. */
async function commonNameOf({ host, place: { auth, tls } }: NodeWorld): Promise<string | null> {
  if (auth !== 'cert' || tls === undefined) return null;
  const pem = await host.readText(tls.cert).catch(() => null);
  if (pem === null) return null;
  const { readCertificate } = await import('../postgres/certificate.ts');
  return readCertificate(pem)?.commonName ?? null;
}

/** Files, settings, slots and roles are changed: nobody else may, and a managed service lets nobody (hazard M10). */
function notSuperuser(spec: NodeSpec, { place }: NodeFacts): PgreplError {
  return new PgreplError('refused', 'not-superuser', `role "${place.adminUser}" is no superuser of ${spec.name}`, {
    node: spec.name,
    hint: 'Every change needs one; a managed service gives none, and cannot be managed by pgrepl. status works with every role.',
    next: ['--username ROLE'],
  });
}

/** The one of that name; `undefined` when the view has none. */
export function viewOf(view: ClusterView, name: string): NodeView | undefined {
  return view.nodes.find((node) => node.spec.name === name);
}

/** How it stands, in words for a line that lists several. Pure. */
export function describeNode({ spec, facts: { server, trouble, state } }: NodeView): string {
  return `${spec.name}: ${server === null ? (trouble ?? state) : server.inRecovery ? 'a running standby' : 'a running primary'}`;
}

/** Nodes that take writes and can be asked. */
export function primariesOf(view: ClusterView): readonly NodeView[] {
  return view.nodes.filter((node) => node.facts.server?.inRecovery === false);
}

/** Nodes that take writes, and no session of ours, because all their connections are used (hazard G14). */
export function fullPrimariesOf(view: ClusterView): readonly NodeView[] {
  return view.nodes.filter((node) => node.facts.glimpse?.inRecovery === false);
}

/** Two nodes of one system identifier that take writes: nothing is changed until that is settled (hazard G21). */
export function splitBrain(view: ClusterView): readonly Reason[] {
  const primaries = [...primariesOf(view), ...fullPrimariesOf(view)];
  if (primaries.length < 2) return [];
  const each = primaries.map((node) => `${node.spec.name} (timeline ${(node.facts.server ?? node.facts.glimpse)?.timeline ?? '?'})`).join(' and ');
  return [{ code: 'two-primaries', message: `${each} both take writes`, hint: 'Stop the wrong one first; nothing that writes is run until then.', next: ['pgrepl status'] }];
}

/** Another manager of replication runs this server; two would fight (hazard M09). */
export function managedByOthers(node: NodeView): readonly Reason[] {
  return (node.inventory?.otherManagers ?? []).map((manager) => ({
    code: 'managed-by-other',
    node: node.spec.name,
    message: `${node.spec.name} is managed by ${manager}`,
    hint: 'Two managers would undo what the other does. status works all the same.',
  }));
}

/** What a plan was decided on. Positions move all the time and are left out; a restart, a change of role or an edited file is not. */
export function basisOf(view: ClusterView): Basis {
  return Object.fromEntries(
    view.nodes.map(({ spec, facts, config }): [string, Json] => [
      spec.name,
      {
        state: facts.state,
        directory: facts.directory,
        mode: facts.directoryMode,
        systemIdentifier: facts.server?.systemIdentifier ?? facts.control?.systemIdentifier ?? null,
        startedAt: facts.server?.startedAt ?? null,
        inRecovery: facts.server?.inRecovery ?? null,
        timeline: seenTimeline(facts),
        control: facts.server === null ? (facts.control?.state ?? null) : null,
        files: config === null ? null : createHash('sha256').update(JSON.stringify([config.conf, config.owned, config.standby, config.auto, config.hba, config.ident])).digest('hex').slice(0, 16),
      },
    ]),
  );
}

import type { Change, Decide } from '../../src/operations/change.ts';
import { previewPlan, type StepPreview } from '../../src/plan/dry-run.ts';
import type { RunEvent } from '../../src/plan/events.ts';
import type { Journal } from '../../src/plan/journal.ts';
import type { RunResult } from '../../src/plan/outcome.ts';
import { recordsOf, unfinishedRun, type JournalEntry, type RawRun, type RunRecord } from '../../src/plan/record.ts';
import { runPlan } from '../../src/plan/run.ts';
import { undoRun } from '../../src/plan/undo-run.ts';
import { parseNodeName, parseRoleName } from '../../src/postgres/names.ts';
import { registry, type Step } from '../../src/steps/index.ts';
import type { World } from '../../src/steps/world.ts';
import type { NodeSpec, Topology, TopologyEdit } from '../../src/topology/topology.ts';
import { PowerCut, type FakeFleet, type FakeWorld } from './fake-world.ts';

/** One command of the product and what the operator wants of it. */
export interface Rehearsed<W> {
  readonly decide: Decide<W>;
  readonly want: W;
}

/** What an operator has besides the machines: the cluster file, and the journal. */
export interface Desk {
  topology: Topology;
  readonly journals: RawRun[];
}

export interface Attempt {
  readonly change: Change;
  readonly result: RunResult;
  readonly events: readonly RunEvent[];
}

export function newDesk(nodes: readonly NodeSpec[] = []): Desk {
  return { topology: { file: '/tmp/pgrepl.yaml', exists: true, cluster: 'main', replicationUser: parseRoleName('replicator'), sync: 'off', nodes }, journals: [] };
}

/** The same cluster file without the journal: a second operator, or a lost disk. */
export function withoutJournal(desk: Desk): Desk {
  return { topology: desk.topology, journals: [] };
}

export function copyOfDesk(desk: Desk): Desk {
  return { topology: desk.topology, journals: [...desk.journals] };
}

/** A node of the fleet as the cluster file would have it. */
export function specOf(fleet: FakeFleet, name: string, more: Partial<NodeSpec> = {}): NodeSpec {
  const { place } = fleet.node(name);
  return { name: parseNodeName(name), host: place.host, port: place.port, pgdata: place.pgdata, via: place.via, ...more };
}

/** Decides and shows, as `--dry-run` does. */
export async function dryRun<W>(rehearsed: Rehearsed<W>, world: FakeWorld, desk: Desk): Promise<readonly StepPreview[]> {
  const change = await rehearsed.decide(world, desk.topology, rehearsed.want);
  return await previewPlan(change.plan, registry, world);
}

/** Decides, goes on with an unfinished run of the same title when the journal has one, runs, and saves the cluster file when all is done. */
export async function attempt<W>(rehearsed: Rehearsed<W>, world: FakeWorld, desk: Desk): Promise<Attempt> {
  const change = await rehearsed.decide(world, desk.topology, rehearsed.want);
  const prior = unfinishedRun(recordsOf(desk.journals), (record) => record.header.title === change.plan.title);
  const run = `run-${String(desk.journals.length + 1).padStart(3, '0')}`;
  const events: RunEvent[] = [];
  const result = await runPlan<Step, World>({
    plan: change.plan,
    registry,
    world: (signal) => world.withSignal(signal),
    journal: beginJournal(desk, world, { run, title: change.plan.title, command: change.plan.command, resumes: prior?.run ?? null }),
    prior,
    listener: (event) => events.push(event),
    interrupted: world.signal,
    locksLost: new AbortController().signal,
  });
  if (result.error === null && !world.dead) desk.topology = edited(desk.topology, change.edits);
  return { change, result, events };
}

/** The newest run in the journal. */
export function lastRun(desk: Desk): RunRecord {
  const record = recordsOf(desk.journals).at(-1);
  if (record === undefined) throw new Error('the journal is empty');
  return record;
}

/** Takes the newest run back, as `pgrepl undo` does. Throws its refusals. */
export async function undoLast(world: FakeWorld, desk: Desk): Promise<RunResult> {
  const record = lastRun(desk);
  const raw = desk.journals.at(-1);
  if (raw === undefined) throw new Error('the journal is empty');
  return await undoRun<Step, World>({ record, registry, world: (signal) => world.withSignal(signal), journal: journalIn(raw, world), listener: () => undefined });
}

function beginJournal(desk: Desk, world: FakeWorld, made: { readonly run: string; readonly title: string; readonly command: string; readonly resumes: string | null }): Journal {
  const raw: RawRun = {
    path: `/journal/${made.run}.ndjson`,
    header: { format: 1, cluster: 'main', clusterFile: '/tmp/pgrepl.yaml', systemIdentifier: null, nodes: [], pid: 1, user: 'ada', machine: 'laptop', started: '2026-01-01T00:00:00Z', ...made },
    entries: [],
  };
  desk.journals.push(raw);
  return journalIn(raw, world);
}

/** A journal in memory. A dead operator writes nothing. */
function journalIn(raw: RawRun, world: FakeWorld): Journal {
  const entries = raw.entries as JournalEntry[];
  return {
    run: raw.header.run,
    append: (entry) => {
      if (world.dead) throw new PowerCut();
      // Through text, as the real one: what the journal cannot hold is lost here too.
      entries.push(JSON.parse(JSON.stringify({ at: '2026-01-01T00:00:00Z', ...entry })) as JournalEntry);
    },
    close: () => undefined,
  };
}

/** The cluster file after these edits. */
function edited(topology: Topology, edits: readonly TopologyEdit[]): Topology {
  let { nodes, cluster, replicationUser, sync } = topology;
  const change = (name: string, to: (node: NodeSpec) => NodeSpec): void => {
    nodes = nodes.map((node) => (node.name === name ? to(node) : node));
  };
  for (const edit of edits) {
    switch (edit.edit) {
      case 'put-node':
        if (nodes.some((node) => node.name === edit.node.name)) change(edit.node.name, () => edit.node);
        else nodes = [...nodes, edit.node];
        break;
      case 'remove-node':
        nodes = nodes.filter((node) => node.name !== edit.name);
        break;
      case 'set-upstream':
        change(edit.name, ({ upstream: _, ...node }) => (edit.upstream === null ? node : { ...node, upstream: edit.upstream }));
        break;
      case 'set-fence':
        change(edit.name, ({ fenced: _, ...node }) => (edit.fenced === null ? node : { ...node, fenced: edit.fenced }));
        break;
      case 'set-cluster':
        ({ cluster, replicationUser } = edit);
        break;
      case 'set-archive': {
        const { archive } = edit;
        nodes = nodes.map((node) => ({ ...node, archive }));
        break;
      }
      case 'set-sync':
        ({ sync } = edit);
        break;
      default:
        edit satisfies never;
    }
  }
  return { ...topology, nodes, cluster, replicationUser, sync };
}

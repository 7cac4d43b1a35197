import { PgreplError, refuseOn, type Reason } from '../errors.ts';
import type { Ways } from '../host/ways.ts';
import type { Change, Decide } from '../operations/change.ts';
import { previewPlan } from '../plan/dry-run.ts';
import { newRunId, openJournal, readRuns, stateDirectory } from '../plan/journal.ts';
import { holderOf, type HeldLocks } from '../plan/lock.ts';
import type { RunResult } from '../plan/outcome.ts';
import { kindOf, samePlan } from '../plan/plan.ts';
import { isUnfinished, unfinishedRun, type RunHeader, type RunRecord } from '../plan/record.ts';
import { ended, runPlan } from '../plan/run.ts';
import type { Json } from '../plan/step.ts';
import { registry, type Step } from '../steps/index.ts';
import { createWorld, type LiveWorld } from '../steps/live-world.ts';
import type { NodePlace, World } from '../steps/world.ts';
import { saveTopology } from '../topology/save.ts';
import type { NodeSpec, Topology } from '../topology/topology.ts';
import { mustBeWritable } from './cluster-file.ts';
import { lastSeenIn } from './last-look.ts';
import type { ChangeShape, Context, OptionSpec, Parsed } from './command.ts';
import { confirm } from './confirm.ts';
import { namedFile } from './io.ts';
import { findPlaces } from './machines.ts';
import type { ShownPlan } from './output/plan-text.ts';
import { jsonLine, planDocument } from './output/json.ts';
import { passwordsFor, type Passwords } from './passwords.ts';
import { reporterFor, type Reporter } from './reporter.ts';
import { locksBeforehand, placesToLock, takeLocks } from './run-locks.ts';
import { typedCommand } from './typed-next.ts';
import { withWholeLines } from './whole-lines.ts';

/**
 * Carries a change out, or shows what it would do: look, show, ask, lock, look again, run, save the cluster file, report. With --yes:
 * lock, look, show, run. The only caller of the engine. Throws what happened before anything began; what happened later is reported, and its
 * exit code returned.
 */
export async function carryOut<W>(shape: ChangeShape<W>, context: Context): Promise<number> {
  const parsed = await shape.parse(context);
  const { decide } = shape;
  const { places, ways } = await findPlaces(parsed.topology, parsed.nodes);
  const run = newRunId();
  const reporter = await reporterFor(context);
  const passwords = passwordsFor(context, parsed);
  const world = openWorld(context, { nodes: parsed.nodes, passwords, places, ways, run, reporter });
  const early: { locks: HeldLocks | null } = { locks: null };
  try {
    // Looks through the sessions that the run goes on with, and cannot change anything.
    const looking = world.readOnly();
    const shown = await passwords.askWhenMissing(async () => {
      // With --yes nobody reads the plan before it runs: then the one look is taken under the locks.
      if (context.globals.yes && !context.globals.dryRun) early.locks ??= await locksBeforehand(world, placesToLock(places, parsed), parsed.again, run);
      return await decide(looking, parsed.topology, parsed.want);
    });
    if (context.globals.dryRun) return printDryRun(await fullPage(shown, looking), context, reporter);
    const full = context.globals.verbose && !context.globals.json;
    reporter.plan(full ? await fullPage(shown, looking) : outline(shown), { full });
    if (shown.edits.length > 0) await mustBeWritable(parsed.topology.file);
    if (shown.question !== null) await confirm(context, shown.plan.title, shown.question);
    if (nothingToRun(shown, parsed.topology, context)) {
      // To take a stopped node out of the file is a change, though no step is left for it.
      const wrote = await saveTopology(parsed.topology, shown.edits);
      return reporter.result({ run: null, result: { outcome: wrote ? 'done' : 'unchanged', error: null, failedAt: null }, title: shown.plan.title, done: shown.done, next: shown.next });
    }
    return await underLocks({ context, parsed, options: shape.options, decide, shown, locks: early.locks, world, places, run, reporter });
  } finally {
    await early.locks?.release();
    await world.close().catch(() => undefined);
  }
}

/** No step, and no unfinished run whose end is still to be written. */
function nothingToRun(shown: Change, topology: Topology, context: Context): boolean {
  if (shown.plan.steps.length > 0 || shown.remains !== null) return false;
  return unfinishedRun(readRuns(stateDirectory(topology.cluster, context.io.env)), (record) => isSameChange(record, shown, topology)) === null;
}

interface Opening {
  readonly nodes: readonly NodeSpec[];
  readonly passwords: Passwords;
  readonly places: readonly NodePlace[];
  readonly ways: Ways;
  readonly run: string;
  readonly reporter: Reporter;
}

/** The world of these places, for one run. */
export function openWorld(context: Context, { nodes, passwords, places, ways, run, reporter }: Opening): LiveWorld {
  return createWorld({
    places,
    ways,
    binDirs: Object.fromEntries(nodes.map((node) => [node.name, node.binDir])),
    run,
    signal: context.io.signal,
    // What is typed comes after the world was made.
    get givenPassword() {
      return passwords.replication;
    },
    readOnly: false,
    adminPassword: async (place) => await passwords.admin(place),
    poolerPassword: async (at) => await passwords.pooler(at),
    say: reporter.waiting,
    lastSeen: lastSeenIn(places[0]?.cluster ?? '', context.io.env),
    ...(context.globals.verbose ? { trace: reporter.command } : {}),
  });
}

interface Locked<W> {
  readonly context: Context;
  readonly parsed: Parsed<W>;
  readonly options: readonly OptionSpec[];
  readonly decide: Decide<W>;
  readonly shown: Change;
  /** Held since before `shown` was decided; `null`: not taken yet. */
  readonly locks: HeldLocks | null;
  readonly world: LiveWorld;
  readonly places: readonly NodePlace[];
  readonly run: string;
  readonly reporter: Reporter;
}

async function underLocks<W>({ context, parsed, options, decide, shown, locks: held, world, places, run, reporter }: Locked<W>): Promise<number> {
  const locks = held ?? (await takeLocks(world, placesToLock(places, parsed), parsed.again, run));
  let result: RunResult;
  let change: Change;
  let carried = false;
  try {
    change = held === null ? await decide(world, parsed.topology, parsed.want) : shown;
    refuseChanged(shown, change);
    const again = lineOf(parsed, change);
    const directory = stateDirectory(parsed.topology.cluster, context.io.env);
    const records = readRuns(directory);
    refuseOn(change.plan.title, pendingElsewhere(records, change, parsed.topology));
    const prior = unfinishedRun(records, (record) => isSameChange(record, change, parsed.topology));
    const journal = openJournal(directory, headerOf(context, parsed, change, places, run, prior));
    context.io.onHardStop(() => hardStop(again, run, namedFile(context.io)));
    try {
      result = await runPlan<Step, World>({
        plan: { ...change.plan, command: again },
        registry,
        world: (signal) => world.withSignal(signal),
        journal,
        prior,
        listener: (event) => {
          reporter.event(event);
        },
        interrupted: context.io.signal,
        locksLost: locks.lost,
      });
      carried = result.error === null;
      if (carried && change.remains !== null) result = ended(journal, { ...result, outcome: 'unfinished', error: change.remains });
    } finally {
      journal.close();
      context.io.onHardStop(null);
    }
    if (carried) result = await saved(result, parsed, change);
  } finally {
    await locks.release();
  }
  if (result.error !== null) result = { ...result, error: withWholeLines(result.error, { line: lineOf(parsed, change), options, file: namedFile(context.io) }) };
  return reporter.result({ run, result, title: change.plan.title, done: change.done, next: change.next });
}

function refuseChanged(shown: Change, now: Change): void {
  const differences = samePlan(shown.plan, now.plan);
  const reasons: readonly Reason[] = differences.map((difference) => ({ code: 'plan-changed', message: difference }));
  refuseOn(`${now.plan.title}: the world is no longer as it was when the plan was shown, and this`, reasons);
}

/**
 * A promote request that was sent to another node and not seen to its end stays in force (hazard H05): a second node is not promoted
 * while the first may still become the primary. One that is stopped has lost the request with its process.
 */
function pendingElsewhere(records: readonly RunRecord[], change: Change, topology: Topology): readonly Reason[] {
  if (!change.plan.steps.some((step) => step.kind === 'promote-server' || step.kind === 'hand-over')) return [];
  return records
    .filter((record) => isUnfinished(record) && record.noReturn !== null && record.header.clusterFile === topology.file && record.header.title !== change.plan.title)
    .flatMap((record) => {
      const node = record.left.find(({ step }) => step.kind === 'promote-server' || step.kind === 'hand-over')?.step.node;
      const seen = node === undefined ? undefined : (change.plan.basis[node] as { readonly state?: Json; readonly inRecovery?: Json } | undefined);
      if (node === undefined || seen === undefined || seen.state === 'down' || seen.inRecovery === false) return [];
      return [{ code: 'promote-pending', node, message: `run ${record.run} sent a promote request to ${node}, and it may still take effect`, hint: 'Two primaries would be the end of it.', next: [`pgrepl promote ${node}`] }];
    });
}

/** The line that goes on with this change: with the node that was chosen, because another choice would be another change. */
function lineOf<W>(parsed: Parsed<W>, { target }: Change): string {
  return target === undefined || parsed.againWith === undefined ? parsed.again : parsed.againWith(target);
}

function isSameChange(record: RunRecord, change: Change, topology: Topology): boolean {
  if (record.header.title !== change.plan.title || record.header.clusterFile !== topology.file) return false;
  const known = identifierIn(change);
  // One cluster name may stand for two clusters in the course of time.
  return record.header.systemIdentifier === null || known === null || record.header.systemIdentifier === known;
}

function identifierIn(change: Change): string | null {
  for (const facts of Object.values(change.plan.basis)) {
    if (typeof facts !== 'object' || facts === null || Array.isArray(facts)) continue;
    const found = (facts as Readonly<Record<string, Json>>)['systemIdentifier'];
    if (typeof found === 'string') return found;
  }
  return null;
}

function headerOf<W>(context: Context, parsed: Parsed<W>, change: Change, places: readonly NodePlace[], run: string, prior: RunRecord | null): RunHeader {
  const command = lineOf(parsed, change);
  const holder = holderOf(command, run);
  return {
    format: 1,
    run,
    command,
    title: change.plan.title,
    cluster: parsed.topology.cluster,
    clusterFile: context.globals.file,
    systemIdentifier: identifierIn(change),
    nodes: places.map(({ name, via, pgdata, host, port, osUser, adminUser, passfile }) => {
      const binDir = parsed.nodes.find((node) => node.name === name)?.binDir;
      return { name, via, pgdata, host, port, osUser, adminUser, passfile, binDir };
    }),
    pid: holder.pid,
    user: holder.user,
    machine: holder.machine,
    started: holder.since,
    resumes: prior?.run ?? null,
  };
}

async function saved<W>(result: RunResult, parsed: Parsed<W>, change: Change): Promise<RunResult> {
  try {
    await saveTopology(parsed.topology, change.edits);
    return result;
  } catch (thrown) {
    if (!(thrown instanceof PgreplError)) throw thrown;
    return {
      ...result,
      outcome: 'unfinished',
      error: thrown.as('unfinished', { details: ['Every step was done; only the cluster file does not say so yet.'], next: [lineOf(parsed, change)] }),
    };
  }
}

/** What a second Ctrl-C leaves behind, and how to go on. */
export function hardStop(again: string, run: string, file: string | null): string {
  return `interrupted again: left at once, changes may remain.\n  next  ${again}\n${typedCommand(`pgrepl undo ${run}`, file).map((command) => `  next  ${command}`).join('\n')}`;
}

async function fullPage(change: Change, world: World): Promise<ShownPlan> {
  return { ...pageOf(change), steps: await previewPlan(change.plan, registry, world) };
}

function outline(change: Change): ShownPlan {
  return {
    ...pageOf(change),
    steps: change.plan.steps.map((step) => {
      const kind = kindOf(registry, step);
      return { node: step.node, kind: step.kind, title: kind.title(step), already: false, undo: typeof kind.undo === 'string' ? kind.undo : 'yes', commands: [], files: [], sql: [] };
    }),
  };
}

function pageOf(change: Change): Pick<ShownPlan, 'title' | 'notices' | 'question'> {
  const remains = change.remains === null ? [] : [`what remains afterwards: ${change.remains.message}`];
  return { title: change.plan.title, notices: [...change.plan.notices, ...remains], question: change.question };
}

function printDryRun(page: ShownPlan, context: Context, reporter: Reporter): number {
  if (context.globals.json) context.io.stdout.write(jsonLine(planDocument(page)));
  else reporter.dryRun(page);
  return 0;
}

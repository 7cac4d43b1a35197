import { asPgreplError } from '../../errors.ts';
import { continueJournal, readRuns } from '../../plan/journal.ts';
import { kindOf } from '../../plan/plan.ts';
import type { RunRecord } from '../../plan/record.ts';
import { refuseUndo, undoRun } from '../../plan/undo-run.ts';
import { parseNodeName } from '../../postgres/names.ts';
import { registry, type Step } from '../../steps/index.ts';
import type { World } from '../../steps/world.ts';
import type { NodeSpec, Topology } from '../../topology/topology.ts';
import { hardStop, openWorld } from '../carry-out.ts';
import type { Command } from '../command.ts';
import { namedFile, splitWords } from '../io.ts';
import { chooseRun, CLUSTER_OPTION, runsOfCluster } from '../find-run.ts';
import { ADMIN_OPTIONS } from '../known-node.ts';
import { findPlaces } from '../machines.ts';
import { jsonLine, planDocument } from '../output/json.ts';
import type { ShownPlan } from '../output/plan-text.ts';
import { POOLER_PASSWORD_OPTION } from '../pooler-words.ts';
import { passwordsFor, passwordsFrom } from '../passwords.ts';
import { takeLocks } from '../run-locks.ts';
import { reporterFor } from '../reporter.ts';
import { nothingLeft } from './resume.ts';

/** `pgrepl undo [RUN]` */
export const undo: Command = {
  kind: 'change',
  name: 'undo',
  summary: 'take an unfinished run back',
  arguments: [{ name: '[RUN]', help: 'the run (default: the newest unfinished one); pgrepl runs lists them' }],
  options: [CLUSTER_OPTION, ...ADMIN_OPTIONS, POOLER_PASSWORD_OPTION],
  examples: ['pgrepl undo --dry-run', 'pgrepl undo 20261123T105021Z-83a4'],
  run: async (context) => {
    const { io, globals } = context;
    const passwords = await passwordsFrom(context);
    const found = await runsOfCluster(context);
    const record = chooseRun(found, context.words.arguments[0]);
    if (record === null) return await nothingLeft(context);
    refuseTakingBack(record);
    const reporter = await reporterFor(context);
    const page = pageOf(record);
    if (globals.dryRun) {
      if (globals.json) io.stdout.write(jsonLine(planDocument(page)));
      else reporter.dryRun(page);
      return 0;
    }
    reporter.plan(page, { full: false });

    const nodes = nodesOf(record, found.topology);
    const topology: Topology = { ...found.topology, cluster: record.header.cluster };
    const { places, ways } = await findPlaces(topology, nodes);
    const secrets = passwordsFor(context, passwords);
    const world = openWorld(context, { nodes, passwords: secrets, places, ways, run: record.run, reporter });
    try {
      const touched = new Set(record.left.map(({ step }) => step.node));
      const locks = await takeLocks(world, places.filter((place) => touched.has(place.name)), context.line, record.run);
      try {
        // Under the locks: it may have gone on meanwhile.
        const now = readRuns(found.directory).find((other) => other.run === record.run) ?? record;
        refuseTakingBack(now);
        // What is missing is asked for before anything is taken back: in the middle of it nobody could be asked.
        await secrets.askWhenMissing(async () => {
          await Promise.all([...touched].map(async (node) => await world.node(node).server().catch(() => undefined)));
        });
        const journal = continueJournal(now);
        io.onHardStop(() => hardStop(record.header.command, record.run, namedFile(io)));
        try {
          const result = await undoRun<Step, World>({ record: now, registry, world: (signal) => world.withSignal(signal), journal, listener: (event) => { reporter.event(event); }, interrupted: io.signal });
          return reporter.result({ run: record.run, result, title: page.title, done: `run ${record.run} (${record.header.title}) was taken back; all is as before it`, next: [] });
        } finally {
          journal.close();
          io.onHardStop(null);
        }
      } finally {
        await locks.release();
      }
    } finally {
      await world.close().catch(() => undefined);
    }
  },
};

/** The refusals of the engine; that of a finished run names the command that goes the other way. */
function refuseTakingBack(record: RunRecord): void {
  try {
    refuseUndo(record);
  } catch (thrown) {
    const error = asPgreplError(thrown);
    throw error.code === 'run-finished' ? error.as('refused', { next: otherWay(record.header.command) }) : error;
  }
}

function otherWay(command: string): readonly string[] {
  const [, name, node] = splitWords(command);
  const known = node === undefined || node.startsWith('-') ? 'NAME' : node;
  switch (name) {
    case 'add-standby':
      return [`pgrepl remove-standby ${known}`];
    case 'remove-standby':
      return [`pgrepl add-standby ${known}`];
    case 'promote':
    case 'switchover':
      return ['pgrepl switchover'];
    case 'follow':
      return [`pgrepl follow ${known} --upstream NODE`];
    case 'sync':
      return node === 'off' ? [] : ['pgrepl sync off'];
    default:
      return [];
  }
}

function pageOf(record: RunRecord): ShownPlan {
  return {
    title: `undo of ${record.header.title} (run ${record.run})`,
    steps: record.left.toReversed().map(({ step }) => {
      // The journal was written by this vocabulary; a kind that is gone is refused by `kindOf`.
      const kind = kindOf(registry, step as Step);
      return { node: step.node, kind: step.kind, title: `take back: ${kind.title(step)}`, already: false, undo: 'nothing' as const, commands: [], files: [], sql: [] };
    }),
    notices: [],
    question: null,
  };
}

/** The nodes of the run, as the cluster file knows them; one that never got there as the journal does. */
function nodesOf(record: RunRecord, topology: Topology): readonly NodeSpec[] {
  return record.header.nodes.map((seen) => topology.nodes.find((node) => node.name === seen.name) ?? { host: '127.0.0.1', port: 5432, ...seen, name: parseNodeName(seen.name) });
}

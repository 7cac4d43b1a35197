import { hostname } from 'node:os';
import { isUnfinished, type RunRecord } from '../../plan/record.ts';
import { query, type Command } from '../command.ts';
import { CLUSTER_OPTION, runsOfCluster } from '../find-run.ts';
import { namedFile } from '../io.ts';
import { FORMAT, jsonLine } from '../output/json.ts';
import { renderTable } from '../output/table.ts';
import { cleanLine, terminalFor } from '../output/terminal.ts';
import { typedCommand } from '../typed-next.ts';

/** `pgrepl runs` */
export const runs: Command = query({
  name: 'runs',
  summary: 'the journal of past runs',
  arguments: [],
  options: [CLUSTER_OPTION],
  examples: ['pgrepl runs', "pgrepl runs --json | jq '.runs[] | select(.unfinished)'"],
  run: async (context) => {
    const { io, globals } = context;
    const { records, directory } = await runsOfCluster(context);
    if (globals.json) {
      io.stdout.write(jsonLine({ format: FORMAT, runs: records.map(runJson) }));
      return 0;
    }
    const out = terminalFor(io.stdout, io.env, globals.color);
    if (records.length === 0) {
      out.line(`No runs yet in ${directory}`);
      return 0;
    }
    const rows = records.map((record) => [record.run, record.header.started.replace(/\.\d+Z$/, 'Z'), stateOf(record), record.header.user, cleanLine(record.header.command)]);
    out.write(renderTable(['RUN', 'STARTED', 'STATE', 'BY', 'COMMAND'], rows));
    const unfinished = records.findLast(isUnfinished);
    if (unfinished !== undefined && stateOf(unfinished) !== 'running' && !globals.quiet) {
      out.line();
      const next = [`pgrepl resume ${unfinished.run}`, ...(unfinished.noReturn === null ? [`pgrepl undo ${unfinished.run}`] : [])];
      for (const command of next.flatMap((one) => typedCommand(one, namedFile(io)))) out.line(`  ${out.paint.bold('next')}  ${out.paint.cyan(command)}`);
    }
    return 0;
  },
});

/** How a run stands, in a word. */
function stateOf(record: RunRecord): string {
  if (record.end !== null) return record.end.outcome;
  if (record.resumedBy !== null) return 'resumed';
  return isAlive(record) ? 'running' : 'unfinished';
}

function isAlive({ header }: RunRecord): boolean {
  if (header.machine !== hostname()) return false;
  try {
    process.kill(header.pid, 0);
    return true;
  } catch (error) {
    // It is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function runJson(record: RunRecord): object {
  const { header, end } = record;
  return {
    run: record.run,
    title: header.title,
    command: header.command,
    cluster: header.cluster,
    clusterFile: header.clusterFile,
    state: stateOf(record),
    unfinished: isUnfinished(record),
    started: header.started,
    ended: end?.at ?? null,
    exit: end?.exit ?? null,
    resumes: header.resumes,
    resumedBy: record.resumedBy,
    noReturn: record.noReturn,
    stepsLeft: record.left.length,
    user: header.user,
    machine: header.machine,
  };
}

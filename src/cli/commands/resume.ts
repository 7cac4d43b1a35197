import { PgreplError } from '../../errors.ts';
import { isUnfinished } from '../../plan/record.ts';
import type { Command, Context } from '../command.ts';
import { chooseRun, CLUSTER_OPTION, runsOfCluster } from '../find-run.ts';
import { splitWords } from '../io.ts';
import { ADMIN_OPTIONS } from '../known-node.ts';
import { jsonLine, planDocument } from '../output/json.ts';
import { reporterFor } from '../reporter.ts';
import { runCli } from '../router.ts';

/** `pgrepl resume [RUN]`: the same command again, without retyping. */
export const resume: Command = {
  kind: 'change',
  name: 'resume',
  summary: 'go on with an unfinished run',
  arguments: [{ name: '[RUN]', help: 'the run (default: the newest unfinished one); pgrepl runs lists them' }],
  options: [CLUSTER_OPTION, ...ADMIN_OPTIONS],
  examples: ['pgrepl resume', 'pgrepl resume 20261123T105021Z-83a4 --dry-run'],
  run: async (context) => {
    const record = chooseRun(await runsOfCluster(context), context.words.arguments[0]);
    if (record === null) return await nothingLeft(context);
    if (!isUnfinished(record)) {
      throw new PgreplError('refused', record.resumedBy === null ? 'run-finished' : 'run-resumed', record.resumedBy === null ? `run ${record.run} (${record.header.title}) has ended as ${record.end?.outcome ?? 'resumed'}` : `run ${record.resumedBy} went on with run ${record.run}`, {
        hint: record.resumedBy === null ? 'There is nothing to go on with; to do the same again, run its command again.' : undefined,
        next: record.resumedBy === null ? [record.header.command] : [`pgrepl resume ${record.resumedBy}`],
      });
    }
    const [, ...words] = splitWords(record.header.command);
    const { globals } = context;
    const passwordFile = context.words.text('adminPasswordFile');
    return await runCli({
      ...context.io,
      argv: [...withoutFile(words), '--file', record.header.clusterFile, ...(passwordFile === undefined ? [] : ['--admin-password-file', passwordFile]), ...switches({ '--json': globals.json, '--dry-run': globals.dryRun, '--yes': globals.yes, '--quiet': globals.quiet, '--verbose': globals.verbose, '--no-color': !globals.color })],
    });
  },
};

/** Says that no run is unfinished: all is as wanted. */
export async function nothingLeft(context: Context): Promise<number> {
  const reporter = await reporterFor(context);
  if (context.globals.dryRun && context.globals.json) {
    context.io.stdout.write(jsonLine(planDocument({ title: context.name, steps: [], notices: [], question: null })));
    return 0;
  }
  return reporter.result({ run: null, result: { outcome: 'unchanged', error: null, failedAt: null }, title: context.name, done: 'no run is unfinished', next: [] });
}

function withoutFile(words: readonly string[]): readonly string[] {
  const at = words.lastIndexOf('-f');
  return at === -1 ? words : words.toSpliced(at, 2);
}

function switches(all: Readonly<Record<string, boolean>>): readonly string[] {
  return Object.entries(all).flatMap(([flag, on]) => (on ? [flag] : []));
}

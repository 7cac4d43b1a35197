import { PgreplError } from '../errors.ts';
import type { RunEvent } from '../plan/events.ts';
import type { FailedAt, RunResult } from '../plan/outcome.ts';
import type { Context } from './command.ts';
import { exitCodeOf, namedFile, quoteWords } from './io.ts';
import { renderError } from './output/error-text.ts';
import { eventJson, jsonLine } from './output/json.ts';
import { renderPlan, type PlanTextOptions, type ShownPlan } from './output/plan-text.ts';
import { progressPrinter } from './output/progress.ts';
import { cleanLine, terminalFor } from './output/terminal.ts';
import { typedCommand } from './typed-next.ts';

/** How a run ended, with what is said about it. */
export interface Ending {
  readonly run: string | null;
  readonly result: RunResult;
  readonly title: string;
  readonly done: string;
  readonly next: readonly string[];
}

/** The voice of a change: people on stderr, or events on stdout. */
export interface Reporter {
  /** Before it runs. */
  plan(page: ShownPlan, options: PlanTextOptions): void;
  /** Instead of running: the result of a dry run. */
  dryRun(page: ShownPlan): void;
  event(event: RunEvent): void;
  /** A command line that is about to be run on this node; only `--verbose` wants to know. Always on stderr. */
  command(node: string, words: readonly string[]): void;
  /** What is waited for before there is a plan. Always on stderr; nothing when quiet. */
  waiting(line: string): void;
  /** The last word; returns the exit code. */
  result(ending: Ending): number;
}

/** The voice that was asked for. */
export async function reporterFor(context: Context): Promise<Reporter> {
  return await Promise.resolve(context.globals.json ? jsonReporter(context) : textReporter(context));
}

function jsonReporter({ io, globals }: Context): Reporter {
  const say = (event: RunEvent): void => {
    io.stdout.write(jsonLine(eventJson(event)));
  };
  return {
    plan: () => undefined,
    dryRun: () => undefined,
    event: say,
    command: (node, words) => {
      io.stderr.write(`${commandLine(node, words)}\n`);
    },
    waiting: (line) => {
      if (!globals.quiet) io.stderr.write(`${cleanLine(line)}\n`);
    },
    result: ({ run, result }) => {
      const exit = result.error === null ? 0 : exitCodeOf(result.error, io);
      say({ event: 'result', exit, outcome: result.outcome, run, error: result.error });
      return exit;
    },
  };
}

function textReporter({ io, globals }: Context): Reporter {
  const out = terminalFor(io.stdout, io.env, globals.color);
  const err = terminalFor(io.stderr, io.env, globals.color);
  const progress = progressPrinter(err, globals);
  return {
    plan: (page, options) => {
      if (!globals.quiet) err.line(renderPlan(page, err, options));
    },
    dryRun: (page) => {
      out.write(renderPlan(page, out, { full: true }));
      if (!globals.quiet) out.write('\nNothing was changed: this was a dry run.\n');
    },
    event: (event) => {
      progress.listener(event);
    },
    command: (node, words) => {
      progress.say(err.paint.dim(commandLine(node, words)));
    },
    waiting: (line) => {
      if (!globals.quiet) err.line(err.paint.dim(`… ${cleanLine(line)}`));
    },
    result: ({ result, title, done, next, run }) => {
      progress.close();
      if (result.error !== null) {
        err.write(renderError(failureOf(result.error, result.failedAt, title), err, { saysState: result.failedAt !== null || result.error.kind === 'interrupted' }));
        if (globals.verbose && run !== null) err.line(`  run   ${run}`);
        return exitCodeOf(result.error, io);
      }
      out.line(`${out.paint.green('✔')} ${cleanLine(done)}${result.outcome === 'unchanged' ? ': nothing to do' : ''}`);
      if (!globals.quiet) for (const command of next.flatMap((one) => typedCommand(one, namedFile(io)))) out.line(`  ${out.paint.bold('next')}  ${out.paint.cyan(cleanLine(command))}`);
      return 0;
    },
  };
}

/** `node1 $ pg_ctl start …`. Of a script only the first line is shown: it is one of pgrepl's own, and the words after it say what it is about. */
function commandLine(node: string, words: readonly string[]): string {
  const shown = words.map((word) => {
    const [first = '', ...more] = word.trim().split('\n');
    return more.length === 0 ? word : `${first} …`;
  });
  return cleanLine(`  ${node} $ ${quoteWords(shown)}`);
}

/** The first line names the command and the step; what went wrong there is the first detail. */
function failureOf(error: PgreplError, failedAt: FailedAt | null, title: string): PgreplError {
  if (failedAt === null || error.kind === 'interrupted') return error;
  return new PgreplError(error.kind, error.code, `${title} failed at step ${failedAt.number} of ${failedAt.of}: ${failedAt.title}`, {
    details: [`${error.node ?? failedAt.node}: ${error.message}`, ...error.details.map((line) => `  ${line}`)],
    hint: error.hint,
    next: error.next,
    reasons: error.reasons,
    cause: error.cause,
  });
}

import { asPgreplError, PgreplError } from '../errors.ts';
import type { Definition } from './definitions.ts';
import { exitCodeOf, namedFile, quoteWords, type Io } from './io.ts';
import { renderError } from './output/error-text.ts';
import { errorDocument, eventJson, failedResult, jsonLine, planErrorDocument } from './output/json.ts';
import { terminalFor } from './output/terminal.ts';
import { withWholeLines } from './whole-lines.ts';

/** Says what went wrong, once, in the form that was asked for; returns the exit code. */
export async function reportFailure(thrown: unknown, io: Io, argv: readonly string[], definition: Definition | null): Promise<number> {
  const error = withWholeLines(
    isInterruption(thrown, io) ? new PgreplError('interrupted', 'interrupted', 'interrupted; nothing was changed', { cause: thrown }) : asPgreplError(thrown),
    { line: `pgrepl ${quoteWords(argv)}`, options: (await definition?.load())?.options ?? [], file: namedFile(io) },
  );
  const exit = exitCodeOf(error, io);
  const options = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  if (options.includes('--json')) {
    const isDry = options.some((word) => word === '--dry-run' || /^-[qvy]*n[qvy]*$/.test(word));
    const isChange = definition?.kind === 'change';
    if (isChange && isDry) io.stdout.write(jsonLine(planErrorDocument(error)));
    else if (isChange) io.stdout.write(jsonLine(eventJson(failedResult(error, exit))));
    else io.stdout.write(jsonLine(errorDocument(error)));
    return exit;
  }
  io.stderr.write(renderError(error, terminalFor(io.stderr, io.env, !options.includes('--no-color'))));
  return exit;
}

/** What is thrown to here happened before anything began, so that an interruption has changed nothing, and says so. */
function isInterruption(thrown: unknown, io: Io): boolean {
  return thrown instanceof PgreplError ? thrown.code === 'interrupted' : io.signal.aborted;
}

import { createInterface } from 'node:readline/promises';
import { PgreplError } from '../errors.ts';
import type { Context } from './command.ts';

/** Asks on a terminal and returns on yes; everywhere else a question that `--yes` did not answer is a refusal. */
export async function confirm(context: Context, title: string, question: string): Promise<void> {
  const { io, globals } = context;
  if (globals.yes) return;
  if (globals.json || io.stdin.isTTY !== true || io.stderr.isTTY !== true) {
    throw new PgreplError('refused', 'needs-yes', `${title} is refused: nobody can be asked here: ${question}`, {
      hint: '--yes answers it.',
      next: [`${context.line} --yes`],
    });
  }
  const prompt = createInterface({ input: io.stdin, output: io.stderr as unknown as NodeJS.WritableStream, terminal: true });
  try {
    const answer = await prompt.question(`${question} [y/N] `, { signal: io.signal });
    if (/^(?:y|yes)$/i.test(answer.trim())) return;
  } catch (thrown) {
    if (io.signal.aborted) throw new PgreplError('interrupted', 'interrupted', `${title} was interrupted; nothing was changed`);
    throw thrown;
  } finally {
    prompt.close();
  }
  throw new PgreplError('refused', 'declined', `${title} was not confirmed`);
}

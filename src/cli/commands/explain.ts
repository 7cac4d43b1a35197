import { usageError } from '../../errors.ts';
import { printable } from '../../postgres/names.ts';
import { didYouMean } from '../../topology/did-you-mean.ts';
import { query, type Command } from '../command.ts';
import { EXIT_CODES } from '../explain/exit-codes.ts';
import { explainedCodes, explanationOf, SUBJECTS } from '../explain/registry.ts';
import { FORMAT, jsonLine } from '../output/json.ts';
import { terminalFor, type Terminal } from '../output/terminal.ts';
import { wrap } from '../output/wrap.ts';

/** One thing explained, as --json prints it. */
interface Explained {
  readonly code: string;
  readonly subject: string;
  readonly means: string;
  /** Null of an exit code: its meaning is the whole of it. */
  readonly why: string | null;
  readonly remedy: string;
}

/** `pgrepl explain` */
export const explain: Command = query({
  name: 'explain',
  summary: 'what a code of an error or a finding means, and what to do',
  arguments: [{ name: '[CODE]', help: 'code of an error, id of a finding, or an exit code; without it all of them are listed' }],
  options: [],
  examples: ['pgrepl explain cannot-prove-stopped', 'pgrepl explain slot-inactive', 'pgrepl explain 6'],
  run: async ({ words, globals, io }) => {
    const [typed] = words.arguments;
    const list = typed === undefined ? everything() : [explained(typed)];
    if (globals.json) {
      io.stdout.write(jsonLine({ format: FORMAT, explanations: list }));
      return await Promise.resolve(0);
    }
    const terminal = terminalFor(io.stdout, io.env, globals.color);
    if (typed === undefined) showList(terminal);
    else for (const one of list) showOne(one, terminal);
    return 0;
  },
});

function explained(typed: string): Explained {
  const exit = EXIT_CODES.find(({ code }) => String(code) === typed);
  if (exit !== undefined) return ofExit(exit);
  const found = explanationOf(typed);
  if (found !== null) return { code: found.code, subject: found.subject, ...found.explanation };
  const meant = didYouMean(typed, explainedCodes());
  throw usageError('code-unknown', `"${printable(typed)}" is not a code of pgrepl`, {
    hint: meant === null ? 'Codes are in what --json prints of errors and findings; an exit code is a number.' : `Did you mean "${meant}"?`,
    next: [meant === null ? 'pgrepl explain' : `pgrepl explain ${meant}`],
  });
}

function ofExit({ code, means, remedy }: (typeof EXIT_CODES)[number]): Explained {
  return { code: String(code), subject: 'Exit codes', means, why: null, remedy };
}

function everything(): readonly Explained[] {
  return [...EXIT_CODES.map(ofExit), ...SUBJECTS.flatMap(({ title, explanations }) => Object.entries(explanations).map(([code, explanation]) => ({ code, subject: title, ...explanation })))];
}

function showOne({ code, subject, means, why, remedy }: Explained, terminal: Terminal): void {
  const { paint } = terminal;
  terminal.line(`${paint.bold(/^\d/.test(code) ? `exit ${code}` : code)}  ${paint.dim(subject)}`);
  for (const [word, text] of [['means', means], ['why', why], ['do', remedy]] as const) {
    if (text !== null) for (const [index, line] of wrap(text, terminal.columns - 9).entries()) terminal.line(`  ${index === 0 ? paint.bold(word.padEnd(5)) : '     '}  ${line}`);
  }
}

function showList(terminal: Terminal): void {
  const { paint } = terminal;
  terminal.line(paint.bold('Exit codes'));
  for (const { code, means } of EXIT_CODES) for (const [index, line] of wrap(means, terminal.columns - 7).entries()) terminal.line(`  ${index === 0 ? String(code).padEnd(3) : '   '}  ${line}`);
  for (const { title, explanations } of SUBJECTS) {
    terminal.line();
    terminal.line(paint.bold(title));
    for (const line of wrap(Object.keys(explanations).join(', '), terminal.columns - 2)) terminal.line(`  ${line}`);
  }
}

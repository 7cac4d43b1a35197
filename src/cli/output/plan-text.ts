import { quoteWords } from '../io.ts';
import { clean, cleanLine, type Terminal } from './terminal.ts';

/** One step as the plan page shows it. */
export interface ShownStep {
  readonly node: string;
  readonly kind: string;
  readonly title: string;
  readonly already: boolean;
  readonly undo: 'yes' | 'nothing' | 'impossible';
  readonly commands: readonly (readonly string[])[];
  readonly files: readonly { readonly path: string; readonly diff: string }[];
  readonly sql: readonly string[];
}

export interface ShownPlan {
  readonly title: string;
  readonly steps: readonly ShownStep[];
  readonly notices: readonly string[];
  /** What is asked before it runs. */
  readonly question: string | null;
}

export interface PlanTextOptions {
  /** With the commands, files and statements of each step. */
  readonly full: boolean;
}

/** The plan page: numbered steps, what each of them runs, writes and says to the server, and what to know before saying yes. */
export function renderPlan(plan: ShownPlan, terminal: Pick<Terminal, 'paint'>, options: PlanTextOptions): string {
  const { paint } = terminal;
  const lines: string[] = [`${paint.bold('Plan:')} ${cleanLine(plan.title)}`];
  if (plan.steps.length === 0) lines.push('', '  Nothing to do on the servers.');
  else lines.push('');
  const digits = String(plan.steps.length).length;
  const width = Math.max(0, ...plan.steps.map((step) => step.node.length));
  const margin = ' '.repeat(2 + digits + 2 + width + 2);
  for (const [index, step] of plan.steps.entries()) {
    const head = `  ${String(index + 1).padStart(digits)}  ${step.node.padEnd(width)}  ${cleanLine(step.title)}`;
    if (step.already) {
      lines.push(paint.dim(`${head} (already so)`));
      continue;
    }
    lines.push(step.undo === 'impossible' ? `${head} ${paint.yellow('(no way back from here)')}` : head);
    if (!options.full) continue;
    for (const words of step.commands) lines.push(...indent(margin, `$ ${quoteWords(words)}`).map((line) => paint.cyan(line)));
    for (const file of step.files) {
      if (file.diff === '') continue;
      lines.push(`${margin}${paint.cyan(cleanLine(file.path))}`);
      for (const line of clean(file.diff).split('\n')) {
        if (line === '') continue;
        lines.push(`${margin}${line.startsWith('+') ? paint.green(line) : line.startsWith('-') ? paint.red(line) : paint.dim(line)}`);
      }
    }
    for (const statement of step.sql) lines.push(...indent(margin, `SQL ${clean(statement)}`).map((line) => paint.cyan(line)));
  }
  if (plan.notices.length > 0) {
    lines.push('');
    for (const notice of plan.notices) lines.push(`${paint.yellow('!')} ${cleanLine(notice)}`);
  }
  if (options.full && plan.question !== null) lines.push('', `It would ask: ${cleanLine(plan.question)} (--yes answers it)`);
  return `${lines.join('\n')}\n`;
}

function indent(margin: string, text: string): readonly string[] {
  return text.split('\n').map((line) => `${margin}${line}`);
}

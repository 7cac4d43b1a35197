import type { ErrorKind, PgreplError } from '../../errors.ts';
import { clean, cleanLine, type Terminal } from './terminal.ts';

/** What the world is like after a failure of this kind; said under the error, so that nobody has to look up an exit code. */
const STATE: Readonly<Record<ErrorKind, string | null>> = {
  bug: 'This is a bug in pgrepl. Please report it with the lines below.',
  usage: null,
  refused: 'Nothing was touched.',
  undone: 'Everything was undone; all is as before.',
  unfinished: 'Changes remain.',
  unknown: 'A request was sent and may still take effect.',
  locked: 'Nothing was touched.',
  unreachable: null,
  interrupted: null,
};

export interface ErrorTextOptions {
  /** True when the details already say what became of the world. */
  readonly saysState?: boolean;
}

/** An error as people read it: object and cause first, then every detail, what the world is like now, and what to type next. */
export function renderError(error: PgreplError, terminal: Pick<Terminal, 'paint'>, options: ErrorTextOptions = {}): string {
  const { paint } = terminal;
  const [next] = error.next;
  const node = error.node !== undefined && !mentions(error.message, error.node) && error.reasons.length < 2 ? `${error.node}: ` : '';
  const lines: string[] = [`${paint.red('✖')} ${paint.bold(`${node}${cleanLine(error.message)}`)}${next === undefined ? '' : paint.dim(` → ${cleanLine(next)}`)}`];

  const single = error.reasons.length === 1 && error.message.includes(error.reasons[0]?.message ?? '\n');
  if (!single) {
    for (const reason of error.reasons) {
      const about = reason.node !== undefined && !mentions(reason.message, reason.node) ? `${reason.node}: ` : '';
      lines.push(`  ${paint.red('-')} ${about}${cleanLine(reason.message)}`);
      if (reason.hint !== undefined && reason.hint !== error.hint) lines.push(`    ${paint.dim(cleanLine(reason.hint))}`);
      for (const command of reason.next ?? []) if (!error.next.includes(command)) lines.push(`    ${paint.cyan(cleanLine(command))}`);
    }
  }
  for (const detail of error.details) for (const line of clean(detail).trimEnd().split('\n')) lines.push(`  ${line}`);
  const state = options.saysState === true ? null : STATE[error.kind];
  if (state !== null) lines.push(`  ${state}`);
  if (error.kind === 'bug' && error.cause instanceof Error) for (const line of clean(error.cause.stack ?? '').split('\n')) lines.push(`  ${paint.dim(line)}`);
  if (error.hint !== undefined) lines.push(`  ${paint.bold('hint')}  ${cleanLine(error.hint)}`);
  for (const command of error.next) lines.push(`  ${paint.bold('next')}  ${paint.cyan(cleanLine(command))}`);
  return `${lines.join('\n')}\n`;
}

function mentions(message: string, node: string): boolean {
  return new RegExp(`(?:^|[^a-z0-9_])${node}(?:[^a-z0-9_]|$)`).test(message);
}

import type { Finding } from '../../operations/status.ts';
import { cleanLine, type Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';

/** A finding as people read it: what, the evidence where there is some, the hint, and the commands to type. Wrapped at the width of the terminal. */
export function findingLines({ level, says, hint, next, evidence = [] }: Finding & { readonly evidence?: readonly string[] }, { paint, columns }: Pick<Terminal, 'paint' | 'columns'>): readonly string[] {
  const sign = { info: paint.blue('·'), warning: paint.yellow('!'), critical: paint.red('✖') }[level];
  const lines = wrap(cleanLine(says), columns - 2).map((line, index) => (index === 0 ? `${sign} ${line}` : `  ${line}`));
  const seen = evidence.flatMap((text) => wrap(cleanLine(text), columns - 8).map((line, index) => (index === 0 ? `  ${paint.dim(`seen  ${line}`)}` : `        ${paint.dim(line)}`)));
  const hints = hint === null ? [] : wrap(cleanLine(hint), columns - 8).map((line, index) => (index === 0 ? `  ${paint.bold('hint')}  ${line}` : `        ${line}`));
  // A command is not broken: it is there to be copied.
  return [...lines, ...seen, ...hints, ...next.map((command) => `  ${paint.bold('next')}  ${paint.cyan(cleanLine(command))}`)];
}

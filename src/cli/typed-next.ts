import type { Finding } from '../operations/status.ts';
import { DEFINITIONS } from './definitions.ts';
import { quoteWords } from './io.ts';

/**
 * A command as it is to be typed: of pgrepl only one that there is, and with the cluster file that this one was given (`null`: the default).
 * Empty for a command of pgrepl that there is not.
 */
export function typedCommand(command: string, file: string | null): readonly string[] {
  const [, name, rest = ''] = /^pgrepl ([a-z][a-z-]*)(.*)$/s.exec(command) ?? [];
  if (name === undefined) return [command];
  if (!DEFINITIONS.some((definition) => definition.name === name)) return [];
  return file === null || / (?:-f|--file)\b|--help$/.test(rest) ? [command] : [`pgrepl ${quoteWords(['-f', file])} ${name}${rest}`];
}

/** The findings with commands as they are to be typed. */
export function typedNext<F extends Finding>(findings: readonly F[], file: string | null): readonly F[] {
  return findings.map((finding) => ({ ...finding, next: finding.next.flatMap((command) => typedCommand(command, file)) }));
}

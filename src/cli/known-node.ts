import { usageError } from '../errors.ts';
import { printable } from '../postgres/names.ts';
import { parseSeconds } from '../postgres/units.ts';
import { loadTopology } from '../topology/load.ts';
import { lineAgain } from './again-line.ts';
import type { Context, OptionSpec, Parsed } from './command.ts';
import { needsNodes } from './node-words.ts';
import { passwordsFrom } from './passwords.ts';

/** Options of commands whose nodes the cluster file knows. */
export const ADMIN_OPTIONS: readonly OptionSpec[] = [
  { flags: '--admin-password-file <FILE>', help: "password of pgrepl's own sessions, where one is asked for; - is standard input" },
];

export const BUDGET_OPTION: OptionSpec = { flags: '--budget <SECONDS>', help: 'planned: longest time without a writable primary before going back (default: 30)' };

/** The cluster file and the passwords: what every change of known nodes starts from. All nodes are locked. */
export async function parseKnown(context: Context, options: readonly OptionSpec[]): Promise<Omit<Parsed<never>, 'want'>> {
  const { io, globals } = context;
  const topology = await loadTopology(globals.file, {}, io.env);
  needsNodes(topology);
  return {
    topology,
    nodes: topology.nodes,
    locks: topology.nodes.map((node) => node.name),
    again: lineAgain(context, options),
    ...(await passwordsFrom(context)),
  };
}

/** `--budget` in milliseconds. */
export function budgetFrom(context: Context): number {
  const text = context.words.text('budget');
  if (text === undefined) return 30_000;
  const ms = Math.round(parseSeconds(text) * 1000);
  if (ms >= 1000 && ms <= 3_600_000) return ms;
  throw usageError('budget-invalid', `"${printable(text)}" is not between one second and one hour (--budget)`);
}

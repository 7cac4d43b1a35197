import type { Command, OptionSpec } from '../../src/cli/command.ts';
import { DEFINITIONS, type Definition } from '../../src/cli/definitions.ts';

/** A command with everything that its pages say. */
export interface Described {
  readonly definition: Definition;
  readonly command: Command;
}

/** Every command, loaded, in the order of the help page. */
export async function describedCommands(): Promise<readonly Described[]> {
  return await Promise.all(DEFINITIONS.map(async (definition) => ({ definition, command: await definition.load() })));
}

/** `pgrepl add-standby [NAME] [OPTIONS]` */
export function synopsisOf({ command }: Described): string {
  const words = command.arguments.map(({ name }) => name.replace(/^[A-Z]+$/, '<$&>'));
  return ['pgrepl', command.name, ...words, '[OPTIONS]'].join(' ');
}

/** Options by their heading, those without one first. */
export function byHeading(options: readonly OptionSpec[]): readonly { readonly heading: string | null; readonly options: readonly OptionSpec[] }[] {
  const headings = [...new Set(options.map(({ heading }) => heading ?? null))].sort((a, b) => Number(a !== null) - Number(b !== null));
  return headings.map((heading) => ({ heading: heading?.replace(/:$/, '') ?? null, options: options.filter((option) => (option.heading ?? null) === heading) }));
}

/** The help of an option, with its choices where it does not name them all. */
export function helpOf({ help, choices }: OptionSpec): string {
  return choices === undefined || choices.every((choice) => help.includes(choice)) ? help : `${help}; one of ${choices.join(', ')}`;
}

/** A summary as a sentence. */
export function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}

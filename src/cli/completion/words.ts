import type { Command, OptionSpec } from '../command.ts';

/** Where the words come from that fit in a place of a command line. */
export type Source =
  | { readonly from: 'words'; readonly words: readonly string[] }
  /** Asked of pgrepl itself while the line is typed: `pgrepl completion nodes`. */
  | { readonly from: 'nodes' | 'runs' | 'codes' }
  | { readonly from: 'files' | 'directories' }
  | { readonly from: 'nowhere' };

/** An option as a shell needs it. */
export interface CompletedOption {
  /** `--port`; the short one is `-p`, or null. */
  readonly long: string;
  readonly short: string | null;
  readonly help: string;
  readonly repeat: boolean;
  /** Null: it takes no value, or may stand without one. */
  readonly value: Source | null;
}

export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  readonly arguments: readonly { readonly name: string; readonly many: boolean; readonly source: Source }[];
}

const NOWHERE: Source = { from: 'nowhere' };

/** What stands in `<…>` says what fits there. A name of another kind (a role, a cluster) is nothing that could be listed. */
const BY_PLACEHOLDER: Readonly<Record<string, Source>> = {
  NODE: { from: 'nodes' },
  RUN: { from: 'runs' },
  CODE: { from: 'codes' },
  FILE: { from: 'files' },
  DIR: { from: 'directories' },
};

/** A command as completion needs it: from the very data that its help page and its parser are made of. */
export function completedCommand({ name, summary, options, arguments: words }: Pick<Command, 'name' | 'summary' | 'options' | 'arguments'>): CompletedCommand {
  return {
    name,
    summary,
    options: options.map(completedOption),
    arguments: words.map((word) => {
      const bare = word.name.replace(/[<>[\].]/g, '');
      // A word called NAME is the name of a node.
      return { name: bare, many: word.name.includes('...'), source: word.suggests === undefined ? (BY_PLACEHOLDER[bare === 'NAME' ? 'NODE' : bare] ?? NOWHERE) : { from: 'words', words: word.suggests } };
    }),
  };
}

/** One option as a shell completes it: its spellings, and what its value may be. Pure. */
export function completedOption({ flags, help, choices, suggests, repeat }: OptionSpec): CompletedOption {
  const parts = /^(?:(-[^-\s,]), )?(--[a-z-]+)(?: ([<[])([^>\]]+)[>\]])?$/.exec(flags);
  if (parts === null) throw new Error(`"${flags}" is not understood`);
  const [, short = null, long = '', bracket, placeholder = ''] = parts;
  const words = choices ?? suggests;
  const value = bracket !== '<' ? null : words === undefined ? (BY_PLACEHOLDER[placeholder] ?? NOWHERE) : ({ from: 'words', words } as const);
  return { long, short, help, repeat: repeat === true, value };
}

import { resolve } from 'node:path';
import type { Context, OptionSpec } from './command.ts';
import { quoteWords } from './io.ts';

/** Options whose value is a path of this machine: the line must mean the same from any directory. */
const LOCAL_PATHS = new Set(['passwordFile', 'adminPasswordFile', 'pgbouncerPasswordFile', 'pgbouncerConfig']);

/** What is known by now, whatever was typed: the name that was chosen, the directory that `$PGDATA` named. */
export interface KnownWords {
  readonly name?: string | undefined;
  readonly options?: Readonly<Record<string, string | undefined>>;
}

/** The same command again, valid from any directory and in any environment. `--json`, `--yes` and the like are left out. */
export function lineAgain(context: Context, options: readonly OptionSpec[], known: KnownWords = {}): string {
  const { words, globals, io } = context;
  const [typed, ...more] = words.arguments;
  const name = known.name ?? typed;
  const parts: string[] = ['pgrepl', context.name, ...(name === undefined ? [] : [name]), ...more];
  for (const option of options) {
    const [first = ''] = option.flags.split(/[ ,]+/);
    const long = /--(?:no-)?([a-z-]+)/.exec(option.flags)?.[1] ?? '';
    const key = long.replace(/-([a-z])/g, (_all, letter: string) => letter.toUpperCase());
    if (option.flags.startsWith('--no-')) {
      if (!words.flag(key)) parts.push(first);
    } else if (!option.flags.includes('<')) {
      if (words.flag(key)) parts.push(first);
    } else {
      const typedText = words.text(key);
      const text = known.options?.[key] ?? typedText;
      const values = (words.list(key) ?? (text === undefined ? [] : [text])).map((value) => (LOCAL_PATHS.has(key) && value !== '-' && !value.includes('://') ? resolve(io.cwd, value) : value));
      for (const value of values) parts.push(first, value);
    }
  }
  if (globals.fileNamed) parts.push('-f', globals.file);
  return quoteWords(parts);
}

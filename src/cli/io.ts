/** Where text goes: a stream, or an array in a test. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** All that a command may touch of the process it runs in; `main.ts` makes the real one, tests make their own. */
export interface Io {
  /** Without the program and its name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Fires at the first Ctrl-C, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** Tells what a second Ctrl-C would leave behind: shown when it comes. `null`: nothing. */
  onHardStop(saying: (() => string) | null): void;
}

/** A command line that can be pasted into a shell. */
export function quoteWords(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  // eslint-disable-next-line no-control-regex -- control characters must not reach the terminal, and $'…' takes them back
  if (/[\u0000-\u001f\u007f-\u009f]/.test(word)) {
    // eslint-disable-next-line no-control-regex -- as above
    return `$'${word.replace(/[\\']/g, '\\$&').replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}'`;
  }
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

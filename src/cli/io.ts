import { EXIT_CODE, type PgreplError } from '../errors.ts';

/** Where text goes: a stream, or an array in a test. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** How many characters fit on a line there; a terminal that does not know its size says 0. */
export function columnsOf({ columns }: Sink, otherwise: number): number {
  return columns === undefined || columns === 0 ? otherwise : columns;
}

/** All that a command may touch of the process it runs in; `main.ts` makes the real one, tests make their own. */
export interface Io {
  /** Without the program and its name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Path of the program itself, for a service that is to run it. */
  readonly program?: string | undefined;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Fires at the first Ctrl-C, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** Tells what a second Ctrl-C would leave behind: shown when it comes. `null`: nothing. */
  onHardStop(saying: (() => string) | null): void;
}

/** The cluster file that was typed, as an absolute path: what a command to type next must name too. `null`: the default, or that of the environment. */
export function namedFile({ argv, cwd }: Pick<Io, 'argv' | 'cwd'>): string | null {
  let named: string | null = null;
  for (let at = 0; at < argv.length && argv[at] !== '--'; at += 1) {
    const word = argv[at] ?? '';
    if (word === '-f' || word === '--file') named = argv[at + 1] ?? null;
    else if (/^(?:--file=|-f)./s.test(word)) named = word.replace(/^(?:--file=|-f)/, '');
  }
  return named === null || named.startsWith('/') ? named : `${cwd}/${named.replace(/^\.\//, '')}`;
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

/** The words of a line that `quoteWords` wrote. */
export function splitWords(line: string): readonly string[] {
  const words: string[] = [];
  let word: string | null = null;
  for (const [part, control, plain, escaped, blank] of line.matchAll(/\$'((?:[^'\\]|\\.)*)'|'([^']*)'|\\(.)|(\s+)|[^\s'\\$]+|\$/gs)) {
    if (blank !== undefined) {
      if (word !== null) words.push(word);
      word = null;
    } else if (control !== undefined) {
      word = (word ?? '') + control.replace(/\\(?:u([0-9a-f]{4})|(.))/g, (_all, code: string | undefined, letter: string) => (code === undefined ? letter : String.fromCharCode(Number.parseInt(code, 16))));
    } else word = (word ?? '') + (plain ?? escaped ?? part);
  }
  if (word !== null) words.push(word);
  return words;
}

/** The exit code of a failure; an interruption tells which signal it was. */
export function exitCodeOf(error: PgreplError, io: Pick<Io, 'signal'>): number {
  if (error.kind === 'interrupted' && io.signal.reason === 'SIGTERM') return 143;
  return EXIT_CODE[error.kind];
}

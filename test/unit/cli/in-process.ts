import { Readable } from 'node:stream';
import type { Io } from '../../../src/cli/io.ts';
import { runCli } from '../../../src/cli/router.ts';

/** What a command line said. */
export interface Said {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

export interface Given {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
}

/** Streams that remember, and a person who is not at a terminal. */
export function fakeIo(argv: readonly string[], given: Given = {}): { readonly io: Io; readonly said: () => { readonly out: string; readonly err: string } } {
  let out = '';
  let err = '';
  const io: Io = {
    argv,
    env: { XDG_CACHE_HOME: '/nonexistent', XDG_STATE_HOME: '/nonexistent', ...given.env },
    cwd: given.cwd ?? '/nonexistent',
    stdin: Readable.from(given.stdin === undefined ? [] : [Buffer.from(given.stdin)]),
    stdout: { write: (text: string) => (out += text), columns: 100 },
    stderr: { write: (text: string) => (err += text) },
    signal: new AbortController().signal,
    onHardStop: () => undefined,
  };
  return { io, said: () => ({ out, err }) };
}

/** Runs a command line in this process. */
export async function pgrepl(argv: readonly string[], given: Given = {}): Promise<Said> {
  const { io, said } = fakeIo(argv, given);
  const exit = await runCli(io);
  return { exit, ...said() };
}

import { spawn, type ChildProcess } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { complaintsAbout } from './documents.ts';

/** The program as it is installed. */
export const PGREPL = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin', 'pgrepl.js');

/** What one run of pgrepl did, as seen from outside. */
export interface Ran {
  /** `null` when a signal ended it. */
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Every line of stdout as JSON; empty when it is none. One document over several lines counts as one. */
  readonly json: readonly Readonly<Record<string, unknown>>[];
  readonly ms: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Text for its stdin; without it stdin is empty. */
  readonly input?: string;
  readonly cwd?: string;
  /** Another build of it than the one that is shipped. */
  readonly program?: string;
  /** Ends it like a power cut: at the first output that fits, or after so many milliseconds. */
  readonly kill?: { readonly when?: RegExp; readonly afterMs?: number; readonly signal?: NodeJS.Signals };
  /** After this long it is killed and the promise is rejected; default 120,000. */
  readonly deadlineMs?: number;
}

export interface RunningPgrepl {
  readonly pid: number;
  readonly ended: Promise<Ran>;
  readonly child: ChildProcess;
  /** Everything that it has said so far, on both streams. */
  said(): string;
  kill(signal?: NodeJS.Signals): void;
  /** Resolves when this appears on either stream; rejects when it ends first. */
  until(pattern: RegExp): Promise<void>;
}

/** Starts the real program with this environment alone. Everything that it prints with `--json`, in any story, is held against its schema at the end. */
export function startPgrepl(args: readonly string[], base: Readonly<Record<string, string>>, options: RunOptions = {}): RunningPgrepl {
  const began = performance.now();
  const env: Record<string, string> = { ...base };
  for (const [name, value] of Object.entries(options.env ?? {})) {
    if (value === undefined) Reflect.deleteProperty(env, name);
    else env[name] = value;
  }
  const child = spawn(process.execPath, [options.program ?? PGREPL, ...args], { env, cwd: options.cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  const listeners = new Set<() => void>();
  const kill = (signal: NodeJS.Signals = 'SIGKILL'): void => { child.kill(signal); };

  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { stdout += chunk; heard(); });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { stderr += chunk; heard(); });
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const { when, afterMs, signal: killSignal } = options.kill ?? {};
  const killer = afterMs === undefined ? undefined : setTimeout(() => { kill(killSignal); }, afterMs);
  function heard(): void {
    if (when?.test(stdout + stderr) === true) kill(killSignal);
    for (const listener of listeners) listener();
  }

  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    kill();
  }, options.deadlineMs ?? 120_000);
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit, signal) => {
      clearTimeout(deadline);
      clearTimeout(killer);
      // Whoever closed its output, as `| head` does, has not all of it.
      const complaints = complaintsAbout(args, stdout, signal !== null || !child.stdout.readableEnded);
      if (late) reject(new Error(`pgrepl ${args.join(' ')} did not end in time\n${stdout}\n${stderr}`));
      else if (complaints.length > 0) reject(new Error(`pgrepl ${args.join(' ')} printed something else than it promises: ${complaints.join('\n')}`));
      else resolve({ exit, signal, stdout, stderr, json: jsonOf(stdout), ms: performance.now() - began });
    });
  });
  ended.catch(() => undefined);

  return {
    pid: child.pid ?? -1,
    child,
    ended,
    said: () => stdout + stderr,
    kill,
    until: async (pattern) => {
      await new Promise<void>((resolve, reject) => {
        const look = (): void => {
          if (!pattern.test(stdout + stderr)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
        ended.then((ran) => { reject(new Error(`pgrepl ended (${String(ran.exit)}) before it said ${String(pattern)}\n${ran.stderr}`)); }, reject);
      });
    },
  };
}

function jsonOf(stdout: string): readonly Readonly<Record<string, unknown>>[] {
  const parse = (text: string): Readonly<Record<string, unknown>> => JSON.parse(text) as Readonly<Record<string, unknown>>;
  const text = stdout.trim();
  if (!text.startsWith('{')) return [];
  try {
    return [parse(text)];
  } catch {
    try {
      return text.split('\n').map(parse);
    } catch {
      return [];
    }
  }
}

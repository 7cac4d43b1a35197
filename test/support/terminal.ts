import { spawn, spawnSync } from 'node:child_process';
import { PGREPL } from './run-pgrepl.ts';

/** A program at a terminal, and somebody who types. */
export interface AtTerminal {
  /** Everything that the screen has shown, the echo of what was typed included. */
  screen(): string;
  /** Types this as soon as the pattern is on the screen (each time after what was there before). */
  answer(pattern: RegExp, keys: string): Promise<void>;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
}

/** False where there is no `script` of util-linux, which makes the terminal. */
export function hasTerminals(): boolean {
  const { error, stdout } = spawnSync('script', ['--version'], { encoding: 'utf8' });
  return error === undefined && stdout.includes('util-linux');
}

/** Runs pgrepl at a terminal of its own. */
export function atTerminal(args: readonly string[], env: Readonly<Record<string, string>>, cwd: string): AtTerminal {
  const line = [process.execPath, PGREPL, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const child = spawn('script', ['--quiet', '--flush', '--return', '--command', line, '/dev/null'], { env: { ...env, TERM: 'xterm', SHELL: '/bin/sh' }, cwd, stdio: ['pipe', 'pipe', 'inherit'] });
  let shown = '';
  let read = 0;
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    shown += chunk;
    for (const listener of listeners) listener();
  });
  child.stdin.on('error', () => undefined);
  const deadline = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(deadline);
      resolve(code);
    });
  });
  return {
    screen: () => shown,
    ended,
    answer: async (pattern, keys) => {
      await new Promise<void>((resolve, reject) => {
        const look = (): void => {
          if (!pattern.test(shown.slice(read))) return;
          listeners.delete(look);
          read = shown.length;
          resolve();
        };
        listeners.add(look);
        look();
        void ended.then(() => { reject(new Error(`it ended before it said ${String(pattern)}\n${shown}`)); }, reject);
      });
      child.stdin.write(keys);
    },
  };
}

import type { ChildProcess, spawn as Spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { execa as Execa } from 'execa';
import { PgreplError } from '../errors.ts';
import type { Envelope } from './envelope.ts';
import type { Exit } from './host.ts';
import { gatherAll, gatherLines, type Gatherer } from './lines.ts';
import type { TransportCommand } from './transport.ts';

/** A killed program has this long to end before its group is killed hard. The guard needs 5 s of its own, and more on a busy machine. */
const GRACE_MS = 9_000;
/**
 * Whoever carried a program that has said how it ended has this long to end by itself. The shared connection of an OpenSSH before 8.9, which
 * waits by select, dies of "select: Bad file descriptor" where one of its clients is killed while the session still closes.
 */
const LINGER_MS = 2_000;
/** After the exit of a program, a pipe that stays silent for this long is held by a daemon that it left behind. */
const SILENCE_MS = 300;
const SILENCE_LIMIT_MS = 5_000;

export interface ChildCommand extends TransportCommand {
  readonly env: Readonly<Record<string, string>>;
  /** Its output comes through a shell on another machine: what is between the marks counts, and the end is where they say. */
  readonly envelope?: Envelope | undefined;
}

/**
 * Runs a program of this machine in a session of its own (Ctrl-C of the terminal does not reach it: the run decides what
 * is stopped, and in which order). Returns at its exit, even while a server that it started holds its pipes. Throws
 * `program-not-found`, `program-timeout` and `interrupted`, the last two only once the program is gone.
 */
export async function runChild(command: ChildCommand): Promise<Exit> {
  const { program } = command;
  if (command.signal?.aborted === true) throw interrupted(program);
  const { onLine, envelope } = command;
  const gatherer = (stream: 'stdout' | 'stderr'): Gatherer => {
    const all = onLine === undefined ? gatherAll() : gatherLines((line) => onLine(stream, line));
    return envelope?.open(stream, all) ?? all;
  };
  const out = gatherer('stdout');
  const err = gatherer('stderr');
  // Loaded when the first program is started: status starts none.
  const [{ spawn }, execa] = await Promise.all([import('node:child_process'), command.long === true ? import('execa').then((module) => module.execa) : null]);
  return await new Promise<Exit>((resolve, reject) => {
    const child = start(command, spawn, execa);
    let stopping: PgreplError | null = null;
    let hardKill: NodeJS.Timeout | undefined;
    let lastByte = 0;
    let open = 2;

    const kill = (signal: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // Gone, or it belongs to another user and only its stdin reaches it.
      }
    };
    const stop = (why: PgreplError): void => {
      if (stopping !== null) return;
      stopping = why;
      if (command.lifeline) child.stdin?.destroy();
      else kill('SIGTERM');
      hardKill = setTimeout(() => {
        kill('SIGKILL');
        hardKill = setTimeout(() => settle(() => reject(why)), 1_000);
      }, GRACE_MS);
    };
    const onAbort = (): void => stop(interrupted(program));
    const deadline = Number.isFinite(command.deadlineMs)
      ? setTimeout(() => stop(tooLate(command)), command.deadlineMs)
      : undefined;
    const settle = (end: () => void): void => {
      clearTimeout(deadline);
      clearTimeout(hardKill);
      command.signal?.removeEventListener('abort', onAbort);
      child.stdin?.destroy();
      child.stdout.destroy();
      child.stderr.destroy();
      end();
    };
    const finished = (code: number | null, signal: string | null): void => settle(() => {
      if (stopping === null) resolve({ code, signal, stdout: out.text(), stderr: err.text() });
      else reject(stopping);
    });
    command.signal?.addEventListener('abort', onAbort, { once: true });

    for (const [stream, gatherer] of [[child.stdout, out], [child.stderr, err]] as const) {
      stream.on('data', (chunk: Uint8Array) => {
        lastByte = performance.now();
        gatherer.take(chunk);
        // Whoever still holds the pipes there is not the program.
        if (envelope != null && envelope.code !== null) {
          finished(envelope.code, null);
          const linger = setTimeout(() => kill('SIGTERM'), LINGER_MS).unref();
          child.once('exit', () => clearTimeout(linger));
        }
      });
      stream.on('error', () => undefined);
      stream.once('close', () => void (open -= 1));
    }
    child.stdin?.on('error', () => undefined);
    if (command.input !== undefined) child.stdin?.end(command.input);

    child.once('error', (error: NodeJS.ErrnoException) => settle(() => reject(spawnError(command.argv[0], error))));
    child.once('exit', (code, signal) => {
      clearTimeout(deadline);
      const exitedAt = performance.now();
      lastByte = exitedAt;
      const finish = (): void => {
        const now = performance.now();
        if (open > 0 && now - lastByte < SILENCE_MS && now - exitedAt < SILENCE_LIMIT_MS) {
          setTimeout(finish, open > 0 && now - exitedAt < 20 ? 1 : 20);
          return;
        }
        finished(code, signal);
      };
      finish();
    });
  });
}

/** What is used of a child, whoever made it. */
type Child = Pick<ChildProcess, 'pid' | 'stdin'> & { readonly stdout: Readable; readonly stderr: Readable; readonly once: ChildProcess['once'] };

/**
 * Starts it in a session of its own, with pipes. execa takes as long to load as Node to start: a copy that works for minutes can wait for
 * it, and the dozen small programs between a command and its promote cannot. Nothing is awaited here: an error must find its listener.
 */
function start({ argv: [file, ...words], env, lifeline, input }: ChildCommand, spawn: typeof Spawn, execa: typeof Execa | null): Child {
  const stdin = lifeline || input !== undefined ? 'pipe' : 'ignore';
  const common = { cwd: '/', env: { ...env }, detached: true } as const;
  if (execa === null) {
    try {
      // The type does not follow that both outputs are pipes when stdin is one of two words.
      return spawn(file, words, { ...common, stdio: [stdin, 'pipe', 'pipe'] }) as Child;
    } catch (error) {
      // Words that are too long together, for one, are not told by an event.
      throw spawnError(file, error as NodeJS.ErrnoException);
    }
  }
  const child = execa(file, words, { ...common, extendEnv: false, cleanup: false, buffer: false, reject: false, stdin, stdout: 'pipe', stderr: 'pipe' });
  child.catch(() => undefined);
  return child;
}

/** Ended because the run was told to. */
export function interrupted(program: string): PgreplError {
  return new PgreplError('interrupted', 'interrupted', `${program} was interrupted`);
}

/** Why a program was stopped at its deadline. */
export function tooLate(command: TransportCommand): PgreplError {
  return new PgreplError(
    command.effect === 'reads' ? 'unreachable' : 'unknown',
    'program-timeout',
    `${command.program} did not end within ${command.deadlineMs / 1000} s and was stopped`,
  );
}

/** Why a program of this machine could not be started. */
export function spawnError(program: string, error: NodeJS.ErrnoException): PgreplError {
  if (error.code === 'ENOENT') return programNotFound(program);
  if (error.code === 'EACCES') {
    return new PgreplError('refused', 'program-not-executable', `program ${program} may not be run`, { cause: error });
  }
  return new PgreplError('bug', 'spawn-failed', `program ${program} could not be started: ${error.message}`, { cause: error });
}

/** The words for a program that is not there. */
export function programNotFound(program: string): PgreplError {
  return new PgreplError('refused', 'program-not-found', `program ${program} was not found`, {
    hint: 'Install it, or put its directory on the PATH.',
  });
}

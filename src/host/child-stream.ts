import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { spawnError } from './child.ts';
import type { Words } from './wrappers.ts';

/** A running program as a stream of bytes: what is written goes to its stdin, what is read comes from its stdout. */
export interface ProgramStream {
  readonly stream: Duplex;
  /** Its exit code (`null`: a signal) and the end of its stderr, once it has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

const STDERR_CHARACTERS = 4_000;
/** A program whose stdin was closed has this long to end. */
const GRACE_MS = 5_000;

/**
 * Starts a program of this machine in a session of its own, so that Ctrl-C of the terminal does not reach it. Destroying the stream closes
 * its stdin, at which it has to end. Throws `program-not-found`.
 */
export async function openChildStream(argv: Words, env: Readonly<Record<string, string>>): Promise<ProgramStream> {
  const child = spawn(argv[0], argv.slice(1), { cwd: '/', env: { ...env }, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  const ended = new Promise<{ readonly code: number | null; readonly stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stderr }));
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_CHARACTERS);
  });
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(spawnError(argv[0], error)));
  });

  const stream = new Duplex({
    // A server that has closed its side has nothing more to hear.
    allowHalfOpen: false,
    read: () => void child.stdout.resume(),
    write: (chunk, encoding, done) => void child.stdin.write(chunk, encoding, done),
    // Of a program that has exited Node has closed it already, and its `end` would never call back: the stream would never close.
    final: (done) => {
      if (child.stdin.destroyed) done();
      else child.stdin.end(done);
    },
    destroy: (error, done) => {
      child.stdin.destroy();
      child.stdout.destroy();
      const kill = setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
      child.once('exit', () => clearTimeout(kill));
      child.unref();
      done(error);
    },
  });
  child.stdout.on('data', (chunk) => {
    if (!stream.push(chunk)) child.stdout.pause();
  });
  child.stdout.once('close', () => {
    if (!stream.destroyed) stream.push(null);
  });
  // Stays for ever: an error on a stream that nobody listens to ends the process. The reader sees 'close'.
  stream.on('error', () => undefined);
  return { stream, ended };
}

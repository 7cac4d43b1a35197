import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PgreplError } from '../errors.ts';
import { parsePasswd } from './accounts.ts';
import { decodeText } from './bytes.ts';
import { interrupted, spawnError } from './child.ts';
import { Envelope } from './envelope.ts';
import { gatherAll } from './lines.ts';
import { quoteWords, scriptWords } from './quote.ts';
import { BEAT_MS, greeting } from './ssh-scripts.ts';
import { cannotOpen, shellUnusable } from './ssh-trouble.ts';
import type { Account, Me, Words } from './wrappers.ts';

/** What the far machine said of itself when the connection was opened. */
export interface Greeting {
  readonly me: Me;
  readonly path: string;
  readonly accounts: readonly Account[];
  readonly hasSudo: boolean;
}

const CONNECT_SECONDS = 10;
/** Connecting, and a login that takes its time on a busy machine. */
const OPEN_MS = 30_000;
const GOODBYE_MS = 2_000;
/** ssh makes the socket under a longer name first, and the name of a socket has 104 characters at most on some systems. */
const LONGEST_SOCKET = 104 - 18;

/**
 * What the user's own configuration must not change: no question is asked, nothing is forwarded, and a dead network is noticed after 15 s.
 * Host keys, keys, users, ports and jump hosts are as the user has them.
 */
const OPTIONS = [
  'BatchMode=yes', 'ControlMaster=yes', 'ControlPersist=no', `ConnectTimeout=${CONNECT_SECONDS}`, 'ServerAliveInterval=5', 'ServerAliveCountMax=3',
  'ClearAllForwardings=yes', 'ForwardAgent=no', 'ForwardX11=no', 'PermitLocalCommand=no', 'RemoteCommand=none', 'LogLevel=ERROR',
];

/**
 * One connection of the user's OpenSSH client, which the commands share (`man ssh_config`, ControlMaster). The client is a child of ours
 * whose stdin is a line of life in both directions: it ends with pgrepl, and the far end hears every few seconds that we live.
 */
export class SshConnection {
  readonly label: string;
  readonly greeting: Greeting;
  readonly #ssh: Words;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #said: () => readonly string[];
  readonly #beat: NodeJS.Timeout;

  private constructor(opened: { readonly label: string; readonly greeting: Greeting; readonly ssh: Words; readonly child: ChildProcess; readonly directory: string; readonly said: () => readonly string[] }) {
    this.label = opened.label;
    this.greeting = opened.greeting;
    this.#ssh = opened.ssh;
    this.#child = opened.child;
    this.#directory = opened.directory;
    this.#said = opened.said;
    this.#beat = setInterval(() => this.#child.stdin?.write('\n'), BEAT_MS);
    this.#beat.unref();
  }

  /** Throws what `cannotOpen` tells apart (`host-unknown`, `host-key-unknown`, `ssh-denied`, …), `ssh-no-shell`, and `program-not-found` for ssh itself. */
  static async open(label: string, ssh: Words, signal?: AbortSignal): Promise<SshConnection> {
    if (signal?.aborted === true) throw interrupted(ssh[0]);
    const directory = privateDirectory();
    const envelope = new Envelope();
    const options = [...OPTIONS, `ControlPath=${socketIn(directory).replaceAll('%', '%%')}`].flatMap((option) => ['-o', option]);
    const command = `exec ${quoteWords(scriptWords(greeting(envelope)))}`;
    const child = spawn(ssh[0], [...ssh.slice(1), ...options, '-T', '--', label, command], { cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    const [out, err] = [gatherAll(), gatherAll()];
    const words = envelope.open('stdout', out);
    const marks = envelope.open('stderr', err);
    child.stdin.on('error', () => undefined);
    const said = (): readonly string[] => [...envelope.noise, ...err.text().split('\n')].map((line) => line.trim()).filter((line) => line !== '');
    try {
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => reject(cannotOpen(label, [...said(), `no login within ${OPEN_MS / 1_000} s: timed out`])), OPEN_MS);
        const onAbort = (): void => settle(() => reject(interrupted(ssh[0])));
        signal?.addEventListener('abort', onAbort, { once: true });
        const settle = (end: () => void): void => {
          clearTimeout(late);
          signal?.removeEventListener('abort', onAbort);
          end();
        };
        for (const [stream, gatherer] of [[child.stdout, words], [child.stderr, marks]] as const) {
          stream.on('error', () => undefined);
          stream.on('data', (chunk: Uint8Array) => {
            gatherer.take(chunk);
            if (envelope.code !== null) settle(resolve);
          });
        }
        child.once('error', (error: NodeJS.ErrnoException) => settle(() => reject(spawnError(ssh[0], error))));
        child.once('close', (code) => settle(() => reject(code === 255 ? cannotOpen(label, said()) : shellUnusable(label, said()))));
      });
    } catch (error) {
      child.kill('SIGTERM');
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
    // ssh's own last words, should it end early, come on the same stderr after the mark.
    const last: string[] = [];
    child.stderr.on('data', (chunk: Uint8Array) => void last.push(...decodeText(chunk).split('\n').map((line) => line.trim()).filter((line) => line !== '' && line.charCodeAt(0) !== 1)));
    return new SshConnection({ label, greeting: parseGreeting(out.text()), ssh, child, directory, said: () => last.slice(-8) });
  }

  /** True while the client runs; a cut network is noticed after 15 s. */
  get isOpen(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The last that ssh said. */
  get said(): readonly string[] {
    return this.#said();
  }

  /**
   * The local words that run this script on the far machine, as one more session of the connection. Without a configuration, because there
   * is nothing left to configure, and with a proxy that fails: ssh would open a connection of its own where the shared one is gone.
   */
  words(script: string, become: readonly string[]): Words {
    const command = `exec ${quoteWords([...become, ...scriptWords(script)])}`;
    return [...this.#ssh, '-F', 'none', '-S', socketIn(this.#directory), '-o', 'ControlMaster=no', '-o', 'ProxyCommand=false', '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR', '-T', '--', this.label, command];
  }

  /** False when the client has ended, or is about to. Asked when a session has ended without saying how. */
  async check(): Promise<boolean> {
    if (!this.isOpen) return false;
    const asked = spawn(this.#ssh[0], [...this.#ssh.slice(1), '-F', 'none', '-S', socketIn(this.#directory), '-O', 'check', '--', this.label], { cwd: '/', stdio: 'ignore' });
    const code = await new Promise<number | null>((resolve) => {
      asked.once('exit', resolve);
      asked.once('error', () => resolve(null));
    });
    return code === 0;
  }

  /** Ends the connection and every command that still uses it. */
  async close(): Promise<void> {
    clearInterval(this.#beat);
    if (this.isOpen) {
      await new Promise<void>((resolve) => {
        const hard = setTimeout(() => this.#child.kill('SIGKILL'), GOODBYE_MS);
        this.#child.once('exit', () => {
          clearTimeout(hard);
          resolve();
        });
        this.#child.stdin?.end();
        this.#child.kill('SIGTERM');
      });
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function socketIn(directory: string): string {
  return join(directory, 's');
}

const PREFIX = 'pgrepl-ssh-';

/** A new directory that only this user can enter; takes those away whose pgrepl was killed. */
function privateDirectory(): string {
  const candidates = [process.env['XDG_RUNTIME_DIR'], tmpdir(), '/tmp'].filter((path) => path?.startsWith('/') === true && isWritable(path));
  const parent = candidates.find((path) => Buffer.byteLength(join(path ?? '', `${PREFIX}4194304-XXXXXX/s`)) < LONGEST_SOCKET) ?? '/tmp';
  for (const name of readdirSync(parent).filter((entry) => entry.startsWith(PREFIX))) {
    const pid = Number(/^pgrepl-ssh-([0-9]+)-/.exec(name)?.[1] ?? process.pid);
    if (!isAlive(pid)) rmQuietly(join(parent, name));
  }
  try {
    return mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
  } catch (error) {
    throw new PgreplError('refused', 'no-runtime-directory', `no directory for the socket of ssh can be made in ${parent}`, { hint: 'Set TMPDIR to a directory that you may write.', cause: error });
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function rmQuietly(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // It belongs to another user.
  }
}

function parseGreeting(text: string): Greeting {
  const [facts = '', accounts = ''] = text.split(/^accounts\n/m);
  const value = (name: string): string => new RegExp(`^${name} (.*)$`, 'm').exec(facts)?.[1] ?? '';
  const has = (program: string): boolean => facts.includes(`has ${program}\n`);
  const switcher = has('setpriv') ? 'setpriv' : has('runuser') ? 'runuser' : 'sudo';
  return { me: { user: value('user'), uid: Number(value('uid')), switcher }, path: value('path'), accounts: parsePasswd(accounts), hasSudo: has('sudo') };
}

import { constants } from 'node:os';
import { posix } from 'node:path';
import type { Duplex } from 'node:stream';
import { PgreplError } from '../errors.ts';
import { encodeText } from './bytes.ts';
import { programNotFound } from './child.ts';
import type { Address, Command, Exit, FileStat, HeldLock, Host, LiveProcess, LockHolder, NamedSocket } from './host.ts';
import { failedExit, saysMissing } from './io-error.ts';
import { takeLock } from './lock.ts';
import { parseDescribed, parseDf, parseStat, pidsIn } from './parse.ts';
import * as script from './scripts.ts';
import type { Transport } from './transport.ts';
import { guarded } from './wrappers.ts';

const DEFAULT_DEADLINE_MS = 30_000;
/** A tree of a large cluster, or a sync behind a busy disk, takes its time. */
const SLOW_DEADLINE_MS = 600_000;

/** All file verbs, written once over a transport: what is proved for one way to a machine holds for every other. */
export class PosixHost implements Host {
  protected readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  get label(): string {
    return this.transport.label;
  }

  get user(): string {
    return this.transport.user;
  }

  as(user: string): Host {
    return new PosixHost(this.transport.as(user));
  }

  async run(command: Command): Promise<Exit> {
    const isGuarded = command.guarded === true;
    if (isGuarded && command.input !== undefined) {
      throw new PgreplError('bug', 'guarded-input', `${command.argv[0]}: the stdin of a guarded program is its line of life`);
    }
    const exit = await this.transport.run({
      argv: isGuarded ? guarded(command.argv) : command.argv,
      program: command.argv[0],
      effect: command.effect,
      env: command.env,
      input: typeof command.input === 'string' ? encodeText(command.input) : command.input,
      deadlineMs: command.deadlineMs ?? DEFAULT_DEADLINE_MS,
      signal: command.signal,
      onLine: command.onLine,
      long: isGuarded,
      lifeline: isGuarded,
    });
    // Of a missing program, setpriv, sudo and the guard's shell only know their own exit codes.
    if ((exit.code === 127 || exit.code === 1) && !(await this.#isThere(command, exit.code))) throw programNotFound(command.argv[0]);
    return isGuarded ? withSignal(exit) : exit;
  }

  async #isThere(command: Command, code: number): Promise<boolean> {
    const program = command.argv[0];
    if (program === 'sh' || (code === 1 && !this.transport.hidesMissingPrograms)) return true;
    const found = await this.transport.run({
      argv: ['sh', '-c', 'command -v -- "$1" >/dev/null || command -v "$1" >/dev/null', 'sh', program],
      program,
      effect: 'reads',
      env: command.env,
      deadlineMs: DEFAULT_DEADLINE_MS,
      lifeline: false,
    });
    return found.code === 0;
  }

  async connect(address: Address | NamedSocket, deadlineMs: number): Promise<Duplex> {
    return await this.transport.connect(address, deadlineMs);
  }

  async readText(path: string): Promise<string | null> {
    const exit = await this.#sh('reads', script.READ, [path]);
    if (exit.code === 0) return exit.stdout;
    if (exit.code === script.NOT_A_FILE) throw new PgreplError('refused', 'io-failed', `cannot read ${path}: it is not a file`);
    if (saysMissing(exit)) return null;
    throw failedExit('read', path, exit);
  }

  async writeText(path: string, content: string, options: { readonly mode?: number } = {}): Promise<void> {
    const bytes = encodeText(content);
    const mode = options.mode === undefined ? '' : octal(options.mode);
    await this.#must('write', path, script.WRITE, [normal(path), mode, String(bytes.length)], bytes);
  }

  async stat(path: string): Promise<FileStat | null> {
    const exit = await this.#sh('reads', script.STAT, [path]);
    if (exit.code === 0) return parseStat(exit.stdout);
    if (saysMissing(exit)) return null;
    throw failedExit('look at', path, exit);
  }

  async list(path: string): Promise<readonly string[] | null> {
    const exit = await this.#sh('reads', script.LIST, [path]);
    if (exit.code === 0) {
      const entries = exit.stdout.split('\0').slice(0, -1);
      return entries.map((entry) => entry.slice(entry.lastIndexOf('/') + 1)).sort();
    }
    if (saysMissing(exit)) return null;
    throw failedExit('list', path, exit);
  }

  async makeDirectory(path: string, mode: number): Promise<void> {
    await this.#must('make directory', path, script.MAKE_DIRECTORY, [normal(path), octal(mode)]);
  }

  async setMode(path: string, mode: number): Promise<void> {
    await this.#must('set the mode of', path, script.SET_MODE, [path, octal(mode)]);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#must(`rename ${from} to`, to, script.RENAME, [normal(from), normal(to)]);
  }

  async removeFile(path: string): Promise<void> {
    await this.#must('remove', path, script.REMOVE_FILE, [normal(path)]);
  }

  async removeTree(path: string): Promise<void> {
    const given = normal(path);
    // Only what stands before the last part is resolved: of a symlink, the link is removed.
    const clean = posix.join(await this.realPath(posix.dirname(given)), posix.basename(given));
    const home = await this.realPath(await this.home());
    if (clean === '/' || posix.basename(given) === '..' || clean === home || home.startsWith(`${clean}/`)) {
      throw new PgreplError('bug', 'remove-tree-refused', `refusing to remove ${path}: it is or holds the home directory of ${this.user}`);
    }
    await this.#must('remove', path, script.REMOVE_TREE, [clean]);
  }

  async space(path: string): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
    const exit = await this.#sh('reads', script.SPACE, [normal(path)]);
    const space = exit.code === 0 ? parseDf(exit.stdout) : null;
    if (space === null) throw failedExit('see the free space of', path, exit);
    return space;
  }

  async realPath(path: string): Promise<string> {
    const exit = await this.#sh('reads', script.REAL_PATH, [normal(path)]);
    if (exit.code !== 0) throw failedExit('resolve', path, exit);
    return exit.stdout.slice(0, -1);
  }

  async canWrite(path: string): Promise<boolean> {
    return (await this.#sh('reads', script.CAN_WRITE, [path])).code === 0;
  }

  async home(): Promise<string> {
    const exit = await this.#small(script.HOME);
    if (exit.code !== 0 || !exit.stdout.startsWith('/')) throw failedExit('find the home of', this.user, exit);
    return exit.stdout;
  }

  async userExists(user: string): Promise<boolean> {
    if (!isUserName(user)) return false;
    return (await this.run({ argv: ['id', '-u', user], effect: 'reads' })).code === 0;
  }

  async processesIn(directory: string): Promise<readonly LiveProcess[]> {
    const real = await this.realPath(directory);
    const exit = await this.#small(script.WORKING_DIRECTORIES);
    if (exit.code === 3) return await this.#describe(await this.#pidsByLsof(real));
    const { there, deleted } = pidsIn(exit.stdout, real);
    const same = there.length === 0 ? '' : (await this.#sh('reads', script.SAME_DIRECTORY, [real, ...there])).stdout;
    return await this.#describe([...same.split('\n').filter((pid) => pid !== ''), ...deleted]);
  }

  async #pidsByLsof(real: string): Promise<readonly string[]> {
    const exit = await this.run({ argv: ['lsof', '-a', '-d', 'cwd', '-Fpn'], effect: 'reads' });
    let pid = '';
    const pids: string[] = [];
    for (const line of exit.stdout.split('\n')) {
      if (line.startsWith('p')) pid = line.slice(1);
      else if (line === `n${real}`) pids.push(pid);
    }
    return pids;
  }

  async processesNaming(word: string): Promise<readonly LiveProcess[]> {
    const exit = await this.run({ argv: ['sh', '-c', script.NAMING], effect: 'reads', input: word });
    if (exit.code !== 3) return await this.#describe([...exit.stdout.matchAll(/\/proc\/(\d+)\/cmdline/g)].map((match) => match[1] ?? ''));
    const list = await this.run({ argv: ['ps', '-axo', 'pid=,args='], effect: 'reads' });
    return parseDescribed(list.stdout).filter((process) => ` ${process.command} `.includes(` ${word} `));
  }

  async #describe(pids: readonly string[]): Promise<readonly LiveProcess[]> {
    if (pids.length === 0) return [];
    const exit = await this.#small(script.DESCRIBE, pids);
    return parseDescribed(exit.stdout);
  }

  async lock(key: string, holder: LockHolder): Promise<HeldLock> {
    return await takeLock(async (command) => await this.transport.run(command), await this.home(), key, holder);
  }

  async close(): Promise<void> {
    await this.transport.close();
  }

  async #must(what: string, path: string, text: string, words: readonly string[], input?: Uint8Array): Promise<void> {
    const exit = await this.#sh('changes', text, words, input);
    if (exit.code !== 0) throw failedExit(what, path, exit);
  }

  async #sh(effect: 'reads' | 'changes', text: string, words: readonly string[], input?: Uint8Array): Promise<Exit> {
    mustBeAbsolute(words[0] ?? '');
    if (effect === 'reads') return await this.#small(text, words);
    return await this.run({ argv: ['sh', '-c', text, 'sh', ...words], effect, ...(input === undefined ? {} : { input }), deadlineMs: SLOW_DEADLINE_MS });
  }

  async #small(text: string, words: readonly string[] = []): Promise<Exit> {
    const argv = ['sh', '-c', text, 'sh', ...words] as const;
    return await this.transport.run({ argv, program: 'sh', effect: 'reads', deadlineMs: DEFAULT_DEADLINE_MS, lifeline: false, small: true });
  }
}

/** Paths are absolute everywhere: a relative one would mean another place on each transport. */
export function mustBeAbsolute(path: string): void {
  if (!path.startsWith('/')) throw new PgreplError('bug', 'relative-path', `path ${path === '' ? 'without a name' : path} is not absolute`);
}

/** A name that can be given to programs as a user. */
export function isUserName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$/.test(name);
}

/** Without `//`, `.` and a slash at the end. Not over `..`: what that means depends on symlinks. */
function normal(path: string): string {
  mustBeAbsolute(path);
  const clean = path.split('/').includes('..') ? path.replace(/\/+$/, '') : posix.normalize(path).replace(/\/+$/, '');
  return clean === '' ? '/' : clean;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(3, '0');
}

function withSignal(exit: Exit): Exit {
  const number = (exit.code ?? 0) - 128;
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return name === undefined ? exit : { ...exit, code: null, signal: name };
}

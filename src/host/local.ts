import { access as mayAccess, constants, open, readdir, lstat, stat, statfs } from 'node:fs/promises';
import { accessSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Duplex } from 'node:stream';
import { PgreplError } from '../errors.ts';
import { Accounts } from './accounts.ts';
import { decodeText } from './bytes.ts';
import { openChildStream } from './child-stream.ts';
import type { ProgramStream } from './child-stream.ts';
import { runChild } from './child.ts';
import { connectFailed, connectTo, socketNamed } from './connect.ts';
import type { Address, Exit, FileStat, Host, LiveProcess, NamedSocket } from './host.ts';
import { errnoCode, failedCall } from './io-error.ts';
import { kindOf } from './parse.ts';
import { mustBeAbsolute, PosixHost } from './posix-host.ts';
import { localRealPath, processesAt, processesWith } from './proc.ts';
import type { Transport, TransportCommand } from './transport.ts';
import { asUser, cleanEnvironment, howToBecome, withEnvironment, withLifeline } from './wrappers.ts';
import type { Account, Me, Words } from './wrappers.ts';

/** This machine. */
export class LocalTransport implements Transport {
  readonly label = 'local';
  readonly user: string;
  readonly accounts: Accounts;
  #mayBecome: Promise<void> | undefined;

  constructor(user: string, accounts: Accounts = new Accounts()) {
    this.user = user;
    this.accounts = accounts;
  }

  get hidesMissingPrograms(): boolean {
    return this.user !== this.accounts.me.user && this.accounts.me.uid !== 0;
  }

  as(user: string): LocalTransport {
    return new LocalTransport(user, this.accounts);
  }

  async account(): Promise<Account> {
    return await this.accounts.need(this.user);
  }

  async run(command: TransportCommand): Promise<Exit> {
    const { account, me, how, env } = await this.#ground(command.env);
    if (how !== 'sudo') return await runChild({ ...command, argv: asUser(command.argv, account, me), env });

    await (this.#mayBecome ??= this.#askSudo(account, me));
    // Signals do not reach the programs of another user, the end of their stdin does.
    const needsLifeline = !command.lifeline && command.input === undefined;
    const argv = needsLifeline ? withLifeline(command.argv) : command.argv;
    return await runChild({
      ...command,
      argv: asUser(withEnvironment(env, argv), account, me),
      env,
      lifeline: command.lifeline || needsLifeline,
    });
  }

  async stream(argv: Words, extra?: Readonly<Record<string, string>>): Promise<ProgramStream> {
    const { account, me, how, env } = await this.#ground(extra);
    if (how === 'sudo') await (this.#mayBecome ??= this.#askSudo(account, me));
    return await openChildStream(asUser(how === 'sudo' ? withEnvironment(env, argv) : argv, account, me), env);
  }

  async #ground(extra: Readonly<Record<string, string>> | undefined): Promise<{ readonly account: Account; readonly me: Me; readonly how: ReturnType<typeof howToBecome>; readonly env: Readonly<Record<string, string>> }> {
    const account = await this.account();
    const me = { ...this.accounts.me, switcher: findSwitcher() };
    const how = howToBecome(account, me);
    const tmpdirOfMine = how === 'already' && process.env['TMPDIR'] !== undefined ? tmpdir() : undefined;
    return { account, me, how, env: cleanEnvironment({ home: account.home, path: process.env['PATH'], tmpdir: tmpdirOfMine }, extra) };
  }

  async #askSudo(account: Account, me: Me): Promise<void> {
    const env = cleanEnvironment({ home: '/', path: process.env['PATH'] });
    const refused = (details: readonly string[]): PgreplError =>
      new PgreplError('refused', 'no-permission', `user ${me.user} may not act as user ${account.user} on this machine`, {
        hint: `Run pgrepl as ${account.user} or as root, or allow ${me.user} to run every program as ${account.user} without a password in sudoers.`,
        details,
      });
    const exit = await runChild({ argv: asUser(['true'], account, me), program: 'sudo', env, effect: 'reads', deadlineMs: 10_000, lifeline: false }).catch((error: unknown) => {
      if (error instanceof PgreplError && error.code === 'program-not-found') throw refused(['sudo was not found']);
      throw error;
    });
    if (exit.code !== 0) throw refused(exit.stderr.split('\n').filter((line) => line !== ''));
  }

  async connect(address: Address | NamedSocket, deadlineMs: number): Promise<Duplex> {
    if ('namedIn' in address) throw new PgreplError('bug', 'socket-unnamed', `${address.namedIn} was not read`);
    const isOther = 'socket' in address && this.user !== this.accounts.me.user && this.accounts.me.uid === 0;
    return await connectTo(address, isOther ? await this.account() : null, deadlineMs);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Root's way to become somebody else: BusyBox's setpriv cannot, and macOS and BSD have none. */
function findSwitcher(): 'setpriv' | 'runuser' | 'sudo' {
  const has = (program: string): boolean => {
    try {
      accessSync(program, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  if (has('/usr/bin/setpriv')) return 'setpriv';
  return has('/sbin/runuser') || has('/usr/sbin/runuser') ? 'runuser' : 'sudo';
}

/** This machine, read without starting programs where this process has the rights itself: `status` must be quick. */
export class LocalHost extends PosixHost {
  readonly #local: LocalTransport;

  constructor(transport: LocalTransport) {
    super(transport);
    this.#local = transport;
  }

  override as(user: string): Host {
    return new LocalHost(this.#local.as(user));
  }

  override async connect(address: Address | NamedSocket, deadlineMs: number): Promise<Duplex> {
    if (!('namedIn' in address)) return await super.connect(address, deadlineMs);
    const named = socketNamed(address, (await this.readText(address.namedIn)) ?? '');
    if (named === null) throw connectFailed(address, Object.assign(new Error('no such file, or it names no socket'), { code: 'ENOENT' }));
    return await super.connect(named, deadlineMs);
  }

  override async readText(path: string): Promise<string | null> {
    mustBeAbsolute(path);
    return await this.#directly('read', path, async (account) => {
      // Not to wait at a FIFO for a writer.
      const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const stats = await file.stat();
        if (!stats.isFile()) throw new PgreplError('refused', 'io-failed', `cannot read ${path}: it is not a file`);
        return mayRead(stats, account) ? decodeText(await file.readFile()) : undefined;
      } finally {
        await file.close();
      }
    }, async () => await super.readText(path));
  }

  override async stat(path: string): Promise<FileStat | null> {
    mustBeAbsolute(path);
    return await this.#directly('look at', path, async () => {
      const stats = await lstat(path, { bigint: true });
      return {
        kind: kindOf(Number(stats.mode)),
        mode: Number(stats.mode & 0o7777n),
        owner: await this.#local.accounts.nameOf(Number(stats.uid)),
        sizeBytes: Number(stats.size),
        modifiedAt: Number(stats.mtimeNs) / 1e9,
        device: String(stats.dev),
        inode: String(stats.ino),
      };
    }, async () => await super.stat(path));
  }

  override async list(path: string): Promise<readonly string[] | null> {
    mustBeAbsolute(path);
    return await this.#directly('list', path, async (account) => {
      if (!mayRead(await stat(path), account)) return undefined;
      return (await readdir(path, { encoding: 'buffer' })).map(decodeText).sort();
    }, async () => await super.list(path));
  }

  override async space(path: string): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
    try {
      const system = await statfs(path);
      return { totalBytes: system.blocks * system.bsize, freeBytes: system.bavail * system.bsize };
    } catch {
      return await super.space(path);
    }
  }

  override async realPath(path: string): Promise<string> {
    mustBeAbsolute(path);
    return (await localRealPath(path)) ?? (await super.realPath(path));
  }

  override async canWrite(path: string): Promise<boolean> {
    const account = await this.#local.account();
    if (account.uid !== this.#local.accounts.me.uid) return await super.canWrite(path);
    if (!(await stat(path).then((stats) => stats.isDirectory(), () => false))) return false;
    return await mayAccess(path, constants.W_OK | constants.X_OK).then(() => true, () => false);
  }

  override async home(): Promise<string> {
    return (await this.#local.account()).home;
  }

  override async userExists(user: string): Promise<boolean> {
    return (await this.#local.accounts.find(user)) !== null;
  }

  override async processesIn(directory: string): Promise<readonly LiveProcess[]> {
    const direct = (await this.#mayLookAtProcesses()) ? await processesAt(await this.realPath(directory)) : null;
    return direct ?? (await super.processesIn(directory));
  }

  override async processesNaming(word: string): Promise<readonly LiveProcess[]> {
    return (await processesWith(word)) ?? (await super.processesNaming(word)).filter((other) => other.pid !== process.pid);
  }

  async #mayLookAtProcesses(): Promise<boolean> {
    const { me } = this.#local.accounts;
    return me.uid === 0 || me.uid === (await this.#local.account()).uid;
  }

  async #directly<T>(
    what: string,
    path: string,
    direct: (account: Account | null) => Promise<T | undefined>,
    byProgram: () => Promise<T | null>,
  ): Promise<T | null> {
    const account = await this.#local.account();
    try {
      const found = await direct(account.uid === this.#local.accounts.me.uid ? null : account);
      return found ?? (await byProgram());
    } catch (error) {
      const errno = errnoCode(error);
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return null;
      if (errno === 'EACCES' || errno === 'EPERM' || errno === 'ENXIO') return await byProgram();
      throw error instanceof PgreplError ? error : failedCall(what, path, error);
    }
  }
}

/**
 * What root reads in the name of another user must be what that user may read: a symlink in a directory of theirs must
 * not show them other people's files. `null`: this process is that user. In doubt a program of the user decides.
 */
function mayRead(stats: Stats, account: Account | null): boolean {
  if (account === null) return true;
  if (stats.uid === account.uid) return (stats.mode & 0o400) !== 0;
  return (stats.mode & 0o004) !== 0 || (stats.gid === account.gid && (stats.mode & 0o040) !== 0);
}

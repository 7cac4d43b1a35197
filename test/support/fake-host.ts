import { PassThrough, type Duplex } from 'node:stream';
import { PgreplError } from '../../src/errors.ts';
import type { Address, Command, Exit, FileStat, HeldLock, Host, LiveProcess, LockHolder } from '../../src/host/host.ts';
import { WRITE_PREFIX } from '../../src/host/scripts.ts';
import { runDebian } from './fake-debian.ts';
import { Disk, nameOf, newDisk, parentOf, type DiskState, type Entry } from './fake-disk.ts';
import { PowerCut, type Gate } from './fake-gate.ts';

/** One process of a machine. Plain data. */
export interface FakeProcess {
  readonly pid: number;
  readonly command: string;
  /** Its working directory, which may have another name by now, or none. */
  readonly directory: Entry;
  /** Ends when the connection of the pgrepl that started it ends. */
  readonly guarded: boolean;
}

/** One machine: its disks, its users, what runs on it. Plain data. */
export interface MachineState {
  readonly name: string;
  /** Addresses at which other machines reach it; the first one is the one it calls from. */
  readonly addresses: readonly string[];
  readonly disk: DiskState;
  readonly users: readonly string[];
  readonly processes: Map<number, FakeProcess>;
  nextPid: number;
  /** Nobody reaches it, and it reaches nobody. */
  isolated: boolean;
  readonly locks: Map<string, LockHolder>;
  /** postgresql-common is installed. */
  debian: boolean;
}

export function newMachine(name: string, addresses: readonly string[], users: readonly string[] = ['postgres']): MachineState {
  const machine: MachineState = {
    name,
    addresses,
    disk: newDisk(),
    users: ['root', ...users],
    processes: new Map(),
    nextPid: 100,
    isolated: false,
    locks: new Map(),
    debian: false,
  };
  const disk = new Disk(machine.disk);
  for (const path of ['/home', '/srv', '/var', '/tmp']) disk.makeDirectory(path, { owner: 'root', mode: 0o755 });
  for (const user of users) disk.makeDirectory(`/home/${user}`, { owner: user, mode: 0o755 });
  disk.makeDirectory('/srv/pg', { owner: users[0] ?? 'root', mode: 0o755 });
  return machine;
}

export function startProcess(machine: MachineState, made: Omit<FakeProcess, 'pid'>): FakeProcess {
  const process = { ...made, pid: machine.nextPid };
  machine.nextPid += 1;
  machine.processes.set(process.pid, process);
  return process;
}

/** Answers `run`: a test that needs a program stubs it. */
export type RunStub = (command: Command) => Exit;

/** The file verbs and processes of `Host` over a machine in memory. Every change goes through the gate. */
export class FakeHost implements Host {
  readonly label: string;
  readonly user: string;
  readonly #machine: MachineState;
  readonly #disk: Disk;
  readonly #gate: Gate;
  readonly #stub: RunStub | null;
  readonly #listens: (port: number) => boolean;

  /** `listens`: whether something takes connections at this port of the machine. */
  constructor(machine: MachineState, user: string, gate: Gate, stub: RunStub | null = null, listens: (port: number) => boolean = () => false) {
    this.label = machine.name;
    this.user = user;
    this.#machine = machine;
    this.#disk = new Disk(machine.disk);
    this.#gate = gate;
    this.#stub = stub;
    this.#listens = listens;
  }

  as(user: string): Host {
    return new FakeHost(this.#machine, user, this.#gate, this.#stub, this.#listens);
  }

  async run(command: Command): Promise<Exit> {
    const exit = this.#machine.debian ? await runDebian(this, command) : null;
    if (exit !== null) return exit;
    const stub = this.#stub;
    if (stub === null) throw new Error(`the fake machine ${this.label} has no program ${command.argv.join(' ')}`);
    const run = (): Exit => stub(command);
    return command.effect === 'reads' ? await this.#read(run) : await this.#change(`run ${command.argv.join(' ')}`, run);
  }

  /** Tells only whether anybody listens: nothing is ever said over the stream. */
  async connect(address: Address): Promise<Duplex> {
    return await this.#read((): Duplex => {
      if ('socket' in address) throw new Error(`the fake machine ${this.label} has no Unix sockets (${address.socket})`);
      if (!this.#listens(address.port)) throw new PgreplError('unreachable', 'connect-failed', `${address.host}:${address.port} does not listen`, { details: ['ECONNREFUSED'] });
      return new PassThrough();
    });
  }

  async readText(path: string): Promise<string | null> {
    return await this.#read(() => {
      const entry = this.#disk.find(path);
      if (entry !== null) this.#need(entry, 4, path);
      return this.#disk.text(path);
    });
  }

  /** Two changes: the content arrives under a name of its own, whose leftovers of the dead go first, and then takes the place of the file. */
  async writeText(path: string, content: string, options: { readonly mode?: number } = {}): Promise<void> {
    const folder = parentOf(this.#disk.realPath(path));
    const arriving = `${folder}/${WRITE_PREFIX}1.${nameOf(path)}`;
    try {
      await this.#change(`write ${path}, not yet under its name`, () => {
        this.#need(this.#disk.nearest(folder), 2, path);
        for (const name of this.#disk.list(folder) ?? []) if (name.startsWith(WRITE_PREFIX)) this.#disk.remove(`${folder}/${name}`);
        this.#disk.write(arriving, content, { owner: this.user, mode: 0o600 });
      });
      await this.#change(`write ${path}`, () => {
        this.#disk.write(path, content, { owner: this.user, mode: options.mode });
        this.#disk.remove(arriving);
      });
    } catch (error) {
      if (!(error instanceof PowerCut) && this.#disk.find(arriving) !== null) this.#disk.remove(arriving);
      throw error;
    }
  }

  async stat(path: string): Promise<FileStat | null> {
    return await this.#read(() => this.#disk.stat(path));
  }

  async list(path: string): Promise<readonly string[] | null> {
    return await this.#read(() => {
      const entry = this.#disk.find(path);
      if (entry !== null) this.#need(entry, 4, path);
      return this.#disk.list(path);
    });
  }

  async makeDirectory(path: string, mode: number): Promise<void> {
    const missing: string[] = [];
    for (let at = path; this.#disk.find(at) === null; at = parentOf(at)) missing.unshift(at);
    for (const directory of missing) {
      await this.#change(`mkdir ${directory}`, () => {
        this.#need(this.#disk.nearest(parentOf(directory)), 2, directory);
        this.#disk.makeDirectory(directory, { owner: this.user, mode: directory === path ? mode : 0o755 });
      });
    }
    if (missing.length === 0 && this.#disk.find(path)?.mode !== mode) await this.setMode(path, mode);
    else await this.#read(() => undefined);
  }

  async setMode(path: string, mode: number): Promise<void> {
    await this.#change(`chmod ${mode.toString(8)} ${path}`, () => {
      const entry = this.#disk.find(path);
      if (entry !== null && entry.owner !== this.user && this.user !== 'root') throw denied(path);
      this.#disk.setMode(path, mode);
    });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#change(`rename ${from} ${to}`, () => {
      this.#need(this.#disk.nearest(parentOf(from)), 2, from);
      this.#need(this.#disk.nearest(parentOf(to)), 2, to);
      this.#disk.rename(from, to);
    });
  }

  async removeFile(path: string): Promise<void> {
    if ((await this.#read(() => this.#disk.find(path, { follow: false }))) === null) return;
    await this.#change(`rm ${path}`, () => {
      this.#need(this.#disk.nearest(parentOf(path)), 2, path);
      this.#disk.remove(path);
    });
  }

  /** Not one change: a removal can stop anywhere in the tree. */
  async removeTree(path: string): Promise<void> {
    for (const one of await this.#read(() => this.#disk.tree(path))) await this.removeFile(one);
  }

  async space(path: string): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
    return await this.#read(() => {
      this.#disk.nearest(path);
      return { totalBytes: this.#machine.disk.totalBytes, freeBytes: this.#machine.disk.freeBytes };
    });
  }

  async realPath(path: string): Promise<string> {
    return await this.#read(() => this.#disk.realPath(path));
  }

  async canWrite(path: string): Promise<boolean> {
    return await this.#read(() => {
      const entry = this.#disk.find(path);
      return entry?.kind === 'directory' && this.#may(entry, 2);
    });
  }

  async home(): Promise<string> {
    return await this.#read(() => (this.user === 'root' ? '/root' : `/home/${this.user}`));
  }

  async userExists(user: string): Promise<boolean> {
    return await this.#read(() => this.#machine.users.includes(user));
  }

  async processesIn(directory: string): Promise<readonly LiveProcess[]> {
    return await this.#read(() => processesIn(this.#machine, directory));
  }

  async processesNaming(word: string): Promise<readonly LiveProcess[]> {
    return await this.#read(() => [...this.#machine.processes.values()].filter((process) => process.command.split(' ').includes(word)).map(seen));
  }

  async lock(key: string, holder: LockHolder): Promise<HeldLock> {
    return await this.#read(() => {
      const { locks } = this.#machine;
      const other = locks.get(key);
      if (other !== undefined) {
        throw new PgreplError('locked', 'locked', `${other.user} on ${other.machine} holds the lock (process ${other.pid}: ${other.command})`);
      }
      locks.set(key, holder);
      return {
        lost: new AbortController().signal,
        release: async () => {
          await Promise.resolve();
          if (locks.get(key) === holder) locks.delete(key);
        },
      };
    });
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  #reach(): void {
    if (this.#machine.isolated) throw new PgreplError('unreachable', 'host-unreachable', `${this.label} cannot be reached`);
  }

  async #read<T>(act: () => T): Promise<T> {
    return await this.#gate.read(() => {
      this.#reach();
      return act();
    });
  }

  async #change<T>(what: string, act: () => T): Promise<T> {
    return await this.#gate.change(`${this.label}: ${what}`, () => {
      this.#reach();
      return act();
    });
  }

  #need(entry: Entry, right: 2 | 4, path: string): void {
    if (!this.#may(entry, right)) throw denied(path);
  }

  #may(entry: Entry, right: 2 | 4): boolean {
    if (this.user === 'root') return true;
    return (entry.mode & (entry.owner === this.user ? right << 6 : right)) !== 0;
  }
}

export function processesIn(machine: MachineState, directory: string): readonly LiveProcess[] {
  const entry = new Disk(machine.disk).find(directory);
  return [...machine.processes.values()].filter((process) => process.directory === entry).map(seen);
}

function seen(process: FakeProcess): LiveProcess {
  return { pid: process.pid, command: process.command };
}

function denied(path: string): PgreplError {
  return new PgreplError('undone', 'permission-denied', `${path}: EACCES`, { details: ['EACCES'] });
}

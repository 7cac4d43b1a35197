import { PgreplError } from '../../src/errors.ts';
import { majorOf } from '../../src/postgres/version.ts';
import { parseNodeName, parseRoleName } from '../../src/postgres/names.ts';
import type { Programs } from '../../src/postgres/tools.ts';
import type { Pooler, PoolerAddress } from '../../src/postgres/pooler.ts';
import type { Host } from '../../src/host/host.ts';
import type { Server } from '../../src/postgres/server.ts';
import type { Secret } from '../../src/secret.ts';
import type { NodePlace, NodeWorld, WaitLimits, World } from '../../src/steps/world.ts';
import { diskOf, machineNamed, newFleet, nextNumber, serverIn, settingOf, type FleetState, type RunningServer } from './fake-fleet.ts';
import { fakeService } from './fake-debian.ts';
import { Gate, type Failure } from './fake-gate.ts';
import { FakeHost, newMachine } from './fake-host.ts';
import { fakePooler } from './fake-pooler.ts';
import { Postgres } from './fake-postgres.ts';
import { sessionTrouble } from './fake-rewind.ts';
import { FakePrograms } from './fake-programs.ts';
import { FakeServer } from './fake-server.ts';
import { commit, tellCommits } from './fake-sync.ts';
import { halfRewoundAtHand, secondPrimaryAtHand, snapshotOf, writablePrimaries, type Snapshot } from './fake-oracle.ts';

export { PowerCut } from './fake-gate.ts';

/** Where a node of the fake world is: its place, the machine and the installed version. */
export interface FakeNode {
  readonly place: NodePlace;
  readonly machine: string;
  readonly versionNumber: number;
}

export interface FakeNodeOptions {
  readonly port: number;
  readonly pgdata?: string;
  /** Default: the one machine of all local nodes. */
  readonly machine?: string;
  readonly versionNumber?: number;
  /** In the layout of Debian, on a machine with its tools. */
  readonly debian?: boolean;
  readonly cluster?: string;
}

export interface FakeWorldOptions {
  readonly givenPassword?: Secret | null;
  readonly run?: string;
  readonly signal?: AbortSignal;
  readonly leavesOrphans?: boolean;
}

const LOOPBACK_MACHINE = 'here';

/** Machines, servers and the nodes that pgrepl knows of. They outlive every `FakeWorld` that looks at them. */
export class FakeFleet {
  readonly state: FleetState;
  readonly nodes: Map<string, FakeNode>;
  readonly postgres: Postgres;

  constructor(state: FleetState = newFleet(), nodes: ReadonlyMap<string, FakeNode> = new Map()) {
    this.state = state;
    this.nodes = new Map(nodes);
    this.postgres = new Postgres(state);
  }

  /** An independent copy of everything, servers running as they do here. */
  clone(): FakeFleet {
    return new FakeFleet(structuredClone(this.state), this.nodes);
  }

  /** A machine; nodes without one of their own live on `here`, at 127.0.0.1. */
  addMachine(name: string, addresses: readonly string[]): void {
    this.state.machines.set(name, newMachine(name, addresses));
  }

  /** A place for a node; nothing is made there. */
  addNode(name: string, options: FakeNodeOptions): FakeNode {
    const machine = options.machine ?? LOOPBACK_MACHINE;
    if (!this.state.machines.has(machine)) this.addMachine(machine, machine === LOOPBACK_MACHINE ? [] : [`10.0.0.${this.state.machines.size + 1}`]);
    const versionNumber = options.versionNumber ?? 150018;
    if (options.debian === true) this.#installDebian(machine, majorOf(versionNumber));
    const cluster = options.cluster ?? 'main';
    const place: NodePlace = {
      name: parseNodeName(name),
      cluster,
      host: machineNamed(this.state, machine).addresses[0] ?? '127.0.0.1',
      port: options.port,
      pgdata: options.pgdata ?? (options.debian === true ? `/var/lib/postgresql/${majorOf(versionNumber)}/${name}` : `/srv/pg/${name}`),
      via: machine === LOOPBACK_MACHINE ? 'local' : `ssh://${machine}`,
      osUser: 'postgres',
      adminUser: 'postgres',
      passfile: `/home/postgres/.pgrepl/${cluster}.pass`,
      replicationUser: parseRoleName('replicator'),
    };
    const node = { place, machine, versionNumber };
    this.nodes.set(name, node);
    return node;
  }

  #installDebian(name: string, major: number): void {
    const machine = machineNamed(this.state, name);
    machine.debian = true;
    const disk = diskOf(this.state, name);
    for (const path of ['/etc', '/var/lib', '/var/log']) if (disk.find(path) === null) disk.makeDirectory(path, { owner: 'root', mode: 0o755 });
    for (const path of ['/etc/postgresql', `/etc/postgresql/${major}`, '/var/lib/postgresql', `/var/lib/postgresql/${major}`, '/var/log/postgresql']) if (disk.find(path) === null) disk.makeDirectory(path, { owner: 'postgres', mode: 0o755 });
  }

  node(name: string): FakeNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`there is no fake node ${name}`);
    return node;
  }

  /** The running server of a node; `null` when it is down. */
  running(name: string): RunningServer | null {
    const { machine, place } = this.node(name);
    return serverIn(this.state, machine, place.pgdata);
  }

  /** Starts a node by hand, as an operator would. Throws `StartFailed`. */
  startServer(name: string): RunningServer {
    const { machine, place, versionNumber } = this.node(name);
    return this.postgres.start(machine, place.pgdata, { versionNumber });
  }

  /** Fast shutdown by hand, to its end. */
  stopServer(name: string): void {
    this.postgres.stopFast(this.startedServer(name));
    for (let round = 0; this.running(name) !== null && round < 10_000; round += 1) this.tick();
  }

  /** kill -9 of the whole server. */
  killServer(name: string): void {
    this.postgres.kill(this.startedServer(name));
  }

  /** A client writes a row, and is told that it is committed as soon as whoever is waited for has it. */
  write(name: string): number {
    return this.#writeOn(this.startedServer(name));
  }

  #writeOn(server: RunningServer): number {
    if (server.inRecovery || server.stopping !== null) throw new Error(`${server.directory} takes no writes`);
    const id = nextNumber(this.state);
    const end = this.postgres.append(server, 'write', id);
    commit(this.state, server, id, end, (text) => { this.#violation(text); });
    return id;
  }

  /** Nobody reaches the machine of this node any more, or everybody again. */
  isolate(name: string, isolated = true): void {
    machineNamed(this.state, this.node(name).machine).isolated = isolated;
  }

  tick(milliseconds = 20): void {
    this.postgres.tick(milliseconds);
    tellCommits(this.state, this.postgres, (text) => { this.#violation(text); });
    this.look('the clock');
  }

  /** Time passes until everything that is under way has arrived. */
  settle(): void {
    for (let round = 0; round < 12; round += 1) this.tick();
  }

  /** Notes every broken invariant: two servers of one cluster that take writes, or a directory that would become the second one when started. */
  look(after: string): void {
    if (this.state.underLoad) for (const server of this.state.servers.values()) if (!server.inRecovery && server.stopping === null) this.#writeOn(server);
    for (const server of this.state.servers.values()) {
      const both = writablePrimaries(this.state, server.systemIdentifier);
      if (both.length > 1) this.#violation(`two writable primaries after ${after}: ${both.join(', ')}`);
    }
    for (const [name, { machine, place, versionNumber }] of this.nodes) {
      if (halfRewoundAtHand(this.state, this.postgres, { machine, directory: place.pgdata, versionNumber })) this.#violation(`${name} would start from a half-rewound directory after ${after}`);
      if (secondPrimaryAtHand(this.state, this.postgres, { machine, directory: place.pgdata, versionNumber })) this.#violation(`${name} would start as a second primary after ${after}`);
    }
  }

  /** Writes that were acknowledged and are not on this server. */
  lostWrites(name: string): readonly number[] {
    const server = this.startedServer(name);
    const { writes } = this.postgres.files(server).catalog();
    return this.state.acknowledged.filter((one) => one.systemIdentifier === server.systemIdentifier && !writes.includes(one.id)).map((one) => one.id);
  }

  /** Acknowledged writes that no primary of their cluster has. */
  lost(): readonly string[] {
    return [...this.nodes.keys()].flatMap((name) => (this.running(name)?.inRecovery === false ? this.lostWrites(name).map((id) => `write ${id} is not on ${name}`) : []));
  }

  /** Nodes that accept writes now, of this cluster. */
  writablePrimaries(systemIdentifier: string): readonly string[] {
    return writablePrimaries(this.state, systemIdentifier);
  }

  /** Names of the slots of a running node. */
  slots(name: string): readonly string[] {
    return this.postgres.files(this.startedServer(name)).slots().map((slot) => slot.name);
  }

  /** Paths of staging directories that are still there. */
  strayStaging(): readonly string[] {
    return [...this.state.machines.keys()].flatMap((machine) => {
      const disk = diskOf(this.state, machine);
      return disk.tree('/').filter((path) => /(?:\.|\/\.)pgrepl-staging$/.test(path)).map((path) => `${machine}:${path}`);
    });
  }

  /** Everything that should be as before, or as after an undisturbed run: comparable, without positions, pids and times. */
  snapshot(): Snapshot {
    return snapshotOf(this.state, this.postgres);
  }

  /** Another operator's pgrepl that looks at the same machines. */
  world(options: FakeWorldOptions = {}): FakeWorld {
    return new FakeWorld(this, options);
  }

  /** What ends with the connections of a pgrepl: its sessions, its locks, its guarded programs. */
  endSessions(): void {
    for (const server of this.state.servers.values()) server.advisory.clear();
    for (const machine of this.state.machines.values()) {
      machine.locks.clear();
      for (const process of [...machine.processes.values()]) if (process.guarded) machine.processes.delete(process.pid);
    }
    for (const backup of [...this.state.backups.values()]) {
      if (!machineNamed(this.state, backup.process.machine).processes.has(backup.process.pid)) this.state.backups.delete(backup.pid);
    }
  }

  #violation(text: string): void {
    if (!this.state.violations.includes(text)) this.state.violations.push(text);
  }

  /** The running server of a node. Throws when it is down. */
  startedServer(name: string): RunningServer {
    const server = this.running(name);
    if (server === null) throw new Error(`${name} does not run`);
    return server;
  }
}

/** The world of one run of pgrepl: everything it does to the fleet is counted, and can be made to break at any point. */
export class FakeWorld implements World {
  readonly fleet: FakeFleet;
  readonly signal: AbortSignal;
  readonly run: string;
  readonly givenPassword: Secret | null;
  readonly #gate: Gate;
  readonly #options: FakeWorldOptions;
  readonly #nodes = new Map<string, NodeWorld>();

  constructor(fleet: FakeFleet, options: FakeWorldOptions = {}, gate: Gate = new Gate((what) => { fleet.look(what); })) {
    this.fleet = fleet;
    this.signal = options.signal ?? new AbortController().signal;
    this.run = options.run ?? 'run-1';
    this.givenPassword = options.givenPassword ?? null;
    this.#gate = gate;
    this.#options = options;
  }

  /** Changes made so far through this world. */
  get changes(): number {
    return this.#gate.changes;
  }

  /** What they were, in order. */
  get log(): readonly string[] {
    return this.#gate.log;
  }

  get dead(): boolean {
    return this.#gate.dead;
  }

  /** Breaks once, just before or just after change `n`: with an error, or by the death of this whole world. */
  failAt(n: number, when: Failure['when'], how: Failure['how']): void {
    this.#gate.failAt(n, when, how);
  }

  /** Power is back: a new world over the same machines. Sessions, locks and guarded programs of the old one are gone; servers run on. */
  revive(options: FakeWorldOptions = this.#options): FakeWorld {
    this.#gate.dead = true;
    this.fleet.endSessions();
    return new FakeWorld(this.fleet, options);
  }

  node(name: string): NodeWorld {
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const node = nodeWorld(this.fleet, name, this.#gate, this.#options.leavesOrphans ?? false);
    this.#nodes.set(name, node);
    return node;
  }

  async machine(): Promise<Host> {
    return await Promise.resolve(new FakeHost(machineNamed(this.fleet.state, LOOPBACK_MACHINE), 'root', this.#gate));
  }

  async pooler(at: PoolerAddress): Promise<Pooler> {
    return await this.#gate.read(() => fakePooler(this.fleet.state, this.#gate, at));
  }

  withSignal(signal: AbortSignal): FakeWorld {
    return new FakeWorld(this.fleet, { ...this.#options, signal }, this.#gate);
  }

  async waitFor<T>(what: string, probe: (say: (text: string) => void) => Promise<T | null>, limits: WaitLimits): Promise<T> {
    const said: string[] = [];
    const until = this.fleet.state.now + limits.deadlineMs;
    if (limits.firstMs !== undefined) this.fleet.tick(limits.firstMs);
    for (;;) {
      this.#gate.alive();
      if (this.signal.aborted) throw new PgreplError('interrupted', 'interrupted', `interrupted while waiting for ${what}`);
      const value = await probe((text) => {
        said.push(text);
      });
      if (value !== null) return value;
      if (this.fleet.state.now >= until) throw new PgreplError('unfinished', 'wait-timeout', `${what} did not come within ${limits.deadlineMs / 1000} s${said.slice(-1).map((text) => `: ${text}`).join('')}`);
      // A wait without an end watches something else that goes on: let it. Others are not walked through in steps of a few milliseconds.
      if (limits.deadlineMs === Number.POSITIVE_INFINITY) await new Promise(setImmediate);
      this.fleet.tick(limits.deadlineMs === Number.POSITIVE_INFINITY ? limits.everyMs : Math.max(limits.everyMs, limits.deadlineMs / 400));
    }
  }
}

/** Closures and not methods, because steps take the calls out of the object: `const { host, programs } = world.node(…)`. */
function nodeWorld(fleet: FakeFleet, name: string, gate: Gate, leavesOrphans: boolean): NodeWorld {
  const { place, machine: machineName, versionNumber } = fleet.node(name);
  const machine = machineNamed(fleet.state, machineName);
  const listens = (port: number): boolean => [...fleet.state.servers.values()].some((server) => server.machine === machineName && settingOf(server, 'port') === String(port));
  const host = new FakeHost(machine, place.osUser, gate, null, listens);
  const programs = new FakePrograms({ fleet: fleet.state, gate, node: name, machine: machineName, user: place.osUser, versionNumber, leavesOrphans });
  let session: FakeServer | null = null;

  const openSession = (): FakeServer => {
    const fail = (code: string, message: string): PgreplError => new PgreplError('unreachable', code, message, { node: name });
    if (machine.isolated) throw fail('host-unreachable', `${host.label} cannot be reached`);
    const server = fleet.running(name);
    if (server === null) throw fail('server-down', `no server runs in ${place.pgdata}`);
    if (server.stopping !== null) throw fail('server-stopping', 'the server is shutting down');
    if (fleet.postgres.files(server).catalog().roles[place.adminUser]?.login !== true) {
      throw new PgreplError('refused', 'login-refused', `role "${place.adminUser}" does not exist`, { node: name });
    }
    return new FakeServer({ fleet: fleet.state, gate, node: name, user: place.adminUser, server });
  };

  return {
    place,
    host,
    programs: async () => await gate.read((): Programs => programs),
    service: async () => await gate.read(() => fakeService(diskOf(fleet.state, machineName), place.pgdata)),
    needsSudo: async () => await Promise.resolve(false),
    mayAskService: async () => await Promise.resolve(null),
    server: async () =>
      await gate.read((): Server => {
        if (session === null || session.broken) session = openSession();
        return session;
      }),
    forget: async () => {
      const old = session;
      session = null;
      await old?.close();
    },
    // Its servers are never full.
    glimpse: async () => await Promise.reject(new PgreplError('refused', 'login-refused', 'no rule lets replication in', { node: name })),
    proveSession: async ({ host: address, port }, database, user, password) => {
      await gate.read(() => {
        const trouble = sessionTrouble(fleet.postgres, { from: machineName, host: address, port, user, password }, database);
        if (trouble !== null) throw new PgreplError('refused', 'login-refused', trouble, { node: name });
      });
    },
    proveLogin: async ({ host: address, port }, user, password) =>
      await gate.read(() => {
        const admission = fleet.postgres.admit({ from: machineName, host: address, port, user, password });
        if ('trouble' in admission) throw new PgreplError('refused', 'login-refused', admission.trouble, { node: name });
        return admission.server.systemIdentifier;
      }),
  };
}

/** The value in force in a running node. */
export function settingIn(fleet: FakeFleet, node: string, name: string): string {
  const server = fleet.running(node);
  if (server === null) throw new Error(`${node} does not run`);
  return settingOf(server, name);
}

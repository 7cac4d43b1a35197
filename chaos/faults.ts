import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { freeze, serverProcesses, thaw } from '../test/support/freeze.ts';
import type { Chance } from '../test/support/chance.ts';
import type { Ran, RunningPgrepl } from '../test/support/run-pgrepl.ts';
import { land, type Blow } from '../test/support/strike.ts';
import { runningOf } from './belief.ts';
import type { Errand } from './errands.ts';
import { diskOf, type Stage } from './stage.ts';
import { WIRE_FAULTS, type WireFault } from './wires.ts';

/** One thing that goes wrong while a command is at work. */
export interface Fault {
  /** Counted by this. */
  readonly kind: string;
  /** In words, with whom it hits and for how long. */
  readonly told: string;
  /** Which of both it is done to; the same command may find a broken network or server, and must say so. */
  readonly to: 'tool' | 'world' | 'nobody';
  /** Servers that it ends without leaving their pid file. */
  readonly ends?: string;
  strike(running: RunningPgrepl | null): Promise<void>;
  /** The world is whole again when this resolves, but for servers that have ended. */
  lift(): Promise<void>;
  /** What a second operator's command came to. */
  readonly other?: { ran: Ran | null; readonly args: readonly string[] };
}

const NOTHING: Fault = { kind: 'none', told: 'left alone', to: 'nobody', strike: async () => undefined, lift: async () => undefined };
const GENTLE: readonly Blow[] = ['terminate', 'interrupt', 'hang-up'];
const HARD: readonly Blow[] = ['kill', 'kill', 'kill-tree'];
const BY_ROAD: readonly Blow[] = ['cut', 'silence', 'end-sessions'];

/** A fault for this errand, by chance. */
export function chooseFault(stage: Stage, errand: Errand, chance: Chance): Fault {
  const running = runningOf(stage.belief);
  const target = chance.next() < 0.6 && running.includes(errand.about) ? errand.about : chance.pick(running);
  const forMs = 300 + chance.below(5_000);
  const choices: readonly (readonly [number, () => Fault | null])[] = [
    [3, () => NOTHING],
    [6, () => blow(stage, chance.pick(HARD))],
    [2, () => blow(stage, chance.pick(GENTLE))],
    [stage.m.road === null ? 0 : 5, () => blow(stage, chance.pick(BY_ROAD))],
    [3, () => kill(stage, target, null)],
    [2, () => kill(stage, target, 100 + chance.below(1_500))],
    [3, () => killProcess(stage, target, chance.pick(['walreceiver', 'walsender', 'startup']))],
    [3, () => stop(stage, target, chance.pick(['everything', 'everything', 'walreceiver', 'walsender', 'startup', 'checkpointer']), forMs)],
    [stage.wires === null ? 0 : 6, () => network(stage, target, chance.pick(WIRE_FAULTS), forMs)],
    [stage.disks ? 2 : 0, () => full(stage, chance.pick([target, 'state']), forMs)],
    [errand.others.length === 0 ? 0 : 3, () => second(stage, chance.pick(errand.others))],
    [errand.accidentOf === null ? 0 : 3, () => comeBack(stage, errand.accidentOf ?? '')],
  ];
  const total = choices.reduce((sum, [weight]) => sum + weight, 0);
  let at = chance.below(total);
  for (const [weight, make] of choices) {
    if (at < weight) return make() ?? NOTHING;
    at -= weight;
  }
  return NOTHING;
}

/** To the tool's process, or to its network. */
function blow({ m }: Stage, kind: Blow): Fault {
  const network = BY_ROAD.includes(kind);
  return {
    kind: `tool ${kind}`,
    told: `${kind} the tool`,
    to: 'tool',
    strike: async (running) => {
      if (running !== null) land(m, running.child, kind);
    },
    lift: async () => {
      m.road?.wire.set({});
      if (network) m.road?.wire.cut();
    },
  };
}

/** The postmaster ends like in a power cut; started again after a while as by a service manager, or only once the command is over. */
function kill({ m }: Stage, node: string, backAfterMs: number | null): Fault {
  let back: Promise<void> = Promise.resolve();
  return {
    kind: backAfterMs === null ? 'server kill -9' : 'server kill -9, restarted',
    told: `kill -9 ${node}${backAfterMs === null ? '' : `, started again after ${backAfterMs} ms`}`,
    to: 'world',
    strike: async () => {
      if ((await m.postmaster(node)) === null) return;
      await m.killServer(node).catch(() => undefined);
      if (backAfterMs === null) return;
      back = pause(backAfterMs).then(async () => { await m.startServer(node).catch(() => undefined); });
    },
    lift: async () => {
      await back;
    },
  };
}

/** One process of a server; the postmaster then restarts all of them, or ends after its startup process. */
function killProcess({ m }: Stage, node: string, which: string): Fault {
  return {
    kind: `${which} kill -9`,
    told: `kill -9 the ${which} of ${node}`,
    to: 'world',
    ...(which === 'startup' ? { ends: node } : {}),
    strike: async () => {
      for (const pid of await serverProcesses(m, node, titled(which)).catch(() => [])) send(pid, 'SIGKILL');
    },
    lift: async () => undefined,
  };
}

/** SIGSTOP, and SIGCONT after that time or once the command is over. */
function stop({ m }: Stage, node: string, which: string, forMs: number): Fault {
  let thawing: Promise<void> = Promise.resolve();
  const go = async (): Promise<void> => { await thaw(m, node).catch(() => undefined); };
  return {
    kind: which === 'everything' ? 'server SIGSTOP' : `${which} SIGSTOP`,
    told: `SIGSTOP ${which} of ${node} for ${forMs} ms`,
    to: 'world',
    strike: async () => {
      await freeze(m, node, which === 'everything' ? /./ : titled(which)).catch(() => undefined);
      thawing = pause(forMs).then(go);
    },
    lift: async () => {
      await go();
      await thawing;
    },
  };
}

/** Of the wire to this node, for whoever streams from it or copies it. */
function network({ wires }: Stage, node: string, fault: WireFault, forMs: number): Fault {
  let mending: Promise<void> = Promise.resolve();
  const mend = (): void => { wires?.mend(node); };
  return {
    kind: `network: ${fault}`,
    told: `the network to ${node}: ${fault}, for ${forMs} ms`,
    to: 'world',
    strike: async () => {
      wires?.break(node, fault);
      mending = pause(forMs).then(mend);
    },
    lift: async () => {
      mend();
      await mending;
    },
  };
}

/** Every byte that is left on this disk is taken, until the command is over or that time has gone by. */
function full({ m }: Stage, name: string, forMs: number): Fault {
  const path = join(diskOf(m, name), '.full');
  const free = (): void => { rmSync(path, { force: true }); };
  let freeing: Promise<void> = Promise.resolve();
  return {
    kind: name === 'state' ? "disk full: the tool's" : "disk full: a server's",
    told: `the disk of ${name} is full for ${forMs} ms`,
    to: 'world',
    ...(name === 'state' ? {} : { ends: name }),
    strike: async () => {
      const { bavail, bsize } = statfsSync(diskOf(m, name));
      spawnSync('fallocate', ['-l', String(bavail * bsize), path]);
      freeing = pause(forMs).then(free);
    },
    lift: async () => {
      free();
      await freeing;
    },
  };
}

/** Another operator, with a journal of his own, types something at the same time. */
function second({ m }: Stage, args: readonly string[]): Fault {
  const other: { ran: Ran | null; readonly args: readonly string[] } = { ran: null, args };
  let running: RunningPgrepl | null = null;
  return {
    kind: 'second operator',
    told: `a second operator: pgrepl ${args.join(' ')}`,
    to: 'world',
    other,
    strike: async () => {
      running = m.start([...args, '--yes', '--json'], { env: { XDG_STATE_HOME: join(m.root, 'state-of-another') } });
    },
    lift: async () => {
      other.ran = (await running?.ended) ?? null;
    },
  };
}

/** The server whose end is being answered comes back by itself, as at a boot. */
function comeBack({ m }: Stage, node: string): Fault {
  let coming: Promise<void> = Promise.resolve();
  return {
    kind: 'old primary comes back',
    told: `${node} is started by somebody else`,
    to: 'world',
    strike: async () => {
      coming = m.startServer(node).catch(() => undefined);
    },
    lift: async () => {
      await coming;
    },
  };
}

function titled(which: string): RegExp {
  return new RegExp(`postgres: .*${which}`);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

import type { Chance } from '../test/support/chance.ts';
import { afterAttach, afterFailover, afterRemoval, afterSwitchover, followersOf, type Belief } from './belief.ts';
import { clearDirectory, type Stage } from './stage.ts';

/** What was seen once the command was done: only to choose among the outcomes that are right. */
export interface Outcome {
  readonly primary: string;
  readonly locked: readonly string[];
}

/** One thing that the operator wants, and what the cluster must be like then. */
export interface Errand {
  readonly kind: 'switchover' | 'promote' | 'failover' | 'start primary' | 'follow' | 'add-standby' | 'remove-standby' | 'bring back' | 'rejoin' | 'sync';
  readonly args: readonly string[];
  /** The node that it is about: faults like to hit it. */
  readonly about: string;
  /** The server whose end it answers; `null` for planned work. */
  readonly accidentOf: string | null;
  /** Whether that server is started again by its service manager once the first command is over; else it stays down. */
  readonly returns?: boolean;
  /** Just before the command. */
  readonly accident: () => Promise<void>;
  /** What a second operator may type at the same time. */
  readonly others: readonly (readonly string[])[];
  /** Throws when the outcome is none of the right ones. */
  readonly after: (outcome: Outcome) => Belief;
}

/** What to do next in this cluster, by chance: whoever is missing is brought back first. */
export async function chooseErrand(stage: Stage, chance: Chance): Promise<Errand> {
  const { belief } = stage;
  const [fenced] = belief.fenced;
  if (fenced !== undefined) {
    const dice = chance.next();
    return dice < 0.7 ? rejoin(stage, fenced, chance) : dice < 0.8 ? remove(stage, fenced) : await bringBack(stage, fenced, chance);
  }
  const [absent] = belief.absent;
  if (absent !== undefined) return await bringBack(stage, absent, chance);
  const direct = followersOf(belief, belief.primary);
  const leaves = Object.keys(belief.streams).filter((name) => followersOf(belief, name).length === 0);
  const choices: readonly (readonly [number, () => Errand | Promise<Errand>])[] = [
    [4, () => planned(stage, 'switchover', chance.pick(direct))],
    [3, () => planned(stage, 'promote', chance.pick(direct))],
    [5, () => failover(stage, chance.pick(direct), chance)],
    [2, () => startPrimary(stage, chance)],
    [3, () => follow(stage, chance)],
    [2, () => remove(stage, chance.pick(leaves))],
    [2, () => sync(stage)],
  ];
  let at = chance.below(choices.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, make] of choices) {
    if (at < weight) return await make();
    at -= weight;
  }
  throw new Error('no errand was chosen');
}

function planned({ belief }: Stage, kind: 'switchover' | 'promote', to: string): Errand {
  const another = followersOf(belief, belief.primary).filter((name) => name !== to);
  return {
    kind,
    args: [kind, to],
    about: to,
    accidentOf: null,
    accident: async () => undefined,
    others: [[kind, to], ...another.flatMap((name) => [['switchover', name], ['promote', name]])],
    after: (outcome) => {
      mustBe(outcome, [to]);
      return afterSwitchover(belief, to);
    },
  };
}

/** The primary dies, or is shut down, and a standby takes over; where it comes back by itself meanwhile, that is a planned change. */
function failover({ m, belief, wires, writers }: Stage, to: string, chance: Chance): Errand {
  const old = belief.primary;
  const how = chance.pick(['kill', 'kill', 'kill', 'stop'] as const);
  // Commits that no standby has seen: they are lost unless the old primary can be started again.
  const isAlone = wires !== null && chance.next() < 0.4;
  const another = followersOf(belief, old).filter((name) => name !== to);
  return {
    kind: 'failover',
    args: ['promote', to],
    about: to,
    accidentOf: old,
    returns: chance.next() < 0.2,
    accident: async () => {
      if (isAlone) {
        wires.break(old, 'nothing goes through');
        // With a synchronous set none of them is acknowledged any more.
        if (belief.sync) await new Promise((resolve) => setTimeout(resolve, 400));
        else await writers.more(20, 10_000);
      }
      if (how === 'kill') await m.killServer(old);
      else await m.stopServer(old, 'immediate');
      if (isAlone) wires.mend(old);
    },
    others: [['promote', to], ...another.map((name) => ['promote', name])],
    after: (outcome) => {
      // A better one is named when this one has less.
      mustBe(outcome, [to, ...another]);
      return outcome.locked.includes(old) ? afterFailover(belief, outcome.primary) : afterSwitchover(belief, outcome.primary);
    },
  };
}

function startPrimary({ m, belief }: Stage, chance: Chance): Errand {
  const { primary } = belief;
  const mode = chance.pick(['kill', 'fast', 'immediate'] as const);
  return {
    kind: 'start primary',
    args: ['init-primary', primary, '--start'],
    about: primary,
    accidentOf: null,
    accident: async () => {
      if (mode === 'kill') await m.killServer(primary);
      else await m.stopServer(primary, mode);
    },
    others: [['init-primary', primary, '--start']],
    after: (outcome) => {
      mustBe(outcome, [primary]);
      return belief;
    },
  };
}

function follow({ belief }: Stage, chance: Chance): Errand {
  const leaves = Object.keys(belief.streams).filter((name) => followersOf(belief, name).length === 0);
  const name = chance.pick(leaves);
  const upstream = chance.pick([belief.primary, ...Object.keys(belief.streams).filter((one) => one !== name)]);
  return {
    kind: 'follow',
    args: ['follow', name, '--upstream', upstream],
    about: name,
    accidentOf: null,
    accident: async () => undefined,
    others: [['follow', name, '--upstream', upstream]],
    after: (outcome) => {
      mustBe(outcome, [belief.primary]);
      return afterAttach(belief, name, upstream);
    },
  };
}

/** Commits wait for one of the direct standbys from now on, or for none any more. */
function sync({ belief }: Stage): Errand {
  const args = belief.sync ? ['sync', 'off'] : ['sync', 'any', '1'];
  return {
    kind: 'sync',
    args,
    about: followersOf(belief, belief.primary)[0] ?? belief.primary,
    accidentOf: null,
    accident: async () => undefined,
    others: [args],
    after: (outcome) => {
      mustBe(outcome, [belief.primary]);
      return { ...belief, sync: !belief.sync };
    },
  };
}

function remove({ belief }: Stage, name: string): Errand {
  return {
    kind: 'remove-standby',
    args: ['remove-standby', name],
    about: name,
    accidentOf: null,
    accident: async () => undefined,
    others: [['remove-standby', name]],
    after: (outcome) => {
      mustBe(outcome, [belief.primary]);
      return afterRemoval(belief, name);
    },
  };
}

/** Rewound, copied anew, or as it is: whatever that takes. Sometimes the rows that only it has are asked for first. */
function rejoin({ belief }: Stage, name: string, chance: Chance): Errand {
  const args = ['rejoin', name, ...(chance.next() < 0.7 ? ['--discard'] : []), ...(chance.next() < 0.25 ? ['--copy'] : [])];
  return {
    kind: 'rejoin',
    args,
    about: name,
    accidentOf: null,
    accident: async () => undefined,
    others: [args],
    after: (outcome) => {
      mustBe(outcome, [belief.primary]);
      return afterAttach(belief, name, belief.primary);
    },
  };
}

/** A copy anew into an empty directory; what an old primary had more was given up with the failover. */
async function bringBack(stage: Stage, name: string, chance: Chance): Promise<Errand> {
  const { m, belief } = stage;
  const upstream = chance.next() < 0.25 ? chance.pick(Object.keys(belief.streams)) : belief.primary;
  const args = ['add-standby', ...(await stage.placeWords(name)), ...(chance.next() < 0.5 ? ['--no-verify'] : []), ...(upstream === belief.primary ? [] : ['--upstream', upstream])];
  return {
    kind: belief.fenced.includes(name) ? 'bring back' : 'add-standby',
    args,
    about: name,
    accidentOf: null,
    accident: async () => { await clearDirectory(m, name); },
    others: [args],
    after: (outcome) => {
      mustBe(outcome, [belief.primary]);
      return afterAttach(belief, name, upstream);
    },
  };
}

function mustBe({ primary }: Outcome, allowed: readonly string[]): void {
  if (!allowed.includes(primary)) throw new Error(`the primary is ${primary === '' ? 'nobody' : primary}, not ${allowed.join(' or ')}`);
}

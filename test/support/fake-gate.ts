import { PgreplError } from '../../src/errors.ts';

/** The operator's machine went dark: every call from then on ends like this, also those of an undo. */
export class PowerCut extends Error {
  constructor() {
    super('power cut');
    this.name = 'PowerCut';
  }
}

export interface Failure {
  /** From 1, in the order in which the changes are made. */
  readonly at: number;
  readonly when: 'before' | 'after';
  readonly how: 'error' | 'death';
}

/** One door for every change of the fake world: counts them, and breaks at the one that a test has chosen. */
export class Gate {
  /** Changes made so far. */
  changes = 0;
  /** What each of them was, for messages of a failing test. */
  readonly log: string[] = [];
  dead = false;
  #failure: Failure | null = null;
  readonly #afterChange: (what: string) => void;

  /** `afterChange` looks at the world after each change, for example whether an invariant still holds. */
  constructor(afterChange: (what: string) => void) {
    this.#afterChange = afterChange;
  }

  /** Breaks once, just before or just after change number `at`. */
  failAt(at: number, when: Failure['when'], how: Failure['how']): void {
    this.#failure = { at, when, how };
  }

  /** Reads: no change, but not from beyond the grave. */
  async read<T>(act: () => T): Promise<T> {
    await Promise.resolve();
    this.alive();
    return act();
  }

  async change<T>(what: string, act: () => T): Promise<T> {
    await Promise.resolve();
    return this.changeNow(what, act);
  }

  /** One change. What throws by itself is not counted: it changed nothing. */
  changeNow<T>(what: string, act: () => T): T {
    this.alive();
    const number = this.changes + 1;
    const due = this.#failure?.at === number ? this.#failure : null;
    if (due?.when === 'before') this.#break(due, what);
    const result = act();
    this.changes = number;
    this.log.push(what);
    this.#afterChange(what);
    if (due !== null) this.#break(due, what);
    return result;
  }

  /** Throws `PowerCut` when this world is dead. */
  alive(): void {
    if (this.dead) throw new PowerCut();
  }

  #break(failure: Failure, what: string): never {
    this.#failure = null;
    if (failure.how === 'death') {
      this.dead = true;
      throw new PowerCut();
    }
    throw new PgreplError('unreachable', 'injected', `injected failure ${failure.when} change ${failure.at} (${what})`);
  }
}

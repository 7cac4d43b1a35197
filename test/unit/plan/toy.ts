import { PgreplError } from '../../../src/errors.ts';
import type { RunEvent } from '../../../src/plan/events.ts';
import type { Journal } from '../../../src/plan/journal.ts';
import type { RunResult } from '../../../src/plan/outcome.ts';
import { recordsOf, unfinishedRun, type Entry, type JournalEntry, type RawRun, type RunHeader, type RunRecord } from '../../../src/plan/record.ts';
import { runPlan } from '../../../src/plan/run.ts';
import { NOTHING_TO_SHOW, type Plan, type Registry, type StepKind } from '../../../src/plan/step.ts';
import { undoRun } from '../../../src/plan/undo-run.ts';

/** Writes a value, in three changes, so that there is a half-done state. */
export interface Put { readonly kind: 'put'; readonly node: string; readonly key: string; readonly value: string }
/** Like put, but what it wrote is proved ours by a marker. */
export interface Claim { readonly kind: 'claim'; readonly node: string }
export interface Check { readonly kind: 'check'; readonly node: string; readonly key: string; readonly value: string }
/** Stops, passes the point of no return, turns. */
export interface Turn { readonly kind: 'turn'; readonly node: string }
export interface Burn { readonly kind: 'burn'; readonly node: string }
export type Toy = Put | Claim | Check | Turn | Burn;

export type Mode = 'fails' | 'dies';
export interface Fault { readonly at: number; readonly when: 'before' | 'after'; readonly mode: Mode; readonly error?: Error }

/** What outlives a process: the values, and the journals. */
export class Disk {
  readonly values = new Map<string, string>();
  readonly journals: RawRun[] = [];
  snapshot(): Record<string, string> {
    return Object.fromEntries([...this.values].sort());
  }
  records(): readonly RunRecord[] {
    return recordsOf(this.journals);
  }
  unfinished(): RunRecord | null {
    return unfinishedRun(this.records());
  }
}

/** One process on that disk. Every change and every line of the journal is counted, and may fail or be its last. */
export class Process {
  readonly disk: Disk;
  readonly faults: readonly Fault[];
  /** The changes so far; `journal` too when they are counted. */
  count = 0;
  dead = false;
  readonly countJournal: boolean;
  readonly onChange: (count: number) => void;
  readonly died: Promise<'died'>;
  #die: (word: 'died') => void = () => undefined;

  constructor(disk: Disk, faults: readonly Fault[] = [], { countJournal = false, onChange = (_count: number): void => undefined } = {}) {
    this.disk = disk;
    this.faults = faults;
    this.countJournal = countJournal;
    this.onChange = onChange;
    this.died = new Promise((resolve) => { this.#die = resolve; });
  }

  /** One change of the disk. A dead process never goes on. */
  async change(signal: AbortSignal, act: () => void): Promise<void> {
    await Promise.resolve();
    if (this.dead) await new Promise(() => undefined);
    signal.throwIfAborted();
    this.count += 1;
    this.onChange(this.count);
    const fault = this.faults.find(({ at }) => at === this.count);
    if (fault?.when !== 'before') act();
    if (fault === undefined) return;
    if (fault.mode === 'fails') throw fault.error ?? new PgreplError('undone', 'toy-failed', `change ${this.count} failed`);
    this.dead = true;
    this.#die('died');
    await new Promise(() => undefined);
  }

  async read(): Promise<Disk> {
    await Promise.resolve();
    if (this.dead) await new Promise(() => undefined);
    return this.disk;
  }

  /** A journal in memory, through JSON as on a disk. */
  journal(title: string, resumes: string | null, into?: RunRecord): Journal {
    const number = this.disk.journals.length + 1;
    const header: RunHeader = into?.header ?? { ...HEADER, title, command: `toy ${title}`, run: `run${number}`, started: `2026-01-01T00:00:${String(number).padStart(2, '0')}.000Z`, resumes };
    let entries: JournalEntry[] = [];
    if (into === undefined) this.disk.journals.push({ path: '', header, entries });
    else entries = this.disk.journals.find((raw) => raw.header.run === into.run)?.entries as JournalEntry[];
    return { run: header.run, append: (entry) => { this.#append(entries, entry); }, close: () => undefined };
  }

  #append(entries: JournalEntry[], entry: Entry): void {
    const write = (): void => { entries.push(JSON.parse(JSON.stringify({ at: '', ...entry })) as JournalEntry); };
    if (this.dead) throw new Error('a dead process writes nothing');
    if (!this.countJournal) { write(); return; }
    this.count += 1;
    const fault = this.faults.find(({ at }) => at === this.count);
    if (fault?.when !== 'before') write();
    if (fault === undefined) return;
    if (fault.mode === 'dies') {
      this.dead = true;
      this.#die('died');
    }
    throw new PgreplError('undone', 'journal-unwritable', 'the journal is full');
  }
}

const HEADER: RunHeader = { format: 1, run: '', command: '', title: '', cluster: 'toy', clusterFile: '/toy', systemIdentifier: null, nodes: [], pid: 1, user: 'u', machine: 'm', started: '', resumes: null };

export interface ToyWorld { readonly process: Process; readonly signal: AbortSignal }

const putKind: StepKind<Put, ToyWorld, { readonly value: string | null }> = {
  title: (step) => `put ${step.key}=${step.value}`,
  preview: async (step) => await Promise.resolve({ ...NOTHING_TO_SHOW, commands: [['put', step.key, step.value]] }),
  look: async (step, { process }) => {
    const { values } = await process.read();
    return values.get(step.key) === step.value && !values.has(`${step.key}.part`) ? { already: true } : { already: false, before: { value: values.get(step.key) ?? null } };
  },
  apply: async (step, { process, signal }, tell) => {
    const { values } = process.disk;
    await process.change(signal, () => values.set(`${step.key}.part`, step.value));
    tell.progress({ phase: 'half' });
    await process.change(signal, () => values.set(step.key, step.value));
    await process.change(signal, () => values.delete(`${step.key}.part`));
  },
  undo: async (step, before, { process, signal }) => {
    const { values } = process.disk;
    await process.change(signal, () => (before.value === null ? values.delete(step.key) : values.set(step.key, before.value)));
    await process.change(signal, () => values.delete(`${step.key}.part`));
  },
};

const claimKind: StepKind<Claim, ToyWorld, null> = {
  title: () => 'claim',
  preview: async () => await Promise.resolve(NOTHING_TO_SHOW),
  look: async (_step, { process }) => ((await process.read()).values.has('marker') ? { already: true, ours: null } : { already: false, before: null }),
  apply: async (_step, { process, signal }) => { await process.change(signal, () => process.disk.values.set('marker', 'pgrepl')); },
  undo: async (_step, _before, { process, signal }) => { await process.change(signal, () => process.disk.values.delete('marker')); },
};

const checkKind: StepKind<Check, ToyWorld, null> = {
  title: (step) => `check ${step.key}`,
  preview: async (step, { process }) => {
    if (!process.disk.values.has(step.key)) throw new PgreplError('unreachable', 'toy-missing', 'nothing there yet');
    return await Promise.resolve(NOTHING_TO_SHOW);
  },
  look: async () => await Promise.resolve({ already: false, before: null }),
  apply: async (step, { process }) => {
    if ((await process.read()).values.get(step.key) !== step.value) throw new PgreplError('refused', 'toy-wrong', `${step.key} is wrong`);
  },
  undo: 'nothing',
};

const turnKind: StepKind<Turn, ToyWorld, null> = {
  title: () => 'turn',
  preview: async () => await Promise.resolve(NOTHING_TO_SHOW),
  look: async (_step, { process }) => ((await process.read()).values.has('turned') ? { already: true } : { already: false, before: null }),
  apply: async (_step, { process, signal }, tell) => {
    await process.change(signal, () => process.disk.values.set('stopped', 'yes'));
    await tell.noReturn('turn it');
    await process.change(signal, () => process.disk.values.set('turned', 'yes'));
  },
  undo: async (_step, _before, { process, signal }) => {
    if (process.disk.values.has('turned')) throw new PgreplError('unfinished', 'toy-turned', 'it is turned');
    await process.change(signal, () => process.disk.values.delete('stopped'));
  },
};

const burnKind: StepKind<Burn, ToyWorld, null> = {
  title: () => 'burn',
  preview: async () => await Promise.resolve(NOTHING_TO_SHOW),
  look: async (_step, { process }) => ((await process.read()).values.has('burnt') ? { already: true } : { already: false, before: null }),
  apply: async (_step, { process, signal }) => { await process.change(signal, () => process.disk.values.set('burnt', 'yes')); },
  undo: 'impossible',
};

export const toys: Registry<Toy, ToyWorld> = { put: putKind, claim: claimKind, check: checkKind, turn: turnKind, burn: burnKind };

export const put = (key: string, value: string): Put => ({ kind: 'put', node: 'n1', key, value });
export const claim: Claim = { kind: 'claim', node: 'n2' };
export const check = (key: string, value: string): Check => ({ kind: 'check', node: 'n1', key, value });
export const turn: Turn = { kind: 'turn', node: 'n2' };
export const burn: Burn = { kind: 'burn', node: 'n1' };

/** A plan of these steps. */
export const toyPlan = (...steps: readonly Toy[]): Plan<Toy> => ({ title: 'play', command: 'toy play', basis: { start: '1' }, steps, notices: [] });

export const never: AbortSignal = new AbortController().signal;

export interface Ran { readonly result: RunResult | 'died'; readonly events: readonly RunEvent[]; readonly process: Process; readonly record: RunRecord }

/** Runs a plan on a disk as a command would: going on with the unfinished run, if there is one. */
export async function run(disk: Disk, plan: Plan<Toy>, given: { faults?: readonly Fault[]; countJournal?: boolean; interrupted?: AbortSignal; locksLost?: AbortSignal; onChange?: (count: number) => void; goOn?: boolean } = {}): Promise<Ran> {
  const process = new Process(disk, given.faults, { countJournal: given.countJournal ?? false, ...(given.onChange === undefined ? {} : { onChange: given.onChange }) });
  const prior = given.goOn === false ? null : disk.unfinished();
  const journal = process.journal(plan.title, prior?.run ?? null);
  const events: RunEvent[] = [];
  const running = runPlan({ plan, registry: toys, world: (signal) => ({ process, signal }), journal, prior, listener: (event) => events.push(event), interrupted: given.interrupted ?? never, locksLost: given.locksLost ?? never });
  const result = await Promise.race([process.died, running]);
  const record = disk.records().find((one) => one.run === journal.run);
  if (record === undefined) throw new Error('no record');
  return { result: process.dead ? 'died' : result, events, process, record };
}

/** `undo` of the unfinished run of a disk. */
export async function undo(disk: Disk, given: { faults?: readonly Fault[]; interrupted?: AbortSignal; record?: RunRecord } = {}): Promise<Omit<Ran, 'record'>> {
  const process = new Process(disk, given.faults);
  const record = given.record ?? disk.unfinished();
  if (record === null) throw new Error('nothing to undo');
  const events: RunEvent[] = [];
  const undoing = undoRun({ record, registry: toys, world: (signal) => ({ process, signal }), journal: process.journal('', null, record), listener: (event) => events.push(event), interrupted: given.interrupted });
  const result = await Promise.race([process.died, undoing]);
  return { result: process.dead ? 'died' : result, events, process };
}

/** The events as short lines. */
export function lines(events: readonly RunEvent[]): readonly string[] {
  return events.map((event) => {
    switch (event.event) {
      case 'step':
        return `${event.state} ${event.number}/${event.of} ${event.title}`;
      case 'run':
        return `run ${event.run} of ${event.steps}${event.resumes === null ? '' : ` resumes ${event.resumes}`}`;
      case 'progress':
        return `progress ${event.number} ${event.phase ?? ''}`;
      case 'no-return':
        return `no-return ${event.number} ${event.says}`;
      case 'result':
        return `result ${event.outcome} ${event.exit}`;
      default:
        return event satisfies never;
    }
  });
}

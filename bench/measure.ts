import { spawn } from 'node:child_process';
import type { Installation } from '../test/support/at-hand.ts';

/** One row of the table: what pgrepl takes, next to a reference taken in the same run. */
export interface Result {
  readonly what: string;
  readonly reference: string;
  readonly unit: 'ms' | 's' | 'per s';
  /** Medians. */
  readonly pgrepl: number;
  readonly byReference: number;
  /** Median of the ratios of each round: what both took within the same seconds. */
  readonly ratio: number;
  readonly rounds: number;
  /** The ratio may be at most this; `null`: only reported. */
  readonly budget: number | null;
  readonly wished?: number;
  /** What else was seen: rows lost, stalls. */
  readonly note?: string;
}

export interface Bench {
  readonly short: boolean;
  readonly installation: Installation;
  /** Node's own variables that slow it down are not in it. */
  readonly env: Readonly<Record<string, string>>;
  say(text: string): void;
}

export interface Case {
  readonly name: string;
  run(bench: Bench): Promise<readonly Result[]>;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return (low + high) / 2;
}

export type Timed = () => Promise<number>;

/** Takes each in turn, the order turned round every time, and returns the milliseconds of each by round. */
export async function interleave(rounds: number, takes: readonly Timed[], warmUps = 1): Promise<readonly (readonly number[])[]> {
  const taken: number[][] = takes.map(() => []);
  for (let round = -warmUps; round < rounds; round += 1) {
    const order = [...takes.keys()];
    if (round % 2 !== 0) order.reverse();
    for (const index of order) {
      const ms = await takes[index]!();
      if (round >= 0) taken[index]!.push(ms);
    }
  }
  return taken;
}

export function result(of: Pick<Result, 'what' | 'reference' | 'unit' | 'budget'> & { readonly wished?: number; readonly note?: string }, pgrepl: readonly number[], reference: readonly number[]): Result {
  const scale = of.unit === 's' ? 1_000 : 1;
  return {
    ...of,
    pgrepl: median(pgrepl) / scale,
    byReference: median(reference) / scale,
    ratio: median(pgrepl.map((ms, round) => ms / (reference[round] ?? Number.NaN))),
    rounds: pgrepl.length,
  };
}

/** Milliseconds from the start of a program until it has ended; its output goes nowhere. Fails unless it ends with one of these codes. */
export async function timeProgram(argv: readonly string[], options: { readonly env: Readonly<Record<string, string>>; readonly uid?: number; readonly gid?: number; readonly cwd?: string; readonly codes?: readonly number[] }): Promise<number> {
  const { codes = [0], ...spawned } = options;
  return await new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(argv[0] ?? '', argv.slice(1), { ...spawned, stdio: 'ignore' });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code !== null && codes.includes(code)) resolve(performance.now() - began);
      else reject(new Error(`${argv.join(' ')} ended with ${String(code)}`));
    });
  });
}

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

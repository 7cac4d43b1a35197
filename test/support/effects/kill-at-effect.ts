import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chanceOf } from '../chance.ts';
import type { Machine, Ran } from '../cluster.ts';
import { complaintsAbout, type ExpectedWorld } from '../expected-world.ts';
import { keepCopies } from '../kept-copies.ts';
import { startProber } from '../prober.ts';
import type { CountedProgram } from './build.ts';

/** Rounds for each command; `all` is every effect, before and after it, with the children killed and left alive. */
const ROUNDS = process.env['PGREPL_EFFECTS'] ?? '2';

/** A command, and what the cluster must be like once it is done. */
export interface Struck {
  readonly command: string;
  readonly args: readonly string[];
  /** Servers that run before it; they are started on a copy of what was kept. */
  readonly running: readonly string[];
  /** Nodes that stream before it is typed: `{ node2: 'node1' }`. */
  readonly streaming: Readonly<Record<string, string>>;
  /** Just before the command: the accident that it answers. */
  readonly accident?: () => Promise<void>;
  readonly expected: ExpectedWorld;
}

interface Point {
  readonly effect: number;
  readonly when: 'before' | 'after';
  readonly children: 'killed' | 'left alive';
}

/**
 * Runs the command once to count its effects, then kills it at each of them, or at some by chance, on the same cluster again and again, and
 * types it again, at most twice, until it ends with 0. Everything that was wrong is in the error. The servers must be stopped.
 */
export async function killAtEffects(m: Machine, program: CountedProgram, struck: Struck, many = 1): Promise<void> {
  const before = await keepCopies(m);
  const seed = Number(process.env['PGREPL_KILL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const began = performance.now();
  const log = join(m.root, 'effects.log');
  await ready(m, before, struck);
  const alone = await run(m, program, struck, { EFFECTS_LOG: log });
  if (alone.exit !== 0) throw new Error(`left alone it ended with ${String(alone.exit ?? alone.signal)}\n${alone.stdout}${alone.stderr}`);
  const wrong = await complaintsAbout(m, struck.expected);
  if (wrong.length > 0) throw new Error(`left alone:\n${wrong.join('\n')}`);
  const effects = readFileSync(log, 'utf8').trim().split('\n');
  const all = effects.flatMap((_, index) => (['before', 'after'] as const).flatMap((when) => (['killed', 'left alive'] as const).map((children): Point => ({ effect: index + 1, when, children }))));
  const chance = chanceOf(seed);
  const points = ROUNDS === 'all' ? all : chance.shuffled(all).slice(0, Number(ROUNDS) * many);
  process.stdout.write(`${struck.command}: ${effects.length} effects, ${points.length} of ${all.length} kills, seed ${seed}\n${effects.map((line) => `  ${line}\n`).join('')}`);
  const failures: string[] = [];
  for (const point of points) {
    const told = `${struck.command}, killed ${point.when} effect ${point.effect} (${(effects[point.effect - 1] ?? '').replace(/^\d+ /, '')}), children ${point.children}`;
    await ready(m, before, struck);
    const complaints = await oneKill(m, program, struck, point);
    if (complaints.length > 0) {
      failures.push(`${told}\n${complaints.map((line) => `  ✖ ${line}`).join('\n')}`);
      process.stdout.write(`${failures.at(-1) ?? ''}\n`);
    }
  }
  process.stdout.write(`${struck.command}: ${points.length} kills at ${effects.length} effects, ${failures.length} not healed, ${Math.round((performance.now() - began) / 1_000)} s\n`);
  if (failures.length > 0) throw new Error(failures.join('\n\n'));
}

async function oneKill(m: Machine, program: CountedProgram, struck: Struck, { effect, when, children }: Point): Promise<readonly string[]> {
  const places = await Promise.all(struck.running.map(async (name) => await m.place(name)));
  const prober = startProber(places);
  const wrong: string[] = [];
  const runs: Ran[] = [];
  try {
    runs.push(await run(m, program, struck, { EFFECTS_LAST: String(effect), EFFECTS_WHEN: when, EFFECTS_CHILDREN: children === 'killed' ? 'killed' : 'alive' }));
    const [first] = runs;
    // What is counted differs where two things are done side by side; a run that came to its end has shown nothing.
    if (first?.signal === 'SIGKILL') {
      const recorded = wasDone(m);
      while (runs.at(-1)?.exit !== 0 && runs.length < 3) runs.push(await m.pgrepl([...struck.args, '--yes', '--json']));
      const last = runs.at(-1)?.exit ?? null;
      if (last !== 0 && !(recorded && (last === 2 || last === 3))) wrong.push(`V7: after ${runs.length - 1} reruns the exit is ${String(last)}`);
    } else if (first?.exit !== 0) wrong.push(`it was not killed, and ended with ${String(first?.exit)}`);
  } catch (error) {
    wrong.push(String(error));
  }
  wrong.push(...(await prober.stop()).map((text) => `V2: ${text}`));
  wrong.push(...(await complaintsAbout(m, struck.expected)));
  return wrong.length === 0 ? [] : [...wrong, ...runs.map((ran, index) => `run ${index + 1}: exit ${String(ran.exit ?? ran.signal)}\n${ran.stdout}${ran.stderr}`)];
}

async function run(m: Machine, program: CountedProgram, struck: Struck, env: Readonly<Record<string, string>>): Promise<Ran> {
  return await m.pgrepl([...struck.args, '--yes', '--json'], { program: program.path, env });
}

/** The journal of the last run says that everything was done: the same words then ask for something new. */
function wasDone(m: Machine): boolean {
  const folder = join(m.root, 'state', 'pgrepl', 'main');
  if (!existsSync(folder)) return false;
  const newest = readdirSync(folder).filter((name) => name.endsWith('.ndjson')).sort().at(-1);
  return newest !== undefined && readFileSync(join(folder, newest), 'utf8').includes('"outcome":"done"');
}

async function ready(m: Machine, before: Awaited<ReturnType<typeof keepCopies>>, { running, streaming, accident }: Struck): Promise<void> {
  await before.putBack();
  await Promise.all(running.map(async (name) => { await m.startServer(name); }));
  for (const [standby, upstream] of Object.entries(streaming)) await m.eventually(upstream, `SELECT state FROM pg_stat_replication WHERE application_name = '${standby}'`, 'streaming');
  await accident?.();
}

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chanceOf, type Chance } from './chance.ts';
import type { Machine, Ran } from './cluster.ts';
import { complaintsAbout, type ExpectedWorld } from './expected-world.ts';
import { startProber } from './prober.ts';
import { isByRoad } from './road.ts';
import { strike, type Blow, type Moment, type Struck } from './strike.ts';

/** SIGKILLs per command; gentler blows come on top of them. */
export const KILLS = Number(process.env['PGREPL_KILLS'] ?? '4');

/** One round: a cluster that stands ready, and the command that is struck while it changes it. */
export interface Round {
  readonly args: readonly string[];
  /** Nodes on which a writer is at work and writes are probed; none where no server runs before. */
  readonly nodes: readonly string[];
  readonly expected: ExpectedWorld;
  /** What is not as it was before the command, for whoever says that all is; one line each. */
  readonly notAsBefore: () => Promise<readonly string[]>;
  /** Further looks at the end; one line for each thing that is wrong. */
  readonly alsoWrong?: () => Promise<readonly string[]>;
  /** Just before the command: the accident that it answers. */
  readonly accident?: () => Promise<void>;
}

export interface KillStory {
  /** Of the command, as in the title of the test. */
  readonly command: string;
  readonly ready: (round: number, chance: Chance) => Promise<Round>;
}

/** How long a test of so many kills may take. */
export const killsTimeoutMs = (120_000 + KILLS * 40_000) * (isByRoad() ? 2 : 1);

const GENTLE: readonly Blow[] = ['terminate', 'interrupt', 'hang-up'];
const HARD: readonly Blow[] = ['kill', 'kill', 'kill-tree'];
/** Over ssh the network is struck as often as the process. */
const HARD_BY_ROAD: readonly Blow[] = ['kill', 'cut', 'silence', 'kill-tree', 'kill', 'end-sessions', 'kill', 'cut', 'kill-tree', 'cut'];
const TO_THE_NETWORK: readonly Blow[] = ['silence', 'cut', 'end-sessions'];

/**
 * Strikes the command at moments that are spread over its whole run, by chance and by step, and runs it again until it is done, at most
 * twice. The first round is left alone: it shows that the story itself is right, and how long the command takes.
 */
export async function killAndHeal(m: Machine, story: KillStory): Promise<void> {
  const chance = chanceOf(Number(process.env['PGREPL_KILL_SEED'] ?? Math.floor(Math.random() * 2 ** 31)));
  const gentle = Math.max(1, Math.round(KILLS / (m.road === null ? 5 : 10)));
  const hard = m.road === null ? HARD : HARD_BY_ROAD;
  const first = chance.below(hard.length);
  const blows: Blow[] = [
    ...Array.from({ length: KILLS }, (_, index): Blow => hard[(first + index) % hard.length] ?? 'kill'),
    ...Array.from({ length: gentle }, (_, index): Blow => GENTLE[(index + chance.below(3)) % 3] ?? 'terminate'),
  ];
  const order = chance.shuffled(blows);
  const parts = chance.shuffled(order.map((_, index) => index));
  const began = performance.now();
  const secrets = watchProcesses();
  let [steps, ms, hits, exits] = [0, 0, 0, ''];
  try {
    for (let round = 0; round <= order.length; round += 1) {
      const blow = round === 0 ? null : (order[round - 1] ?? 'kill');
      // A blow that came too late is tried again, earlier.
      for (let tries = 0; ; tries += 1) {
        const part = (((parts[round - 1] ?? 0) + chance.next()) / order.length) * 0.8 ** tries;
        const moment = blow === null ? null : momentAt(part, { steps, ms }, chance);
        const told = `${story.command}, seed ${chance.seed}, round ${round}, ${blow ?? 'left alone'}${moment === null ? '' : ` after ${moment.afterSteps} events and ${moment.thenMs} ms`}`;
        const struck = await oneRound(m, await story.ready(round, chance), { moment, blow, told, chance });
        if (round === 0) [steps, ms] = [struck.steps, struck.ran.ms];
        exits += struck.hit ? (blow ?? '').replace('kill-tree', 'K').slice(0, 1) : '-';
        if (struck.hit || round === 0) break;
        if (tries > 5) throw new Error(`${told}: it ended before the blow every time`);
      }
      if (round > 0) hits += 1;
      if (hits > 0 && hits % 10 === 0) process.stdout.write(`${story.command}: ${hits} of ${order.length} blows healed\n`);
    }
  } finally {
    secrets.stop();
  }
  if (secrets.seen.size > 0) throw new Error(`the password was seen in ${[...secrets.seen].join(', ')}`);
  process.stdout.write(`${story.command}: seed ${chance.seed}, ${hits} blows (${exits}), ${steps} events and ${Math.round(ms)} ms when left alone, ${Math.round((performance.now() - began) / 100 / (hits + 1)) / 10} s per round\n`);
}

/** At a part of the whole, from 0 to 1: by the clock, or by the events of the run and a little later. */
function momentAt(part: number, whole: { readonly steps: number; readonly ms: number }, chance: Chance): Moment {
  const byClock = { afterSteps: 0, thenMs: Math.round(60 + part * (whole.ms - 60)) };
  switch (chance.below(3)) {
    case 0:
      return byClock;
    case 1:
      return { afterSteps: 1 + Math.floor(part * whole.steps), thenMs: chance.below(12) };
    default:
      return { afterSteps: 1 + Math.floor(part * whole.steps), thenMs: chance.below(250) };
  }
}

interface Attack {
  readonly moment: Moment | null;
  readonly blow: Blow | null;
  readonly told: string;
  readonly chance: Chance;
}

async function oneRound(m: Machine, round: Round, { moment, blow, told, chance }: Attack): Promise<Struck> {
  const places = await Promise.all(round.nodes.map(async (name) => await m.place(name)));
  const table = 'written';
  const writer = places.length === 0 ? null : await m.writer(round.nodes, { everyMs: 4, table });
  await writer?.more(10);
  const prober = startProber(places);
  const reruns: Ran[] = [];
  const wrong: string[] = [];
  let struck: Struck | null = null;
  try {
    await round.accident?.();
    struck = await strike(m, round.args, moment, blow ?? 'kill');
    // What watched over a program on the machine is given the time that it gives that program (LIFELINE_SCRIPT).
    if (blow !== null && TO_THE_NETWORK.includes(blow) && struck.ran.exit !== 0) await m.settled(10_000).catch((error: unknown) => wrong.push(`after the ${blow}: ${String(error)}`));
    wrong.push(...struck.unnoticed, ...(await judgeEnd(struck, blow, round)));
    // Every other time: whoever types fast may come before the machine has noticed.
    if (m.road !== null && blow !== null && chance.next() < 0.5) await m.settled().catch((error: unknown) => wrong.push(`after the ${blow}: ${String(error)}`));
    const recorded = recordedAsDone(m, struck.ran);
    while (!isDone(reruns.at(-1) ?? struck.ran) && reruns.length < 2) reruns.push(await m.pgrepl([...round.args, '--yes', '--json'], { deadlineMs: 100_000 }));
    const final = reruns.at(-1) ?? struck.ran;
    // Struck after its end was recorded: the same words then ask for something new, which may well be refused (the node is out of the file, a primary runs).
    if (!isDone(final) && !(recorded && (final.exit === 2 || final.exit === 3))) wrong.push(`after ${reruns.length} reruns the exit is ${String(final.exit ?? final.signal)}`);
    await writer?.more(5, 10_000).catch((error: unknown) => wrong.push(String(error)));
  } finally {
    const [written, both] = await Promise.all([writer === null ? undefined : inTime('the writer', writer.stop()), inTime('the prober', prober.stop())]);
    wrong.push(...both);
    if (written !== undefined) wrong.push(...(await lost(m, round.expected, written.acknowledged, table)));
  }
  wrong.push(...(await complaintsAbout(m, round.expected)), ...((await round.alsoWrong?.()) ?? []), ...leaks(m, [struck.ran, ...reruns]));
  for (const ran of [struck.ran, ...reruns]) if (/^ {4}at /m.test(ran.stderr + ran.stdout) || ran.exit === 1) wrong.push('it ended with a stack trace or as a bug');
  if (wrong.length > 0) {
    const said = [struck.ran, ...reruns].map((ran, index) => `--- run ${index + 1}: exit ${String(ran.exit ?? ran.signal)} after ${Math.round(ran.ms)} ms\n${ran.stdout}${ran.stderr}`);
    // Also at once: the report of a long test comes when the whole file has ended.
    process.stdout.write(`${told}: ${wrong[0] ?? ''}\n`);
    throw new Error(`${told}\n${wrong.map((line) => `  ✖ ${line}`).join('\n')}\nlast before the blow: ${struck.last}\n${said.join('\n')}\n${serverLogs(m)}`);
  }
  return struck;
}

/** A story that cannot end says so, long before its test would be given up. */
async function inTime<T>(what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => { reject(new Error(`${what} did not stop`)); }, 30_000); });
  return await Promise.race([work, late]).finally(() => { clearTimeout(timer); });
}

/** The result event counts too: who was killed after it had said everything. */
function isDone(ran: Ran): boolean {
  return ran.exit === 0 || (ran.exit === null && ran.json.at(-1)?.['event'] === 'result' && ran.json.at(-1)?.['exit'] === 0);
}

/** The journal says that this very run had done everything. One that was struck before it announced itself has no such record. */
function recordedAsDone(m: Machine, ran: Ran): boolean {
  const said = new RegExp('"event":"run","run":"([^"]+)"').exec(ran.stdout)?.[1];
  const path = said === undefined ? null : join(m.root, 'state', 'pgrepl', 'main', `${said}.ndjson`);
  if (path === null || !existsSync(path)) return false;
  const last = readFileSync(path, 'utf8').trim().split('\n').at(-1) ?? '';
  return last.includes('"entry":"end"') && last.includes('"outcome":"done"');
}

/** What a run that could still speak may say, and that it is true. */
async function judgeEnd({ ran, hit }: Struck, blow: Blow | null, round: Round): Promise<readonly string[]> {
  if (blow === null || !hit) return ran.exit === 0 ? [] : [`left alone it ended with ${String(ran.exit ?? ran.signal)}`];
  if (blow === 'kill' || blow === 'kill-tree') return [];
  if (blow === 'hang-up') return ran.exit === 0 ? [] : [`with its output closed it ended with ${String(ran.exit ?? ran.signal)}`];
  const interrupted = blow === 'terminate' ? 143 : 130;
  const allowed = TO_THE_NETWORK.includes(blow) ? [0, 3, 4, 5, 6, 10] : [0, 4, 5, interrupted];
  if (ran.signal !== null) return ran.json.length === 0 ? [] : [`${blow}: it died of ${ran.signal} in the middle of a run`];
  if (!allowed.includes(ran.exit ?? -1)) return [`${blow}: exit ${String(ran.exit)}`];
  const result = ran.json.at(-1);
  if (result?.['event'] !== 'result' || result['exit'] !== ran.exit) return [`${blow}: exit ${String(ran.exit)}, and the last line is ${JSON.stringify(result)}`];
  if (ran.exit === 0) return [];
  const words = JSON.stringify(result['error']);
  if (/Everything was undone|Nothing was changed/.test(words) || ran.exit === 3 || ran.exit === 4 || ran.json.length === 1) return (await round.notAsBefore()).map((line) => `${blow}: it says that all is as before, and ${line}`);
  return /changes remain/.test(words) || ran.exit === 5 || ran.exit === 6 ? [] : [`${blow}: it does not say what became of the changes: ${words}`];
}

async function lost(m: Machine, expected: ExpectedWorld, acknowledged: readonly number[], table: string): Promise<readonly string[]> {
  const wrong: string[] = [];
  try {
    const missing = await m.missing(expected.primary, acknowledged, table);
    if (missing.length > 0) wrong.push(`${missing.length} of ${acknowledged.length} acknowledged rows are missing on ${expected.primary}: ${missing.slice(0, 20).join(', ')}`);
    const content = `SELECT concat_ws(' ', count(*), sum(n)) FROM ${table}`;
    const there = await m.sql(expected.primary, content);
    for (const name of Object.keys(expected.streams)) await m.eventually(name, content, there, 10_000);
    // The next round numbers from 1 again.
    await m.sql(expected.primary, `DROP TABLE ${table}`);
  } catch (error) {
    wrong.push(`the rows could not be compared: ${String(error)}`);
  }
  return wrong;
}

/** Characters that every format on the way quotes differently, around a word that survives them all. */
const WORD = 'Zq7canaryXw9p';
const CANARY = `'"\\:%# ${WORD}$`;

/** A file with a replication password that must be found nowhere else but in the passfile. */
export async function canaryFile(m: Machine): Promise<string> {
  const path = join(m.root, 'canary');
  await writeFile(path, `${CANARY}\n`, { mode: 0o600 });
  return path;
}

function leaks(m: Machine, runs: readonly Ran[]): readonly string[] {
  const said = runs.some((ran) => (ran.stdout + ran.stderr).includes(WORD)) ? ['the password is in the output'] : [];
  const { stdout } = spawnSync('grep', ['-rlF', '--exclude-dir=base', '--exclude-dir=pg_wal', '--exclude-dir=.kept', '--exclude=canary', WORD, m.root], { encoding: 'utf8' });
  return [...said, ...stdout.split('\n').filter((path) => path !== '' && path !== join(m.root, 'pass', 'main.pass')).map((path) => `the password is in ${path}`)];
}

/** Looks at the words and the environment of every process, again and again. */
function watchProcesses(): { readonly seen: ReadonlySet<string>; stop(): void } {
  const seen = new Set<string>();
  const timer = setInterval(() => {
    for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
      for (const file of ['cmdline', 'environ']) {
        try {
          if (readFileSync(`/proc/${pid}/${file}`, 'utf8').includes(WORD) && !readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('grep')) seen.add(`${file} of ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? ''}`);
        } catch {
          // It has ended meanwhile.
        }
      }
    }
  }, 100);
  return { seen, stop: () => { clearInterval(timer); } };
}

function serverLogs(m: Machine): string {
  return readdirSync(m.root)
    .filter((name) => /^node[0-9]+$/.test(name))
    .flatMap((name) => [join(m.root, `${name}.log`), join(m.root, name, 'log', `${name}.log`)].map((path) => {
      try {
        return `--- ${path}\n${readFileSync(path, 'utf8').split('\n').slice(-25).join('\n')}`;
      } catch {
        return '';
      }
    }))
    .filter((text) => text !== '')
    .join('\n');
}

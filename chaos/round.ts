import { chanceOf, type Chance } from '../test/support/chance.ts';
import { complaintsAbout } from '../test/support/expected-world.ts';
import type { Ran } from '../test/support/run-pgrepl.ts';
import { errorIn } from '../test/support/said-error.ts';
import { runWithBlow, type Moment } from '../test/support/strike.ts';
import { wrongSlots } from '../test/support/wrong-slots.ts';
import { describeBelief, expectedOf, runningOf, type Belief } from './belief.ts';
import { broken, differences, isWithin, missingOn, untruths } from './checks.ts';
import { chooseErrand, type Errand, type Outcome } from './errands.ts';
import { chooseFault, type Fault } from './faults.ts';
import { clearKept, hasCrashed, isLocked, NODES, type Stage } from './stage.ts';
import { holdSync, saysProved } from './sync.ts';

/** What one round was, for the log and for the summary. */
export interface Round {
  readonly number: number;
  readonly errand: string;
  readonly command: string;
  readonly fault: string;
  readonly faultKind: string;
  /** False when the command had ended before. */
  readonly hit: boolean;
  readonly before: string;
  readonly runs: readonly { readonly args: readonly string[]; readonly ran: Ran }[];
  /** Role change that it came to; `null` for none. */
  readonly roleChange: 'planned' | 'failover' | null;
  readonly lost: number;
  readonly acceptedBytes: number | 'unknown';
  /** Whether commits waited for a standby before it. */
  readonly sync: boolean;
  /** Whether pgrepl said that the synchronous set proves that nothing acknowledged is lost. */
  readonly proved: boolean;
  readonly pauseMs: number;
  readonly ms: number;
  readonly wrong: readonly string[];
}

/** A refusal is an answer with a question in it: so many of them are answered before it counts as not converging. */
const ANSWERS = 4;
const RERUNS = 2;
/** What a command may end with while something is wrong. Bugs, usage and query verdicts are never among them. */
const ALLOWED = [0, 3, 4, 5, 6, 9, 10, 130, 143];

/** One command, with one thing that goes wrong, then calm and the same command until it is done; and everything held against what must be so. */
export async function playRound(stage: Stage, seed: number, number: number, say: (text: string) => void): Promise<Round> {
  const chance = chanceOf((seed * 1_000_003 + number * 7_919) >>> 0);
  const began = performance.now();
  const before = stage.belief;
  const errand = await chooseErrand(stage, chance);
  const fault = chooseFault(stage, errand, chance);
  const moment = momentOf(fault, chance, stage.lengths.get(errand.kind) ?? { steps: 14, ms: 1_000 });
  say(`round ${number}: ${describeBelief(before)} | pgrepl ${errand.args.join(' ')}${errand.accidentOf === null ? '' : ` after the end of ${errand.accidentOf}`} | ${fault.told}${moment === null ? '' : moment === 'before' ? ', before it' : `, after ${moment.afterSteps} events and ${moment.thenMs} ms`}`);
  stage.writers.resetPause();
  const wrong: string[] = [];
  const runs: { args: readonly string[]; ran: Ran }[] = [];
  let accepted: number | 'unknown' = 0;
  let hit = moment === 'before';
  let lost = 0;
  let proved = false;
  let outcome: Outcome = { primary: '', locked: [] };
  try {
    await errand.accident();
    if (moment === 'before') await fault.strike(null);
    let args = errand.args;
    let striking: Promise<void> = Promise.resolve();
    const first = await runWithBlow(stage.m, args, moment === 'before' ? null : moment, (pgrepl) => {
      striking = fault.strike(pgrepl);
      striking.catch(() => undefined);
    });
    hit ||= first.hit;
    if (first.ran.exit === 0) stage.lengths.set(errand.kind, { steps: first.steps, ms: first.ran.ms });
    await striking;
    runs.push({ args, ran: first.ran });
    wrong.push(...judgeFirst(first.ran, fault, hit));
    await fault.lift();
    const revived = await recover(stage, errand, fault, say);
    // The same words again, twice after the fault is gone. A refusal that asks for something is answered, and the answer is no rerun.
    let [reruns, answers] = [0, 0];
    let last = first.ran;
    // Whom the other operator has taken out is in no file any more, and only his journal knows why; of one that was locked already nothing but the file was changed.
    const isTakenOut = (): boolean => errand.kind === 'remove-standby' && (fault.other?.ran?.exit === 0 || runs.some(({ ran }) => isDone(ran)));
    const isOver = (ran: Ran): boolean => isDone(ran) || (isTakenOut() && ran.exit === 2 && errorIn(ran).code === 'node-unknown');
    const another = fault.other?.ran?.exit === 0;
    while (!isOver(last) || ((another || revived) && reruns + answers === 0)) {
      const answer = isOver(last) ? null : answerTo(last, args, errand);
      if (answer?.accepts !== undefined) proved = saysProved(errorIn(last).details);
      if (answer === null ? reruns === RERUNS : answers === ANSWERS) break;
      if (answer === null) reruns += 1;
      else {
        [args, answers] = [answer.args, answers + 1];
        accepted = answer.accepts ?? accepted;
      }
      last = (await runWithBlow(stage.m, args, null, () => undefined)).ran;
      runs.push({ args, ran: last });
      if (!isOver(last) && (last.exit === 1 || last.exit === 2)) wrong.push(`${args[0] ?? ''} ended with ${last.exit}`);
      if (answer !== null && !isOver(last) && answerTo(last, args, errand) === null) reruns += 1;
    }
    if (!isOver(last)) wrong.push(`V7: after ${reruns} reruns in calm the exit is ${String(last.exit ?? last.signal)}`);
    outcome = await look(stage);
    stage.belief = errand.after(outcome);
    if (errand.kind === 'rejoin') await clearKept(stage.m, errand.about);
    wrong.push(...(await holdSync(stage, fault.to !== 'nobody', say)).map((text) => `F08: ${text}`));
    wrong.push(...(await judgeWorld(stage, number, say)));
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error));
  }
  await fault.lift().catch((error: unknown) => wrong.push(String(error)));
  wrong.push(...stage.prober.soFar().map((text) => `V2: ${text}`));
  for (const { ran } of [...runs, ...(fault.other?.ran == null ? [] : [{ ran: fault.other.ran }])]) if (/^ {4}at /m.test(ran.stderr + ran.stdout) || ran.exit === 1) wrong.push('a stack trace, or a bug');
  const pauseMs = stage.writers.longestPauseMs();
  if (outcome.primary !== '') {
    try {
      await stage.writers.more(20, 20_000);
      const gone = await missingOn(stage.m, outcome.primary, stage.writers.acknowledged);
      lost = gone.length;
      // Who may lose something by the bytes that were accepted may still lose nothing that a synchronous set has acknowledged.
      if (lost > 0 && proved) wrong.push(`V1: ${lost} acknowledged rows are not on ${outcome.primary}, and the synchronous set was said to prove that none is lost: ${gone.slice(0, 20).join(', ')}`);
      else if (lost > 0 && before.sync && fault.to !== 'world') wrong.push(`V1: ${lost} acknowledged rows are not on ${outcome.primary}, and each was acknowledged by a standby that was there: ${gone.slice(0, 20).join(', ')}`);
      else if (!isWithin(lost, accepted)) wrong.push(`V1: ${lost} acknowledged rows are not on ${outcome.primary}, and ${accepted} bytes were accepted: ${gone.slice(0, 20).join(', ')}`);
      stage.writers.giveUp(gone);
    } catch (error) {
      wrong.push(`V1: ${String(error)}`);
    }
  }
  const roleChange = outcome.primary === '' || outcome.primary === before.primary ? null : outcome.locked.includes(before.primary) ? 'failover' : 'planned';
  return { number, errand: errand.kind, command: `pgrepl ${errand.args.join(' ')}`, fault: fault.told, faultKind: fault.kind, hit, before: describeBelief(before), runs, roleChange, lost, acceptedBytes: accepted, sync: before.sync, proved, pauseMs, ms: performance.now() - began, wrong };
}

/** Spread over the whole of such a command: by its events and a little later, or by the clock; what is done to the world may come before it. */
function momentOf(fault: Fault, chance: Chance, whole: { readonly steps: number; readonly ms: number }): Moment | 'before' | null {
  const [dice, part, later] = [chance.next(), chance.next(), chance.next()];
  if (fault.to === 'nobody') return null;
  if (fault.to === 'world' && dice < 0.2) return 'before';
  if (dice < 0.4) return { afterSteps: 0, thenMs: Math.round(part * whole.ms) };
  return { afterSteps: 1 + Math.floor(part * whole.steps), thenMs: Math.round(later * (dice < 0.8 ? 12 : 250)) };
}

function isDone(ran: Ran): boolean {
  return ran.exit === 0 || (ran.exit === null && ran.json.at(-1)?.['event'] === 'result' && ran.json.at(-1)?.['exit'] === 0);
}

function judgeFirst(ran: Ran, fault: Fault, hit: boolean): readonly string[] {
  if (ran.exit === null) return fault.to === 'tool' ? [] : [`it died of ${String(ran.signal)}`];
  const allowed = hit ? ALLOWED : [0, 3];
  return allowed.includes(ran.exit) ? [] : [`exit ${ran.exit} with ${fault.told}`];
}

interface Answer {
  readonly args: readonly string[];
  readonly accepts?: number | 'unknown';
}

/** What an operator types after a refusal that asks for something: the loss that was named, the better node, what is to be discarded. `null`: the same again. */
function answerTo(ran: Ran, args: readonly string[], errand: Errand): Answer | null {
  if (ran.exit !== 3) return null;
  const error = errorIn(ran);
  const reasons = [error, ...error.reasons];
  const typed = (pattern: RegExp): readonly string[] | undefined => error.next.find((text) => pattern.test(text))?.replace(/ -f \S+/, '').split(' ').slice(1);
  if (errand.kind === 'rejoin') {
    const more = typed(/^pgrepl rejoin node[0-9]+.* --(discard|copy)/);
    return more === undefined || more.join(' ') === args.join(' ') ? null : { args: more };
  }
  if (errand.kind !== 'failover') return null;
  const better = reasons.some(({ code }) => code === 'better-candidate') ? typed(/^pgrepl promote node[0-9]+$/) : undefined;
  if (better !== undefined) return { args: better };
  const bytes = /^([0-9]+) bytes/.exec(reasons.find(({ code, message }) => code === 'loss' && /^[0-9]/.test(message))?.message ?? '')?.[1];
  if (bytes === undefined) return null;
  const without = args.filter((word, index) => word !== '--accept-loss' && args[index - 1] !== '--accept-loss');
  return { args: [...without, '--accept-loss', bytes], accepts: Number(bytes) };
}

/**
 * Servers that were ended from outside are started as a service manager would; then whoever can, finds its upstream again. True when one was:
 * a command that was done without it names it, and says to type it again when it is back.
 */
async function recover(stage: Stage, errand: Errand, fault: Fault, say: (text: string) => void): Promise<boolean> {
  const { m } = stage;
  let revived = false;
  await m.settled(45_000).catch(() => undefined);
  for (const name of NODES) {
    const ended = (await hasCrashed(m, name)) || (fault.ends === name && (await m.postmaster(name)) === null);
    // A node that is being taken out is nobody's service any more, and of a primary that died the operator has decided.
    const stays = (errand.kind === 'remove-standby' && errand.about === name) || (errand.accidentOf === name && errand.returns !== true);
    if (!ended || stays || (await isLocked(m, name))) continue;
    await m.startServer(name).then(() => {
      revived = true;
      say(`  ${name} was started again`);
    }, (error: unknown) => { say(`  ${name} does not start by itself: ${String(error).trim().split('\n').at(-1) ?? ''}`); });
  }
  for (const name of runningOf(stage.belief)) {
    if ((await m.postmaster(name)) === null) continue;
    await m.eventually(name, `SELECT NOT pg_is_in_recovery() OR EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')`, 't', 8_000).catch(() => undefined);
  }
  return revived;
}

/** Who is the primary, and who is locked, by the servers alone. */
async function look({ m }: Stage): Promise<Outcome> {
  const primaries: string[] = [];
  const locked: string[] = [];
  for (const name of NODES) {
    if (await isLocked(m, name)) locked.push(name);
    if ((await m.postmaster(name)) !== null && (await m.sql(name, 'SELECT pg_is_in_recovery()')) === 'f') primaries.push(name);
  }
  return { primary: primaries.length === 1 ? (primaries[0] ?? '') : primaries.join(' and '), locked };
}

async function judgeWorld(stage: Stage, number: number, say: (text: string) => void): Promise<readonly string[]> {
  const { m, belief, writers } = stage;
  const wrong = [...(await complaintsAbout(m, expectedOf(belief))), ...(await wrongSlots(m)).map((text) => `V4: ${text}`)];
  wrong.push(...(await untruths(m, belief)).map((text) => `V15: ${text}`));
  await writers.hold();
  try {
    wrong.push(...(await differences(m, belief)).map((text) => `V13: ${text}`));
    if (number % 8 === 0) wrong.push(...(await broken(m, runningOf(belief))).map((text) => `V13: ${text}`));
  } finally {
    writers.release();
  }
  if (wrong.length > 0) say(`  ${wrong.length} things are wrong`);
  return wrong;
}

/** What must be so at the very end: every row that counts is on the primary, and on whoever streams from it. */
export async function judgeEnd(stage: Stage, belief: Belief): Promise<readonly string[]> {
  await stage.writers.hold();
  try {
    const gone = await missingOn(stage.m, belief.primary, stage.writers.acknowledged);
    return [
      ...(gone.length === 0 ? [] : [`V1: ${gone.length} acknowledged rows are not on ${belief.primary}`]),
      ...(await differences(stage.m, belief)).map((text) => `V13: ${text}`),
      ...(await broken(stage.m, runningOf(belief))).map((text) => `V13: ${text}`),
    ];
  } finally {
    stage.writers.release();
  }
}

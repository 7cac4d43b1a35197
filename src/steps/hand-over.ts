import { PgreplError } from '../errors.ts';
import { newestTimeline } from '../postgres/control-data.ts';
import { renderLsn } from '../postgres/lsn.ts';
import { parsePidFile } from '../postgres/pid-file.ts';
import type { ServerFacts } from '../postgres/server-facts.ts';
import { NOTHING_TO_SHOW, type Tell } from '../plan/step.ts';
import type { Kind } from './kind.ts';
import { isPromoted, promoteAndWait, takePromoteLock } from './promote-server.ts';
import { startAs, stopAndWait } from './start-server.ts';
import type { World } from './world.ts';

/**
 * The critical second of a planned switchover, as one step: stop the primary, see that the candidate has its last record, mark the
 * old primary as a standby, promote. Nothing acknowledged is lost because the promote is sent only when the shutdown checkpoint, the
 * last record that the old primary ever wrote, has been replayed on the candidate (hazards I04, I17). Until then a failure starts the
 * old primary again.
 */
export interface HandOver {
  readonly kind: 'hand-over';
  /** The candidate. */
  readonly node: string;
  readonly primary: { readonly node: string; readonly directory: string; readonly configFile: string | null };
  readonly systemIdentifier: string;
  /** The one that is left. */
  readonly timeline: number;
  /** Longest time without a writable primary before going back, milliseconds. */
  readonly budgetMs: number;
}

export const handOver: Kind<HandOver, null> = {
  title: (step) => `hand over: stop ${step.primary.node}, prove that ${step.node} has its last record, mark ${step.primary.node} as a standby, promote ${step.node}`,

  preview: async (step, world) => {
    const node = world.node(step.primary.node);
    const [{ words, binDir }, service] = await Promise.all([node.programs(), node.service()]);
    return {
      ...NOTHING_TO_SHOW,
      commands: [words.stop(step.primary.directory, service), [`${binDir}/pg_controldata`, step.primary.directory], ['touch', `${step.primary.directory}/standby.signal`], ['sync', `${step.primary.directory}/standby.signal`, step.primary.directory]],
      sql: ['SELECT … FROM pg_stat_wal_receiver  -- until it is gone and all is replayed', 'SELECT pg_promote(wait => false)'],
    };
  },

  look: async (step, world) => ((await isPromoted(step, world)) ? { already: true } : { already: false, before: null }),

  apply: async (step, world, tell) => {
    await takePromoteLock(step.node, step.systemIdentifier, world);
    const stopped = await stopPrimary(step, world);
    await arriveAndMark(step, world, stopped, tell);
    await tell.noReturn(`promote ${step.node}`);
    await promoteAndWait(step, world, tell);
  },

  // Who stopped the old primary and cannot start it goes on with the switchover by what tells that it was one: the old primary's settings.
  keepsEarlier: true,

  undo: async (step, _before, world) => {
    // What went wrong may have taken the connections along, and nobody would have said so yet.
    await Promise.all([world.node(step.node).forget(), world.node(step.primary.node).forget()]);
    if (await hasTakenOver(step, world)) {
      throw new PgreplError('unfinished', 'promoted', `${step.node} is the primary now`, { node: step.node, next: [`pgrepl promote ${step.node}`] });
    }
    await giveBack(step, world);
  },
};

interface Stopped {
  /** The moment of the signal, by the clock that nobody sets. */
  readonly at: number;
  /** The postmaster that got it; `null`: none ran. */
  readonly pid: number | null;
}

/** Sends the stop. The primary may be down already when an interrupted run is gone on with. */
async function stopPrimary(step: HandOver, world: World): Promise<Stopped> {
  const node = world.node(step.primary.node);
  const [programs, service, pidFile] = await Promise.all([node.programs(), node.service(), node.host.readText(`${step.primary.directory}/postmaster.pid`)]);
  const pid = pidFile === null ? null : (parsePidFile(pidFile)?.pid ?? null);
  if ((await programs.processes(step.primary.directory)).length === 0) return { at: performance.now(), pid: null };
  const facts = await factsOfPrimary(step, world);
  // One that an interrupted run has told to stop waits for its standbys: its end is waited for like that of any other.
  if (facts === 'stopping') return { at: performance.now(), pid };
  if (facts.inRecovery || facts.systemIdentifier !== step.systemIdentifier || facts.timeline !== step.timeline) {
    throw new PgreplError('undone', 'primary-changed', `${step.primary.node} is no longer the primary of timeline ${step.timeline}`, { node: step.primary.node, next: ['pgrepl status'] });
  }
  if (world.signal.aborted) throw new PgreplError('interrupted', 'interrupted', 'interrupted before the primary was stopped');
  const at = performance.now();
  await programs.signalFastStop(step.primary.directory, service);
  await node.forget();
  return { at, pid };
}

async function factsOfPrimary(step: HandOver, world: World): Promise<ServerFacts | 'stopping'> {
  try {
    return await (await world.node(step.primary.node).server()).facts();
  } catch (error) {
    if (error instanceof PgreplError && error.code === 'server-stopping') return 'stopping';
    throw error;
  }
}

/**
 * Waits until the candidate has everything, then marks the old primary. Throws when the budget is used up or the run is interrupted: undo starts
 * the old primary again. A wait that ends leaves its last look alone, and that one may be making the mark: it is over before this throws, so
 * that what takes the mark away comes after it.
 */
async function arriveAndMark(step: HandOver, world: World, stopped: Stopped, tell: Tell): Promise<void> {
  const candidate = await world.node(step.node).server();
  const programs = await world.node(step.primary.node).programs();
  const wait = { over: false };
  let marking: Promise<unknown> = Promise.resolve();
  const look = async (say: (text: string) => void): Promise<true | null> => {
    const at = await candidate.positions();
    if (at.replayedLsn === null) throw new PgreplError('undone', 'candidate-changed', `${step.node} is not a standby`, { node: step.node });
    // While the receiver is there the primary has not said goodbye; reading its control file would only slow it down.
    if (at.receiving || (at.receivedLsn !== null && at.receivedLsn > at.replayedLsn)) {
      say(at.receiving || at.receivedLsn === null ? `it has replayed ${renderLsn(at.replayedLsn)} and still receives` : `it has received up to ${renderLsn(at.receivedLsn)}, replayed up to ${renderLsn(at.replayedLsn)}, and receives no more`);
      tell.progress({ phase: `${step.primary.node} is stopping` });
      return null;
    }
    if (wait.over) return null;
    const asked = programs.markStoppedPrimary(step.primary.directory, { replayed: at.replayedLsn, stoppedPid: stopped.pid });
    marking = asked.catch(() => undefined);
    const { control, marked, restarted } = await asked;
    if (marked) return true;
    if (restarted) throw new PgreplError('undone', 'primary-restarted', `somebody has started ${step.primary.node} again while it was to stay stopped`, { node: step.primary.node, hint: 'A service manager or a colleague: they must not start it during a change of roles.', next: ['pgrepl status'] });
    say(control.state === 'shut down' ? `the last record of ${step.primary.node} starts at ${renderLsn(control.checkpointLsn)}, and it has replayed ${renderLsn(at.replayedLsn)}` : `${step.primary.node} is ${control.state}`);
    return null;
  };
  try {
    // Looking at once and all the time would take the processor from the shutdown itself.
    await world.waitFor(`${step.node} to have the last record of ${step.primary.node}`, look, { deadlineMs: Math.max(100, step.budgetMs - (performance.now() - stopped.at)), everyMs: 4, firstMs: 40 });
  } finally {
    wait.over = true;
    await settled(marking, MARK_MS);
  }
}

/** As long as a mark that was asked for may stay out: a machine that is gone answers nobody any more. */
const MARK_MS = 10_000;

async function settled(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => { timer = setTimeout(resolve, ms); });
  await Promise.race([work, enough]).finally(() => { clearTimeout(timer); });
}

/**
 * Whether the candidate takes writes. One that does not answer says it by its control file, which calls it `in production` before it takes the
 * first (StartupXLOG); of one whose machine is gone only this is known: this run has sent no promote, or it would not be taken back.
 */
async function hasTakenOver(step: HandOver, world: World): Promise<boolean> {
  try {
    return await isPromoted(step, world);
  } catch (error) {
    if (!(error instanceof PgreplError) || error.kind === 'bug' || error.kind === 'interrupted') throw error;
    const node = world.node(step.node);
    const control = await node.programs().then(async (programs) => await programs.controlData(node.place.pgdata)).catch(() => null);
    return control !== null && (newestTimeline(control) > step.timeline || control.state === 'in production');
  }
}

/**
 * The way back: whatever became of the stop, afterwards the old primary takes writes. A stop that was sent is not withdrawn by a
 * timeout, so its end is waited for (hazards I03, X13).
 */
async function giveBack(step: HandOver, world: World): Promise<void> {
  const node = world.node(step.primary.node);
  const { directory } = step.primary;
  if (await staysWritable(step, world)) return;
  const start = async (): Promise<void> => {
    await stopAndWait(step.primary.node, directory, world);
    await node.host.removeFile(`${directory}/standby.signal`);
    await startAs({ node: step.primary.node, directory, configFile: step.primary.configFile, as: 'primary' }, world);
  };
  await start().catch(async (error: unknown) => {
    // A mark that came late after all, from a machine that did not answer: nobody promoted anything meanwhile.
    if (!(error instanceof PgreplError) || !['wrong-role', 'signal-present'].includes(error.code)) throw error;
    await start();
  });
}

/** True when no stop is under way: three new sessions in a row are let in and take writes. */
async function staysWritable(step: HandOver, world: World): Promise<boolean> {
  const node = world.node(step.primary.node);
  if ((await (await node.programs()).processes(step.primary.directory)).length === 0) return false;
  let good = 0;
  try {
    await world.waitFor(
      `${step.primary.node} to answer`,
      async () => {
        await node.forget();
        if ((await (await node.server()).facts()).inRecovery) throw new PgreplError('unfinished', 'wrong-role', `${step.primary.node} is in recovery`);
        good += 1;
        return good === 3 ? true : null;
      },
      { deadlineMs: 5_000, everyMs: 50 },
    );
    return true;
  } catch (error) {
    if (error instanceof PgreplError && error.kind !== 'bug') return false;
    throw error;
  }
}

import { PgreplError } from '../errors.ts';
import { NOTHING_TO_SHOW, type Tell } from '../plan/step.ts';
import { bytesBetween, type Lsn } from '../postgres/lsn.ts';
import { parseSystemIdentifier } from '../postgres/names.ts';
import type { Positions } from '../postgres/server.ts';
import type { Kind } from './kind.ts';
import type { World } from './world.ts';

/** Promotes a standby of a primary that is gone. The point of no return is inside. */
export interface PromoteServer {
  readonly kind: 'promote-server';
  readonly node: string;
  readonly systemIdentifier: string;
  /** The one it leaves. */
  readonly timeline: number;
  /** Where the old primary can be seen: it must still have no process just before the request. `null`: nobody can see it. */
  readonly oldPrimary: { readonly node: string; readonly directory: string } | null;
}

export const promoteServer: Kind<PromoteServer, null> = {
  title: (step) => `promote ${step.node} (leaves timeline ${step.timeline})`,
  preview: async () => await Promise.resolve({ ...NOTHING_TO_SHOW, sql: ['SELECT pg_promote(wait => false)', 'SELECT pg_is_in_recovery()'] }),
  look: async (step, world) => ((await isPromoted(step, world)) ? { already: true } : { already: false, before: null }),

  apply: async (step, world, tell) => {
    await takePromoteLock(step.node, step.systemIdentifier, world);
    if (step.oldPrimary !== null) {
      const alive = await (await world.node(step.oldPrimary.node).programs()).processes(step.oldPrimary.directory);
      if (alive.length > 0) throw new PgreplError('undone', 'old-primary-alive', `${step.oldPrimary.node} runs again (process ${alive[0]?.pid ?? '?'})`, { node: step.oldPrimary.node, next: ['pgrepl status'] });
    }
    await tell.noReturn(`promote ${step.node}`);
    await promoteAndWait(step, world, tell);
  },

  undo: async (step, _before, world) => {
    if (await isPromoted(step, world)) throw new PgreplError('unfinished', 'promoted', `${step.node} is the primary now`, { node: step.node, next: [`pgrepl promote ${step.node}`] });
  },
};

/** True when the node has left that timeline and takes writes. */
export async function isPromoted(step: Pick<PromoteServer, 'node' | 'timeline'>, world: World): Promise<boolean> {
  const server = await world.node(step.node).server();
  // Cheap, and enough for one that is a standby: the answer before every promote.
  if ((await server.positions()).inRecovery) return false;
  const facts = await server.facts();
  return !facts.inRecovery && facts.timeline > step.timeline;
}

/** One promote at a time on a candidate: two would take the same timeline number and be told apart by nothing (hazards H19, X10). Throws `locked`. */
export async function takePromoteLock(node: string, systemIdentifier: string, world: World): Promise<void> {
  const server = await world.node(node).server();
  if (!(await server.tryAdvisoryLock(BigInt.asIntN(64, BigInt(parseSystemIdentifier(systemIdentifier)))))) {
    throw new PgreplError('locked', 'promote-running', `another pgrepl is about to promote ${node}`, { node });
  }
}

/** How long the end of recovery may stand still before the state is called unknown. The request itself stays. */
const STANDSTILL_MS = 300_000;
/** How long it may stand still before the server is asked what it waits for. */
const CURIOUS_MS = 2_000;

/**
 * Sends the request and waits for its effect, for as long as the standby replays what it has: a promotion first applies all of that, delayed or
 * not (hazards H07, H08). Throws kind `unknown` when the answer stays out or nothing moves any more: the request is not withdrawn (hazard H05),
 * and a restore_command that hangs is named and left alone (hazard H09).
 */
export async function promoteAndWait(step: Pick<PromoteServer, 'node' | 'timeline'>, world: World, tell: Tell): Promise<void> {
  const unknown = (why: string): PgreplError =>
    new PgreplError('unknown', 'promote-unknown', `the promote request was sent to ${step.node}, and ${why}`, {
      node: step.node,
      hint: 'The request stays in force. Do not promote another node.',
      next: [`pgrepl promote ${step.node}`, 'pgrepl status'],
    });
  try {
    await (await world.node(step.node).server()).requestPromote();
  } catch (error) {
    if (error instanceof PgreplError && error.code === 'promote-refused') throw error;
    throw unknown('its answer was lost');
  }
  try {
    let from: Lsn | null = null;
    for (let last: Lsn | null = null; ;) {
      const at: Positions | 'still' = await world.waitFor<Positions | 'still'>(
        `${step.node} to take writes`,
        async (say) => {
          const now = await (await world.node(step.node).server()).positions();
          if (!now.inRecovery || now.replayedLsn === null || now.replayedLsn !== last) return now;
          say('it is still in recovery');
          return null;
        },
        { deadlineMs: CURIOUS_MS, everyMs: 4, firstMs: 20 },
      ).catch((error: unknown) => {
        if (error instanceof PgreplError && error.code === 'wait-timeout') return 'still' as const;
        throw error;
      });
      if (at === 'still') {
        await standStill(step.node, last, world, tell);
        continue;
      }
      if (!at.inRecovery) return;
      last = at.replayedLsn;
      from ??= last;
      const left = last === null || at.receivedLsn === null ? 0 : Math.max(0, bytesBetween(last, at.receivedLsn));
      const done = last === null || from === null ? 0 : bytesBetween(from, last);
      tell.progress({ phase: left === 0 ? 'end of recovery' : 'replays what it has', ...(left === 0 && done === 0 ? {} : { doneBytes: done, totalBytes: done + left }) });
    }
  } catch (error) {
    if (world.signal.aborted) throw error;
    throw unknown(error instanceof Error ? error.message : 'nothing more is known');
  }
}

/** Returns when the replay moves again or the promotion is done; says what it waits for meanwhile. Throws `wait-timeout`. */
async function standStill(node: string, at: Lsn | null, world: World, tell: Tell): Promise<void> {
  const server = await world.node(node).server();
  const waits = await server.startupWait().catch(() => null);
  const why = waits === null ? 'it is still in recovery' : `it is still in recovery, and its startup process waits for ${waits}`;
  tell.progress({ phase: waits === null ? 'end of recovery' : `end of recovery: waits for ${waits}` });
  await world.waitFor(
    `${node} to take writes`,
    async (say) => {
      const now = await (await world.node(node).server()).positions();
      say(why);
      return !now.inRecovery || now.replayedLsn !== at ? true : null;
    },
    { deadlineMs: STANDSTILL_MS, everyMs: 20 },
  );
}

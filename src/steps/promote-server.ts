import { PgreplError } from '../errors.ts';
import { NOTHING_TO_SHOW } from '../plan/step.ts';
import { parseSystemIdentifier } from '../postgres/names.ts';
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
    await promoteAndWait(step, world, (phase) => tell.progress({ phase }));
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

/** How long the end of recovery may take without any progress before the state is called unknown. The request itself stays. */
const PROMOTE_DEADLINE_MS = 300_000;

/** Sends the request and waits for its effect. Throws kind `unknown` when the answer stays out: the request is not withdrawn (hazard H05). */
export async function promoteAndWait(step: Pick<PromoteServer, 'node' | 'timeline'>, world: World, say: (phase: string) => void): Promise<void> {
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
    await world.waitFor(
      `${step.node} to take writes`,
      async (tell) => {
        const at = await (await world.node(step.node).server()).positions();
        if (!at.inRecovery) return true;
        tell('it is still in recovery');
        say('end of recovery');
        return null;
      },
      { deadlineMs: PROMOTE_DEADLINE_MS, everyMs: 4, firstMs: 20 },
    );
  } catch (error) {
    if (world.signal.aborted) throw error;
    throw unknown(error instanceof Error ? error.message : 'nothing more is known');
  }
}

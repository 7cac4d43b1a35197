import { PgreplError } from '../errors.ts';
import type { Pooler, PoolerAddress, PoolerDatabase } from '../postgres/pooler.ts';
import { showsSql, type Kind } from './kind.ts';
import type { World } from './world.ts';

/** Clients of PgBouncer wait from here on and get no error: their queries are held until it is resumed. */
export interface PausePooler {
  readonly kind: 'pause-pooler';
  /** The primary that they are led to. */
  readonly node: string;
  readonly console: PoolerAddress;
  readonly databases: readonly string[];
  /** How long the queries that run may take to end, for all databases together. */
  readonly deadlineMs: number;
}

/** Lets the clients go on. */
export interface ResumePooler {
  readonly kind: 'resume-pooler';
  /** The primary that they are led to now. */
  readonly node: string;
  readonly console: PoolerAddress;
  readonly databases: readonly string[];
}

export const pausePooler: Kind<PausePooler, null> = {
  title: (step) => `hold the clients of PgBouncer at ${addressOf(step.console)}: pause ${step.databases.join(', ')}`,
  preview: async (step) => await Promise.resolve(showsSql(...step.databases.map((name) => `PAUSE ${name}  -- on the console of PgBouncer`))),
  look: async (step, world) => ((await these(step, world)).every(({ atRest }) => atRest) ? { already: true } : { already: false, before: null }),

  apply: async (step, world, tell) => {
    const until = performance.now() + step.deadlineMs;
    await withPooler(step.console, world, async (pooler) => {
      for (const { name, paused } of await databasesOf(pooler, step.databases)) {
        tell.progress({ phase: `queries of ${name} are ending` });
        if (!paused) await pooler.pause(name, Math.max(100, until - performance.now())).catch((thrown: unknown) => { throw tooBusy(step, name, thrown); });
      }
      // One that was paused before, by a run that ended in the middle, may still be busy.
      await world.waitFor('PgBouncer to come to rest', async () => ((await databasesOf(pooler, step.databases)).every(({ atRest }) => atRest) ? true : null), { deadlineMs: Math.max(100, until - performance.now()), everyMs: 20 });
    });
  },

  undo: async (step, _before, world) => {
    await resumeAll(step, world);
  },
};

export const resumePooler: Kind<ResumePooler, null> = {
  title: (step) => `let the clients of PgBouncer at ${addressOf(step.console)} go on: resume ${step.databases.join(', ')}`,
  preview: async (step) => await Promise.resolve(showsSql(...step.databases.map((name) => `RESUME ${name}  -- on the console of PgBouncer`))),
  look: async (step, world) => ((await these(step, world)).some(({ paused }) => paused) ? { already: false, before: null } : { already: true }),
  apply: async (step, world) => {
    await resumeAll(step, world);
  },
  // To hold them again would help nobody.
  undo: 'nothing',
};

/** `HOST:PORT`, for people. */
export function addressOf({ host, port }: PoolerAddress): string {
  return `${host}:${port}`;
}

/** Opens the console for as long as `use` takes. */
export async function withPooler<T>(at: PoolerAddress, world: World, use: (pooler: Pooler) => Promise<T>): Promise<T> {
  const pooler = await world.pooler(at);
  try {
    return await use(pooler);
  } finally {
    await pooler.close();
  }
}

async function these(step: PausePooler | ResumePooler, world: World): Promise<readonly PoolerDatabase[]> {
  return await withPooler(step.console, world, async (pooler) => await databasesOf(pooler, step.databases));
}

async function databasesOf(pooler: Pooler, names: readonly string[]): Promise<readonly PoolerDatabase[]> {
  return (await pooler.databases()).filter(({ name }) => names.includes(name));
}

async function resumeAll(step: PausePooler | ResumePooler, world: World): Promise<void> {
  await withPooler(step.console, world, async (pooler) => {
    for (const { name, paused } of await databasesOf(pooler, step.databases)) if (paused) await pooler.resume(name);
  });
}

function tooBusy(step: PausePooler, name: string, thrown: unknown): unknown {
  if (!(thrown instanceof PgreplError) || thrown.code !== 'sql-timeout') return thrown;
  return new PgreplError('undone', 'pooler-busy', `queries of database ${name} did not end within ${Number((step.deadlineMs / 1_000).toFixed(1))} s, so that PgBouncer at ${addressOf(step.console)} could not be paused`, {
    node: step.node,
    hint: 'A transaction that is open for long holds a connection. End it, or give more time with --budget.',
    cause: thrown,
  });
}

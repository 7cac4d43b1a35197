import { PgreplError } from '../errors.ts';
import type { BaseBackupOptions } from '../postgres/tools.ts';
import { renderBytes } from '../postgres/units.ts';
import { keepsForCopy, proveKept } from './check-slot.ts';
import { showsCommand, type Kind } from './kind.ts';
import { clearFlag, hasFlag, isPublished, makeStagedAnew, setFlag, stagedData, type Staging } from './staging.ts';
import type { World } from './world.ts';

/** Copies the upstream into the staging directory, which no server can be started from. */
export interface BaseBackup {
  readonly kind: 'base-backup';
  readonly node: string;
  readonly upstream: string;
  readonly staging: Staging;
  readonly systemIdentifier: string;
  readonly options: Omit<BaseBackupOptions, 'directory'>;
}

export const baseBackup: Kind<BaseBackup, null> = {
  title: (step) => `copy ${step.upstream} with pg_basebackup (checkpoint ${step.options.checkpoint}${step.options.compress === 'none' ? '' : `, ${step.options.compress}`}${step.options.maxRate === null ? '' : `, at most ${step.options.maxRate}/s`})`,

  preview: async (step, world) => {
    const programs = await world.node(step.node).programs();
    return showsCommand(programs.words.baseBackup({ ...step.options, directory: stagedData(step.staging) }));
  },

  look: async (step, world) => {
    const { host } = world.node(step.node);
    // A copy whose slot was lost meanwhile is of no use, whole as it is.
    const done = (await isPublished(host, step.staging)) || ((await hasFlag(host, step.staging, 'copied')) && (await keepsForCopy(copyOf(step), stagedData(step.staging), world)));
    return done ? { already: true, ours: null } : { already: false, before: null };
  },

  apply: async (step, world, tell) => {
    const { host, programs } = world.node(step.node);
    const directory = stagedData(step.staging);
    const tools = await programs();
    // Nothing resumes a base backup: an interrupted one is thrown away, with whatever still writes into it (hazard X2).
    await tools.stopLeftovers(directory);
    for (const flag of ['copied', 'verified']) await clearFlag(host, step.staging, flag);
    await makeStagedAnew(host, step.staging);
    await whileUpstreamHasRoom(step, world, async (signal) => {
      await tools.baseBackup({ ...step.options, directory }, (progress) => tell.progress(progress), signal);
    });

    const control = await tools.controlData(directory);
    if (control?.systemIdentifier !== step.systemIdentifier) {
      throw new PgreplError('undone', 'copied-another-cluster', `${step.options.host}:${step.options.port} is another cluster than ${step.upstream}: system identifier ${control?.systemIdentifier ?? 'unknown'}, wanted ${step.systemIdentifier}`, {
        node: step.node,
        hint: 'Its address in the cluster file leads somewhere else, seen from this node.',
      });
    }
    await proveKept(copyOf(step), directory, world);
    await setFlag(host, step.staging, 'copied');
  },

  undo: async (step, _before, world) => {
    const { host, programs } = world.node(step.node);
    if (!(await isPublished(host, step.staging))) await (await programs()).stopLeftovers(stagedData(step.staging));
  },
};

function copyOf({ node, upstream, options }: BaseBackup): Parameters<typeof proveKept>[0] {
  return { node, upstream, slot: options.slot };
}

/** The slot keeps WAL on the upstream for as long as the copy runs: a full disk there would stop the server that everybody uses. */
const FLOOR = 1 / 20;
/** Some segments, on a small disk too: a server that cannot make its next one stops at once. */
const FLOOR_BYTES = 128 * 1024 * 1024;
/** What other work may take meanwhile without being the copy's fault. */
const SLACK_BYTES = 64 * 1024 * 1024;
const WATCH_EVERY_MS = 1_000;

/** Runs `copy`, and stops it when the disk that holds the upstream's WAL runs low meanwhile (hazard D16). Throws `upstream-disk-low`. */
async function whileUpstreamHasRoom(step: BaseBackup, world: World, copy: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const { host, place } = world.node(step.upstream);
  const wal = `${place.pgdata}/pg_wal`;
  const start = await host.space(wal);
  const stop = new AbortController();
  const found: { low: PgreplError | null } = { low: null };
  const watch = world
    .withSignal(AbortSignal.any([stop.signal, world.signal]))
    .waitFor(
      'the copy to end',
      async () => {
        const { freeBytes, totalBytes } = await host.space(wal);
        if (freeBytes >= Math.max(FLOOR_BYTES, totalBytes * FLOOR) || freeBytes >= start.freeBytes - SLACK_BYTES) return null;
        found.low = new PgreplError('undone', 'upstream-disk-low', `the disk that holds the WAL of ${step.upstream} has only ${renderBytes(freeBytes)} free; the copy was stopped`, {
          node: step.upstream,
          hint: 'Its slot kept WAL there. Make room, or let the copy be faster.',
        });
        stop.abort();
        return true;
      },
      { deadlineMs: Number.POSITIVE_INFINITY, everyMs: WATCH_EVERY_MS, firstMs: WATCH_EVERY_MS },
    )
    // Ends with the copy, by the same signal; a look that fails is no reason to stop it.
    .catch(() => null);
  try {
    await copy(AbortSignal.any([stop.signal, world.signal]));
  } catch (error) {
    throw found.low ?? error;
  } finally {
    stop.abort();
    await watch;
  }
}

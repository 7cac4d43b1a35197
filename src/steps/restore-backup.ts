import { PgreplError } from '../errors.ts';
import { howItEnded, lastLines } from '../postgres/program-backup.ts';
import { showsCommand, type Kind } from './kind.ts';
import { clearFlag, hasFlag, isPublished, makeStagedAnew, setFlag, stagedData, LOCKED_MODE, type Staging } from './staging.ts';

/** Restores a backup of pgbackrest into the staging directory, instead of a copy of a server. */
export interface RestoreBackup {
  readonly kind: 'restore-backup';
  readonly node: string;
  readonly staging: Staging;
  readonly stanza: string;
  readonly systemIdentifier: string;
  /** By their number, as a backup knows them. */
  readonly tablespaces: readonly { readonly oid: number; readonly to: string }[];
}

type Words = readonly [string, ...string[]];

/**
 * The newest backup of the stanza. `standby` puts standby.signal there before pg_control, which pgbackrest restores last: what is half
 * restored does not start, and what is whole does not start as a second writer. Its other settings are taken out again by later steps.
 */
function words(step: RestoreBackup): Words {
  return [
    'pgbackrest', `--stanza=${step.stanza}`, `--pg1-path=${stagedData(step.staging)}`, '--type=standby', '--log-level-console=info', '--log-level-stderr=error',
    ...step.tablespaces.map(({ oid, to }) => `--tablespace-map=${oid}=${to}`),
    'restore',
  ];
}

/** pgbackrest says of each file how far it is: `(16MB, 34.25%)`. */
const PERCENT = /, ([0-9]+(?:\.[0-9]+)?)%\)/;

export const restoreBackup: Kind<RestoreBackup, null> = {
  title: (step) => `restore the newest backup of stanza ${step.stanza} with pgbackrest`,
  preview: async (step) => await Promise.resolve(showsCommand(words(step))),

  look: async (step, world) => {
    const { host } = world.node(step.node);
    const done = (await isPublished(host, step.staging)) || (await hasFlag(host, step.staging, 'copied'));
    return done ? { already: true, ours: null } : { already: false, before: null };
  },

  apply: async (step, world, tell) => {
    const { host, programs } = world.node(step.node);
    const directory = stagedData(step.staging);
    const tools = await programs();
    await tools.stopLeftovers(directory);
    await clearFlag(host, step.staging, 'copied');
    await makeStagedAnew(host, step.staging);
    const said: string[] = [];
    const exit = await host.run({
      argv: words(step),
      effect: 'changes',
      guarded: true,
      deadlineMs: Infinity,
      signal: world.signal,
      onLine: (_stream, line) => {
        said.push(line);
        if (said.length > 50) said.shift();
        const percent = PERCENT.exec(line)?.[1];
        if (percent !== undefined) tell.progress({ phase: `restoring, ${percent} %` });
      },
    });
    if (exit.code !== 0) throw new PgreplError('undone', 'restore-failed', `pgbackrest restore ${howItEnded(exit)} on ${step.node}`, { node: step.node, details: lastLines(said.join('\n'), 5) });
    await host.setMode(directory, LOCKED_MODE);
    const control = await tools.controlData(directory);
    if (control?.systemIdentifier !== step.systemIdentifier) {
      throw new PgreplError('undone', 'copied-another-cluster', `the backup of stanza ${step.stanza} is of another cluster: system identifier ${control?.systemIdentifier ?? 'unknown'}, wanted ${step.systemIdentifier}`, { node: step.node });
    }
    await setFlag(host, step.staging, 'copied');
  },

  undo: async (step, _before, world) => {
    const { host, programs } = world.node(step.node);
    if (!(await isPublished(host, step.staging))) await (await programs()).stopLeftovers(stagedData(step.staging));
  },
};

import { PgreplError } from '../errors.ts';
import type { RewindOptions } from '../postgres/tools.ts';
import { showsCommand, type Kind } from './kind.ts';
import { hasKeptFlag, readKeptMarker, setKeptFlag, type KeptPlace } from './kept.ts';
import { LOCKED_MODE } from './staging.ts';
import type { World } from './world.ts';

/** pg_rewind: makes the files of a fallen-out server those of the new primary. The directory stays locked meanwhile (hazards J15, X21). */
export interface RewindServer {
  readonly kind: 'rewind-server';
  readonly node: string;
  readonly source: string;
  readonly systemIdentifier: string;
  /** Of the source: it must still be on it when this begins. */
  readonly timeline: number;
  readonly place: KeptPlace;
  readonly options: RewindOptions;
  /** How the same command offers a copy instead, when this is in vain. */
  readonly copyInstead: string;
}

export const rewindServer: Kind<RewindServer, null> = {
  title: (step) => `rewind ${step.node} to ${step.source} with pg_rewind`,
  preview: async (step, world) => {
    const { words } = await world.node(step.node).programs();
    return showsCommand(words.rewind(step.options, 'dry'), words.rewind(step.options));
  },

  look: async (step, world) => ((await hasKeptFlag(world, step.node, step.place, 'done')) ? { already: true } : { already: false, before: null }),

  apply: async (step, world, tell) => {
    const { host, programs } = world.node(step.node);
    const tools = await programs();
    const { directory } = step.options;
    await tools.stopLeftovers(directory);
    if ((await host.stat(directory))?.mode !== LOCKED_MODE) throw new PgreplError('undone', 'not-locked', `${directory} is not locked, and could be started while it is rewound`, { node: step.node });
    await proveSource(step, world);
    if (await hasKeptFlag(world, step.node, step.place, 'begun')) {
      // A second pg_rewind needs what the first one may have replaced: the log that tells what has changed, and pg_control.
      tell.progress({ phase: 'the log and pg_control of before, for another try' });
      await tools.copyEntries(`${step.place.folder}/pg_wal`, (await host.list(`${step.place.folder}/pg_wal`)) ?? [], `${directory}/pg_wal`);
      await tools.copyEntries(step.place.folder, ['pg_control'], `${directory}/global`);
      await tell.noReturn(`${step.node} is rewound`);
    } else {
      // A crash recovery has added its checkpoints since they were kept.
      const kept = (await host.list(`${step.place.folder}/pg_wal`)) ?? [];
      const first = kept.filter((name) => /^[0-9A-F]{24}$/.test(name)).map((name) => name.slice(8)).sort()[0] ?? '';
      await tools.copyEntries(`${directory}/pg_wal`, (await tools.walFiles(directory)).filter((name) => name.slice(8) >= first), `${step.place.folder}/pg_wal`);
      await tools.copyEntries(`${directory}/global`, ['pg_control'], step.place.folder);
      tell.progress({ phase: 'what pg_rewind would do' });
      await tools.rewind(step.options, 'dry', () => undefined, world.signal).catch((thrown: unknown) => {
        throw thrown instanceof PgreplError && thrown.code === 'rewind-failed' ? thrown.as('undone', { node: step.node, hint: 'pg_rewind has changed nothing. A copy anew does without it.', next: [step.copyInstead] }) : thrown;
      });
      await tell.noReturn(`${step.node} is rewound`);
      await setKeptFlag(world, step.node, step.place, 'recovering');
      await setKeptFlag(world, step.node, step.place, 'begun');
    }
    await clearOwnFiles(step, world);
    await tools.rewind(step.options, 'real', (progress) => { tell.progress(progress); }, world.signal).catch((thrown: unknown) => {
      throw thrown instanceof PgreplError && thrown.code === 'rewind-failed' ? thrown.as('unfinished', { node: step.node, hint: `${directory} is half rewound and stays locked. Its log and its own files are in ${step.place.folder}: the same command tries again, a copy anew does without.`, next: [step.copyInstead] }) : thrown;
    });
    // "no rewind required" ends with 0 as well: then pg_control is as before (hazards H13, J24).
    const control = await tools.controlData(directory);
    if (control?.state !== 'in archive recovery' || control.minRecoveryLsn === null) {
      throw new PgreplError('unfinished', 'rewind-did-nothing', `pg_rewind found nothing to rewind on ${step.node}, whose history is another one than that of ${step.source}`, { node: step.node, hint: 'It believes the number of the timeline. Only a copy anew brings this node back.', next: [step.copyInstead] });
    }
    await setKeptFlag(world, step.node, step.place, 'done');
  },

  undo: async (step, _before, world) => {
    if (await hasKeptFlag(world, step.node, step.place, 'begun')) throw new PgreplError('unfinished', 'half-rewound', `${step.options.directory} is rewound, whole or half, and was locked before`, { node: step.node });
  },
};

/**
 * They are kept, and come back. pg_rewind would stop half way at a file that its owner may not write (hazard J18). What the server itself needs
 * to tell its restore_command stays.
 */
async function clearOwnFiles(step: RewindServer, world: World): Promise<void> {
  const { host } = world.node(step.node);
  const own = (await readKeptMarker(host, step.place.folder))?.own ?? [];
  for (const name of own) {
    const path = `${step.options.directory}/${name}`;
    const stat = await host.stat(path);
    if (stat !== null && !(step.options.restoreTargetWal && (name.endsWith('.conf') || stat.kind === 'directory'))) await host.removeTree(path);
  }
}

/** The same server as was looked at, still the primary of the same timeline (hazard rej.13: a second failover meanwhile). */
async function proveSource(step: RewindServer, world: World): Promise<void> {
  const facts = await (await world.node(step.source).server()).facts();
  if (!facts.inRecovery && facts.timeline === step.timeline && facts.systemIdentifier === step.systemIdentifier) return;
  throw new PgreplError('undone', 'primary-changed', `${step.source} is ${facts.inRecovery ? 'a standby' : `on timeline ${facts.timeline}`} now, no longer the primary of timeline ${step.timeline}`, { node: step.source, next: ['pgrepl status'] });
}

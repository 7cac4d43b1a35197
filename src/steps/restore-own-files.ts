import { showsCommand, type Kind } from './kind.ts';
import { hasKeptFlag, ownEntries, readKeptMarker, setKeptFlag, type KeptPlace } from './kept.ts';

/** Puts back what is the node's own (configuration, certificates, logs), which pg_rewind has replaced by the source's or removed (hazard J16). */
export interface RestoreOwnFiles {
  readonly kind: 'restore-own-files';
  readonly node: string;
  readonly directory: string;
  readonly place: KeptPlace;
}

export const restoreOwnFiles: Kind<RestoreOwnFiles, null> = {
  title: (step) => `put the own files of ${step.node} back in place of those that came with the rewind`,
  preview: async (step) => await Promise.resolve(showsCommand(['cp', '-a', `${step.place.folder}/own/.`, `${step.directory}/`])),
  look: async (step, world) => ((await hasKeptFlag(world, step.node, step.place, 'restored')) ? { already: true } : { already: false, before: null }),
  apply: async (step, world) => {
    const { host, programs } = world.node(step.node);
    const own = (await readKeptMarker(host, step.place.folder))?.own ?? [];
    // With the source's identity none of them may stay: its port, its certificates, its log.
    for (const name of ownEntries((await host.list(step.directory)) ?? [])) await host.removeTree(`${step.directory}/${name}`);
    await (await programs()).copyEntries(`${step.place.folder}/own`, own, step.directory);
    await setKeptFlag(world, step.node, step.place, 'restored');
  },
  undo: 'impossible',
};

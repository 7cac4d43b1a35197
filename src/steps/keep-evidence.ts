import { PgreplError } from '../errors.ts';
import { showsCommand, type Kind } from './kind.ts';
import { hasKeptFlag, readKeptMarker, setKeptFlag, type KeptMarker, type KeptPlace } from './kept.ts';
import type { World } from './world.ts';

/** Copies away what a rewind takes: the log from the last common checkpoint on, pg_control, and the node's own files (hazards I02, J16, J21). */
export interface KeepEvidence {
  readonly kind: 'keep-evidence';
  readonly node: string;
  readonly place: KeptPlace;
  readonly marker: Omit<KeptMarker, 'run'>;
  /** WAL files from the last common checkpoint on, and history files. */
  readonly walFiles: readonly string[];
  /** For whoever finds the folder one day: what it is, and how it is read. */
  readonly note: readonly string[];
}

export const keepEvidence: Kind<KeepEvidence, null> = {
  title: (step) => `keep the log past the fork in ${step.place.folder} (${filesIn(step)}), and the files of ${step.node} that are its own`,

  preview: async (step) => await Promise.resolve(showsCommand(['mkdir', '-p', '-m', '0700', `${step.place.folder}/pg_wal`, `${step.place.folder}/own`], ['cp', '-a', ...step.walFiles.map((name) => `${step.marker.pgdata}/pg_wal/${name}`), `${step.place.folder}/pg_wal/`], ['cp', '-a', ...step.marker.own.map((name) => `${step.marker.pgdata}/${name}`), `${step.place.folder}/own/`])),

  look: async (step, world) => {
    if ((await readKeptMarker(world.node(step.node).host, step.place.folder)) === null) return { already: false, before: null };
    return (await hasKeptFlag(world, step.node, step.place, 'kept')) ? { already: true, ours: null } : { already: false, before: null };
  },

  apply: async (step, world) => {
    const { host, programs } = world.node(step.node);
    const { place, marker } = step;
    const tools = await programs();
    const there = await readKeptMarker(host, place.folder);
    if (there === null && ((await host.list(place.folder)) ?? []).some((name) => !name.startsWith('.pgrepl-write'))) {
      throw new PgreplError('undone', 'kept-foreign', `${place.folder} is there already and belongs to no unfinished rejoin`, { node: step.node, hint: 'An earlier rejoin has kept something of the same fork there. Move it away first.', next: [`mv ${place.folder} ${place.folder}.old`] });
    }
    if ((await host.stat(place.holder)) === null) await host.makeDirectory(place.holder, 0o700);
    if ((await host.stat(place.folder)) === null) await host.makeDirectory(place.folder, 0o700);
    await host.writeText(`${place.folder}/marker.json`, `${JSON.stringify({ ...marker, run: world.run }, null, 2)}\n`, { mode: 0o600 });
    await host.writeText(`${place.folder}/README.txt`, [...step.note, ''].join('\n'), { mode: 0o600 });
    for (const folder of ['pg_wal', 'own']) {
      await host.removeTree(`${place.folder}/${folder}`);
      await host.makeDirectory(`${place.folder}/${folder}`, 0o700);
    }
    await tools.copyEntries(`${marker.pgdata}/pg_wal`, step.walFiles, `${place.folder}/pg_wal`);
    await tools.copyEntries(marker.pgdata, marker.own, `${place.folder}/own`);
    await tools.copyEntries(`${marker.pgdata}/global`, ['pg_control'], place.folder);
    await setKeptFlag(world, step.node, place, 'kept');
  },

  undo: async (step, _before, world) => {
    if (await hasKeptFlag(world, step.node, step.place, 'recovering')) {
      throw new PgreplError('unfinished', 'kept-needed', `${step.place.folder} is needed to finish the rejoin`, { node: step.node });
    }
    await removeKept(step.node, step.place, world);
  },
};

function filesIn(step: KeepEvidence): string {
  const { length } = step.walFiles.filter((name) => !name.endsWith('.history'));
  return length === 1 ? 'one segment' : `${length} segments`;
}

/** Takes a folder of an unfinished rejoin away, whole; the marker last, without which nobody may. */
async function removeKept(node: string, place: KeptPlace, world: World): Promise<void> {
  const { host } = world.node(node);
  const entries = await host.list(place.folder);
  if (entries !== null) {
    if ((await readKeptMarker(host, place.folder)) === null && entries.some((name) => !name.startsWith('.pgrepl-write'))) return;
    for (const name of entries) if (name !== 'marker.json') await host.removeTree(`${place.folder}/${name}`);
    await host.removeTree(place.folder);
  }
  if (((await host.list(place.holder)) ?? ['']).length === 0) await host.removeTree(place.holder);
}

/** The end of a rejoin: what was kept only for the way goes; the log past the fork stays, with its note. */
export interface FinishKept {
  readonly kind: 'finish-kept';
  readonly node: string;
  readonly place: KeptPlace;
}

export const finishKept: Kind<FinishKept, null> = {
  title: (step) => `remove the copies in ${step.place.folder} that only the way needed; the log and its note stay there`,
  preview: async (step) => await Promise.resolve(showsCommand(['rm', '-r', `${step.place.folder}/own`, `${step.place.folder}/pg_control`, `${step.place.folder}/marker.json`])),
  look: async (step, world) => {
    const { host } = world.node(step.node);
    // Before the run there is none either; it is over only once there is a note without a marker.
    const over = (await host.stat(`${step.place.folder}/marker.json`)) === null && (await host.stat(`${step.place.folder}/README.txt`)) !== null;
    return over ? { already: true } : { already: false, before: null };
  },
  apply: async (step, world) => {
    const { host } = world.node(step.node);
    const stays = ['pg_wal', 'data', 'README.txt', 'marker.json'];
    for (const name of (await host.list(step.place.folder)) ?? []) if (!stays.includes(name)) await host.removeTree(`${step.place.folder}/${name}`);
    await host.removeFile(`${step.place.folder}/marker.json`);
  },
  undo: 'nothing',
};

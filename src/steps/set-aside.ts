import { PgreplError } from '../errors.ts';
import { showsCommand, type Kind } from './kind.ts';
import { hasFlag, isPublished, LOCKED_MODE, REPLACED, setFlag, stagedData, type Staging } from './staging.ts';
import { readKeptMarker, type KeptPlace } from './kept.ts';

/**
 * Moves the whole old data directory aside, by its name alone, once its successor is complete beside it. It is never deleted, and stays locked
 * where it goes (hazards D01, J21).
 */
export interface SetAside {
  readonly kind: 'set-aside';
  readonly node: string;
  readonly staging: Staging;
  readonly place: KeptPlace;
  readonly systemIdentifier: string;
  readonly note: readonly string[];
}

export const setAside: Kind<SetAside, { readonly mode: number | null }> = {
  title: (step) => `move the old directory aside: ${step.staging.pgdata} becomes ${asideOf(step)}`,
  preview: async (step) => await Promise.resolve(showsCommand(['mkdir', '-p', '-m', '0700', step.place.folder], ['mv', '-T', step.staging.pgdata, asideOf(step)])),

  look: async (step, world) => {
    const { host } = world.node(step.node);
    const before = { mode: (await host.stat(step.staging.pgdata))?.mode ?? null };
    return (await hasFlag(host, step.staging, REPLACED)) ? { already: true, ours: before } : { already: false, before };
  },

  apply: async (step, world) => {
    const { host, programs } = world.node(step.node);
    const { staging, place } = step;
    const tools = await programs();
    if ((await tools.processes(staging.pgdata)).length > 0) throw new PgreplError('undone', 'directory-in-use', `a server runs in ${staging.pgdata}`, { node: step.node, next: ['pgrepl status'] });
    if ((await host.stat(`${stagedData(staging)}/standby.signal`)) === null) throw new PgreplError('undone', 'signal-missing', 'the copy has no standby.signal and would start as a second primary', { node: step.node });
    const aside = asideOf(step);
    if ((await host.stat(aside)) === null) {
      // Of one that is half rewound its marker tells, whatever its pg_control says.
      const id = (await readKeptMarker(host, place.folder))?.systemIdentifier ?? (await tools.controlData(staging.pgdata))?.systemIdentifier;
      if (id !== step.systemIdentifier) throw new PgreplError('undone', 'directory-changed', `${staging.pgdata} is not the directory that was looked at`, { node: step.node });
      if ((await host.stat(place.holder)) === null) await host.makeDirectory(place.holder, 0o700);
      if ((await host.stat(place.folder)) === null) await host.makeDirectory(place.folder, 0o700);
      await host.writeText(`${place.folder}/README.txt`, [...step.note, ''].join('\n'), { mode: 0o600 });
      await host.setMode(staging.pgdata, LOCKED_MODE);
      await host.rename(staging.pgdata, aside);
    }
    // A rewind of it that was begun is not gone on with in its successor: its marker goes along.
    if ((await host.stat(`${place.folder}/marker.json`)) !== null) await host.rename(`${place.folder}/marker.json`, `${place.folder}/${BEGUN_BEFORE}`);
    await setFlag(host, staging, REPLACED);
  },

  undo: async (step, before, world) => {
    const { host } = world.node(step.node);
    const { staging, place } = step;
    const aside = asideOf(step);
    if (await isPublished(host, staging)) throw new PgreplError('unfinished', 'published', `${staging.pgdata} is the new directory, and stays there`, { node: step.node });
    if ((await host.stat(aside)) !== null && (await host.stat(staging.pgdata)) === null) await host.rename(aside, staging.pgdata);
    if (await hasFlag(host, staging, REPLACED)) await host.removeFile(`${staging.holder}/${REPLACED}`);
    const begun = (await host.stat(`${place.folder}/${BEGUN_BEFORE}`)) !== null;
    if (begun) await host.rename(`${place.folder}/${BEGUN_BEFORE}`, `${place.folder}/marker.json`);
    if (before.mode !== null && (await host.stat(staging.pgdata)) !== null) await host.setMode(staging.pgdata, before.mode);
    if (begun || (await host.stat(aside)) !== null || (await host.stat(`${place.folder}/marker.json`)) !== null) return;
    await host.removeTree(place.folder);
    if (((await host.list(place.holder)) ?? ['']).length === 0) await host.removeTree(place.holder);
  },
};

/** The marker of a rewind that this directory did not finish. */
const BEGUN_BEFORE = 'rewind-begun.json';

function asideOf({ place }: SetAside): string {
  return `${place.folder}/data`;
}

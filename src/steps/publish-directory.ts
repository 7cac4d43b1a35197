import { PgreplError } from '../errors.ts';
import { showsCommand, type Kind } from './kind.ts';
import { hasFlag, isPublished, MOVING, readMarker, removeStaging, setFlag, stagedData, type Staging } from './staging.ts';
import type { NodeWorld } from './world.ts';

/** Gives the finished directory its name and makes it startable: the two last acts of a copy. */
export interface PublishDirectory {
  readonly kind: 'publish-directory';
  readonly node: string;
  readonly staging: Staging;
  /** 0o700, or 0o750 where the upstream grants its group access. */
  readonly mode: number;
  /** `standby`: refuse to publish what has no standby.signal, because it would come up as a second primary. */
  readonly as: 'primary' | 'standby';
}

type Before = {
  /** Mode of the empty directory that was at the place; `null`: there was none. */
  readonly mode: number | null;
};

export const publishDirectory: Kind<PublishDirectory, Before> = {
  title: (step) => `publish the directory as ${step.staging.pgdata}`,

  preview: async (step) =>
    await Promise.resolve(
      showsCommand(['mv', '-T', stagedData(step.staging), step.staging.pgdata], ['chmod', `0${step.mode.toString(8)}`, step.staging.pgdata]),
    ),

  look: async (step, world) => {
    const { host } = world.node(step.node);
    const { staging } = step;
    const mode = (await host.stat(staging.pgdata))?.mode ?? null;
    if (!(await isPublished(host, staging))) return { already: false, before: { mode } };
    const before = await modeBefore(host, staging);
    if (mode !== step.mode) return { already: false, before };
    return (await readMarker(host, staging.holder)) === null ? { already: true } : { already: true, ours: before };
  },

  apply: async (step, world) => {
    const { host } = world.node(step.node);
    const { staging } = step;
    const data = stagedData(staging);
    if (!(await isPublished(host, staging))) {
      if (step.as === 'standby' && (await host.stat(`${data}/standby.signal`)) === null) {
        throw new PgreplError('undone', 'signal-missing', 'the copy has no standby.signal and would start as a second primary', { node: step.node });
      }
      // The old mode first: whoever takes this back later finds it here.
      await host.writeText(`${staging.holder}/${MODE_BEFORE}`, JSON.stringify((await host.stat(staging.pgdata))?.mode ?? null), { mode: 0o600 });
      if (isInside(staging)) {
        await setFlag(host, staging, MOVING);
        await moveEntries(host, staging);
      } else await host.rename(data, staging.pgdata);
    }
    await host.setMode(staging.pgdata, step.mode);
  },

  // Taken back only inside the run that made it: the marker is still there to prove that.
  undo: async (step, before, world) => {
    const { host, programs } = world.node(step.node);
    const { staging } = step;
    const moving = await hasFlag(host, staging, MOVING);
    if (!moving && !(await isPublished(host, staging))) return;
    if ((await readMarker(host, staging.holder)) === null) {
      throw new PgreplError('unfinished', 'published', `${staging.pgdata} is complete and in its place, and stays there`, { node: step.node });
    }
    if ((await (await programs()).processes(staging.pgdata)).length > 0) {
      throw new PgreplError('unfinished', 'directory-in-use', `a server runs in ${staging.pgdata}`, { node: step.node });
    }
    await host.setMode(staging.pgdata, 0o701);
    if (isInside(staging)) {
      await moveBack(host, staging);
      await host.setMode(staging.pgdata, before.mode ?? 0o700);
      await host.removeFile(`${staging.holder}/${MOVING}`);
    } else {
      await host.rename(staging.pgdata, stagedData(staging));
      if (before.mode !== null) await host.makeDirectory(staging.pgdata, before.mode);
    }
  },
};

const MODE_BEFORE = 'mode-before';

function isInside(staging: Staging): boolean {
  return staging.holder.startsWith(`${staging.pgdata}/`);
}

async function modeBefore(host: NodeWorld['host'], staging: Staging): Promise<Before> {
  const text = await host.readText(`${staging.holder}/${MODE_BEFORE}`);
  return { mode: text === null ? null : (JSON.parse(text) as number | null) };
}

/**
 * Into a mount point: entry by entry, PG_VERSION last, without which nothing is taken for a data directory, and under mode 0701, which
 * no server starts from (hazard D37). May be gone on with after it was cut off.
 */
export async function moveEntries(host: NodeWorld['host'], staging: Staging): Promise<void> {
  const [from, to] = [stagedData(staging), staging.pgdata];
  await host.setMode(to, 0o701);
  const last = ['global', 'PG_VERSION'];
  const names = ((await host.list(from)) ?? []).filter((name) => !last.includes(name));
  for (const name of [...names, ...last]) {
    if ((await host.stat(`${from}/${name}`)) !== null) await host.rename(`${from}/${name}`, `${to}/${name}`);
  }
  await host.removeTree(from);
}

async function moveBack(host: NodeWorld['host'], staging: Staging): Promise<void> {
  const data = stagedData(staging);
  await host.makeDirectory(data, 0o701);
  const own = staging.holder.slice(staging.pgdata.length + 1);
  const first = ['PG_VERSION', 'global'];
  const names = ((await host.list(staging.pgdata)) ?? []).filter((name) => name !== own && !first.includes(name));
  for (const name of [...first, ...names]) {
    if ((await host.stat(`${staging.pgdata}/${name}`)) !== null) await host.rename(`${staging.pgdata}/${name}`, `${data}/${name}`);
  }
}

/** The last act of a run that made a directory: its marker goes, and with it the proof that it may be removed again. */
export interface FinishStaging {
  readonly kind: 'finish-staging';
  readonly node: string;
  readonly staging: Staging;
}

export const finishStaging: Kind<FinishStaging, null> = {
  title: (step) => `remove ${step.staging.holder}`,
  preview: async (step) => await Promise.resolve(showsCommand(['rm', '-r', step.staging.holder])),
  look: async (step, world) => {
    const { host } = world.node(step.node);
    // Before the run there is no staging either; it is over only once the directory has its name.
    const over = (await host.list(step.staging.holder)) === null && (await isPublished(host, step.staging));
    return over ? { already: true } : { already: false, before: null };
  },
  apply: async (step, world, tell) => {
    const { host } = world.node(step.node);
    const marker = await readMarker(host, step.staging.holder);
    // Without its marker nothing proves any more that the directory may be taken back.
    await tell.noReturn(`${step.staging.pgdata} is complete and stays`);
    // What was filled outside belongs to the directory from now on.
    if (marker !== null && marker.also.length > 0) {
      await host.writeText(`${step.staging.holder}/marker.json`, `${JSON.stringify({ ...marker, also: [] }, null, 2)}\n`, { mode: 0o600 });
    }
    await removeStaging(host, step.staging);
  },
  undo: 'nothing',
};

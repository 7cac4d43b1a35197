import { PgreplError } from '../errors.ts';
import { showsCommand, type Kind } from './kind.ts';
import { isPublished, readMarker, removeStaging, stagedData, type Staging } from './staging.ts';
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

export const publishDirectory: Kind<PublishDirectory, null> = {
  title: (step) => `publish the directory as ${step.staging.pgdata}`,

  preview: async (step) =>
    await Promise.resolve(
      showsCommand(['mv', '-T', stagedData(step.staging), step.staging.pgdata], ['chmod', `0${step.mode.toString(8)}`, step.staging.pgdata]),
    ),

  look: async (step, world) => {
    const { host } = world.node(step.node);
    if (!(await isPublished(host, step.staging))) return { already: false, before: null };
    const mode = (await host.stat(step.staging.pgdata))?.mode;
    const ours = (await readMarker(host, step.staging.holder)) !== null;
    if (mode !== step.mode) return { already: false, before: null };
    return ours ? { already: true, ours: null } : { already: true };
  },

  apply: async (step, world) => {
    const { host } = world.node(step.node);
    const data = stagedData(step.staging);
    if (!(await isPublished(host, step.staging))) {
      if (step.as === 'standby' && (await host.stat(`${data}/standby.signal`)) === null) {
        throw new PgreplError('undone', 'signal-missing', `the copy has no standby.signal and would start as a second primary`, { node: step.node });
      }
      if (step.staging.holder.startsWith(`${step.staging.pgdata}/`)) await moveEntries(host, data, step.staging.pgdata);
      else await host.rename(data, step.staging.pgdata);
    }
    await host.setMode(step.staging.pgdata, step.mode);
  },

  // Taken back only inside the run that made it, while nothing has started on it: the marker is still there to prove that.
  undo: async (step, _before, world) => {
    const { host, programs } = world.node(step.node);
    if (!(await isPublished(host, step.staging)) || (await readMarker(host, step.staging.holder)) === null) return;
    if ((await (await programs()).processes(step.staging.pgdata)).length > 0) {
      throw new PgreplError('unfinished', 'directory-in-use', `a server runs in ${step.staging.pgdata}`, { node: step.node });
    }
    if (step.staging.holder.startsWith(`${step.staging.pgdata}/`)) {
      await host.makeDirectory(data(step), 0o701);
      await moveBack(host, step.staging);
    } else {
      await host.setMode(step.staging.pgdata, 0o701);
      await host.rename(step.staging.pgdata, data(step));
    }
  },
};

const data = (step: PublishDirectory): string => stagedData(step.staging);

/** Into a mount point: entry by entry, `global` with pg_control last, so that nothing half moved can be started (hazard D37). */
async function moveEntries(host: NodeWorld['host'], from: string, to: string): Promise<void> {
  await host.setMode(to, 0o701);
  const last = ['global', 'PG_VERSION'];
  const names = ((await host.list(from)) ?? []).filter((name) => !last.includes(name));
  for (const name of [...names, ...last]) {
    if ((await host.stat(`${from}/${name}`)) !== null) await host.rename(`${from}/${name}`, `${to}/${name}`);
  }
  await host.removeTree(from);
}

async function moveBack(host: NodeWorld['host'], staging: Staging): Promise<void> {
  await host.setMode(staging.pgdata, 0o701);
  const own = staging.holder.slice(staging.pgdata.length + 1);
  const first = ['PG_VERSION', 'global'];
  const names = ((await host.list(staging.pgdata)) ?? []).filter((name) => name !== own && !first.includes(name));
  for (const name of [...first, ...names]) {
    if ((await host.stat(`${staging.pgdata}/${name}`)) !== null) await host.rename(`${staging.pgdata}/${name}`, `${stagedData(staging)}/${name}`);
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
  apply: async (step, world) => {
    const { host } = world.node(step.node);
    const marker = await readMarker(host, step.staging.holder);
    // What was filled outside belongs to the directory from now on.
    if (marker !== null && marker.also.length > 0) {
      await host.writeText(`${step.staging.holder}/marker.json`, `${JSON.stringify({ ...marker, also: [] }, null, 2)}\n`, { mode: 0o600 });
    }
    await removeStaging(host, step.staging);
  },
  undo: 'nothing',
};

import type { PoolerAddress } from '../postgres/pooler.ts';
import { showsFile, type Kind } from './kind.ts';
import { addressOf, withPooler } from './pause-pooler.ts';
import type { World } from './world.ts';

/** Leads the databases of a PgBouncer to the new primary: the file that its configuration includes, and RELOAD. */
export interface RoutePooler {
  readonly kind: 'route-pooler';
  /** The new primary. */
  readonly node: string;
  readonly console: PoolerAddress;
  /** The way to the machine of the file, and its path there. */
  readonly via: string;
  readonly path: string;
  readonly content: string;
  /** Where each database leads when PgBouncer has read it. */
  readonly leads: readonly { readonly name: string; readonly hosts: readonly string[]; readonly port: number }[];
}

type Before = { readonly content: string | null };

export const routePooler: Kind<RoutePooler, Before> = {
  title: (step) => `lead PgBouncer at ${addressOf(step.console)} to ${step.node}: write ${step.path}, and reload it`,

  preview: async (step, world) => {
    const { sql: _, ...page } = showsFile(step.path, await (await world.machine(step.via)).readText(step.path), step.content);
    return { ...page, sql: ['RELOAD  -- on the console of PgBouncer'] };
  },

  look: async (step, world) => {
    const content = await (await world.machine(step.via)).readText(step.path);
    return content === step.content && (await leadsThere(step, world)) ? { already: true } : { already: false, before: { content } };
  },

  apply: async (step, world) => {
    await (await world.machine(step.via)).writeText(step.path, step.content);
    await reload(step, world);
    await world.waitFor(`PgBouncer at ${addressOf(step.console)} to lead to ${step.node} (does its configuration include ${step.path}?)`, async () => ((await leadsThere(step, world)) ? true : null), { deadlineMs: 5_000, everyMs: 50 });
  },

  undo: async (step, before, world) => {
    const host = await world.machine(step.via);
    if (before.content === null) await host.removeFile(step.path);
    else if ((await host.readText(step.path)) !== before.content) await host.writeText(step.path, before.content);
    await reload(step, world);
  },
};

async function reload(step: RoutePooler, world: World): Promise<void> {
  await withPooler(step.console, world, async (pooler) => { await pooler.reload(); });
}

async function leadsThere(step: RoutePooler, world: World): Promise<boolean> {
  const databases = await withPooler(step.console, world, async (pooler) => await pooler.databases());
  return step.leads.every(({ name, hosts, port }) => databases.some((one) => one.name === name && one.port === port && one.hosts.join(',') === hosts.join(',')));
}

import { PgreplError } from '../errors.ts';
import { showsCommand, type Kind } from './kind.ts';
import { hasFlag, readMarker, REPLACED } from './staging.ts';
import type { World } from './world.ts';

/**
 * Moves a tablespace of a directory that is to be replaced aside, and its link along, so that the copy can have the old place (hazard D20).
 * The old directory stays whole: it goes on to its tablespace by the link.
 */
export interface SetAsideTablespace {
  readonly kind: 'set-aside-tablespace';
  readonly node: string;
  readonly directory: string;
  readonly oid: number;
  readonly location: string;
  readonly aside: string;
  /** Of the copy that will fill the place: while its marker claims it, nothing is moved back there. */
  readonly holder: string;
}

export const setAsideTablespace: Kind<SetAsideTablespace, null> = {
  title: (step) => `move the old tablespace aside: ${step.location} becomes ${step.aside}`,
  preview: async (step) => await Promise.resolve(showsCommand(['mv', '-T', step.location, step.aside], ['ln', '-sfn', step.aside, linkOf(step)], ['mkdir', '-m', '0700', step.location])),

  look: async (step, world) => {
    const { host } = world.node(step.node);
    const done = (await host.stat(step.aside)) !== null && (await host.stat(step.location)) !== null && (!(await isOld(step, world)) || (await host.realPath(linkOf(step))) === step.aside);
    // The place beside it, by its name, is nobody else's.
    return done ? { already: true, ours: null } : { already: false, before: null };
  },

  apply: async (step, world) => {
    const { host, programs } = world.node(step.node);
    const tools = await programs();
    if ((await tools.processes(step.directory)).length > 0) throw new PgreplError('undone', 'directory-in-use', `a server runs in ${step.directory}`, { node: step.node, next: ['pgrepl status'] });
    if ((await host.stat(step.aside)) === null) await host.rename(step.location, step.aside);
    if (await isOld(step, world)) await tools.linkTablespace(linkOf(step), step.aside);
    if ((await host.stat(step.location)) === null) await host.makeDirectory(step.location, 0o700);
  },

  undo: async (step, _before, world) => {
    const { host, programs } = world.node(step.node);
    if ((await host.stat(step.aside)) === null) return;
    if ((await readMarker(host, step.holder))?.also.includes(step.location) === true) throw new PgreplError('unfinished', 'tablespace-claimed', `${step.location} still belongs to the copy in ${step.holder}`, { node: step.node });
    // Onto an empty directory, as rename(2) does it; anything in it would be somebody's.
    await host.rename(step.aside, step.location);
    await (await programs()).linkTablespace(linkOf(step), step.location);
  },
};

/** True as long as the directory at the place is the one that is to be replaced. */
async function isOld(step: SetAsideTablespace, world: World): Promise<boolean> {
  const { host } = world.node(step.node);
  return (await host.stat(step.directory)) !== null && !(await hasFlag(host, { holder: step.holder, pgdata: step.directory }, REPLACED));
}

function linkOf({ directory, oid }: SetAsideTablespace): string {
  return `${directory}/pg_tblspc/${oid}`;
}

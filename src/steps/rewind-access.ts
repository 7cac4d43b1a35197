import { PgreplError } from '../errors.ts';
import { blockLines, databaseRule, putBlock, removeBlock, type Door } from '../postgres/hba-file.ts';
import { putEntry } from '../postgres/passfile.ts';
import { NOTHING_TO_SHOW } from '../plan/step.ts';
import type { SslWords } from '../postgres/tls-files.ts';
import { rewindGrant } from '../postgres/sql-rewind.ts';
import { lineDiff, type Kind } from './kind.ts';
import { reloadAndProve, reloadIfRunning } from './reload.ts';
import type { World } from './world.ts';
import { passwordIn } from './write-passfile.ts';

/** For the time of a rewind the replication role may do on the source what pg_rewind needs (hazards C23, J22). */
interface Access {
  /** The source. */
  readonly node: string;
  readonly role: string;
  readonly hbaFile: string;
  /** Label of the block of its own in pg_hba.conf. */
  readonly label: string;
  /** From where it may come, as CIDR. */
  readonly ranges: readonly string[];
  /** The password, for this time and this database in a file of its own beside the passfile of the node that is rewound. */
  readonly passfile: { readonly node: string; readonly path: string; readonly from: string };
  /** The source, as the node reaches it. */
  readonly host: string;
  readonly port: number;
  /** How it comes in, and how it connects; by password, and encrypted where the server offers it, unless said otherwise. */
  readonly door?: Door;
  readonly ssl?: SslWords;
}

export interface AllowRewind extends Access {
  readonly kind: 'allow-rewind';
}

export interface EndRewindAccess extends Access {
  readonly kind: 'end-rewind-access';
}

/** Stands in the block when the grants came with it, so that whoever takes the block away knows that they go as well. */
const GRANTED = '# with grants';

/** Where pg_rewind finds the password of the role. */
export function rewindPassfile(passfile: string): string {
  return `${passfile}.rewind`;
}

export const allowRewind: Kind<AllowRewind, null> = {
  title: (step) => `let "${step.role}" run pg_rewind against ${step.node} for this time (four functions, a rule in pg_hba.conf)`,

  preview: async (step, world) => {
    const text = (await world.node(step.node).host.readText(step.hbaFile)) ?? '';
    return { ...NOTHING_TO_SHOW, sql: [rewindGrant(step.role, true)], files: [{ path: step.hbaFile, diff: lineDiff(text, putBlock(text, step.label, linesOf(step, true))) }] };
  },

  look: async (step, world) => {
    const node = world.node(step.node);
    const lines = blockLines((await node.host.readText(step.hbaFile)) ?? '', step.label);
    const there = lines !== null && [true, false].some((granted) => linesOf(step, granted).join('\n') === lines.join('\n'));
    const ready = there && (await (await node.server()).mayRewind(step.role)) && (await world.node(step.passfile.node).host.stat(step.passfile.path)) !== null;
    return ready ? { already: true, ours: null } : { already: false, before: null };
  },

  apply: async (step, world) => {
    const node = world.node(step.node);
    const server = await node.server();
    const text = await node.host.readText(step.hbaFile);
    if (text === null) throw new PgreplError('undone', 'file-missing', `${step.hbaFile} is missing`, { node: step.node });
    const password = await passwordIn(world, { node: step.passfile.node, path: step.passfile.from, host: step.host, port: step.port }, step.role);
    if (password === null) throw new PgreplError('undone', 'password-unknown', `${step.passfile.from} has no password of "${step.role}" for ${step.host}:${step.port}`, { node: step.passfile.node });
    const grants = blockLines(text, step.label)?.includes(GRANTED) === true || !(await server.mayRewind(step.role));
    const after = putBlock(text, step.label, linesOf(step, grants));
    if (after !== text) await node.host.writeText(step.hbaFile, after);
    await reloadAndProve(step.node, {}, world);
    if (grants) await server.grantRewind(step.role, true);
    // Here, where everything can still be taken back, and not after a crash recovery that cannot.
    await world.node(step.passfile.node).proveSession(step, 'postgres', step.role, password, step.ssl);
    await world.node(step.passfile.node).host.writeText(step.passfile.path, putEntry('', { host: step.host, port: String(step.port), database: 'postgres', user: step.role, password }), { mode: 0o600 });
  },

  undo: async (step, _before, world) => {
    await takeAway(step, world);
  },
};

export const endRewindAccess: Kind<EndRewindAccess, null> = {
  title: (step) => `take from "${step.role}" again what pg_rewind needed on ${step.node}`,
  preview: async (step) => await Promise.resolve({ ...NOTHING_TO_SHOW, sql: [rewindGrant(step.role, false)], files: [{ path: step.hbaFile, diff: `-${linesOf(step, true).join('\n-')}` }] }),
  look: async (step, world) => {
    const text = (await world.node(step.node).host.readText(step.hbaFile)) ?? '';
    const gone = blockLines(text, step.label) === null && (await world.node(step.passfile.node).host.stat(step.passfile.path)) === null;
    return gone ? { already: true } : { already: false, before: null };
  },
  apply: async (step, world) => {
    await takeAway(step, world);
  },
  undo: 'nothing',
};

function linesOf({ role, ranges, door }: Access, granted: boolean): readonly string[] {
  return [...(granted ? [GRANTED] : []), ...ranges.map((range) => databaseRule('postgres', role, range, door))];
}

/** Block and grants together, the block last: as long as it is there, it tells that they are. */
async function takeAway(step: Access, world: World): Promise<void> {
  const node = world.node(step.node);
  await world.node(step.passfile.node).host.removeFile(step.passfile.path);
  const text = await node.host.readText(step.hbaFile);
  if (text === null || blockLines(text, step.label) === null) return;
  if (blockLines(text, step.label)?.includes(GRANTED) === true) await (await node.server()).grantRewind(step.role, false);
  await node.host.writeText(step.hbaFile, removeBlock(text, step.label));
  await reloadIfRunning(step.node, world);
}

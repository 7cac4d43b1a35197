import { PgreplError } from '../errors.ts';
import { findPassword, putEntry, removeEntry } from '../postgres/passfile.ts';
import { generatePassword } from '../postgres/scram.ts';
import type { Secret } from '../secret.ts';
import { NOTHING_TO_SHOW } from '../plan/step.ts';
import type { Kind } from './kind.ts';
import type { World } from './world.ts';

/** Lines for the replication role in the passfile of a node's owner, one for each address it may have to connect to. */
export interface WritePassfile {
  readonly kind: 'write-passfile';
  readonly node: string;
  readonly path: string;
  readonly user: string;
  readonly targets: readonly { readonly host: string; readonly port: number }[];
  /** Where the password is known already; `null`: given by the operator, in this file, or generated here. */
  readonly from: { readonly node: string; readonly path: string; readonly host: string; readonly port: number } | null;
}

type Before = { readonly missing: readonly { readonly host: string; readonly port: number }[] };

const DATABASE = 'replication';

export const writePassfile: Kind<WritePassfile, Before> = {
  title: (step) => `write ${step.path} (0600): the password of "${step.user}" for ${step.targets.length === 1 ? 'one address' : `${step.targets.length} addresses`}`,

  preview: async (step) =>
    await Promise.resolve({
      ...NOTHING_TO_SHOW,
      files: [{ path: step.path, diff: step.targets.map((t) => `+${t.host}:${t.port}:${DATABASE}:${step.user}:***`).join('\n') }],
    }),

  look: async (step, world) => {
    const { host } = world.node(step.node);
    const password = await knownPassword(step, world);
    const text = (await host.readText(step.path)) ?? '';
    const missing = step.targets.filter((target) => {
      const present = findPassword(text, { ...target, database: DATABASE, user: step.user });
      return present === null || (password !== null && present.reveal() !== password.reveal());
    });
    const stat = await host.stat(step.path);
    // libpq ignores a passfile that others may read, with nothing but a warning (fe-connect.c).
    const safe = stat !== null && (stat.mode & 0o077) === 0;
    return missing.length === 0 && safe ? { already: true } : { already: false, before: { missing } };
  },

  apply: async (step, world) => {
    const { host } = world.node(step.node);
    const password = (await knownPassword(step, world)) ?? generatePassword();
    const folder = step.path.slice(0, step.path.lastIndexOf('/'));
    if ((await host.stat(folder)) === null) await host.makeDirectory(folder, 0o700);
    let text = (await host.readText(step.path)) ?? '';
    for (const target of step.targets) text = putEntry(text, { host: target.host, port: String(target.port), database: DATABASE, user: step.user, password });
    await host.writeText(step.path, text, { mode: 0o600 });
  },

  undo: async (step, before, world) => {
    const { host } = world.node(step.node);
    let text = await host.readText(step.path);
    if (text === null) return;
    for (const target of before.missing) text = removeEntry(text, { host: target.host, port: String(target.port), database: DATABASE, user: step.user });
    if (text.trim() === '') await host.removeFile(step.path);
    else await host.writeText(step.path, text, { mode: 0o600 });
  },
};

/** The password that this node's passfile has for that address; `null` when it has none. */
export async function passwordIn(world: World, at: { readonly node: string; readonly path: string; readonly host: string; readonly port: number }, user: string): Promise<Secret | null> {
  const text = await world.node(at.node).host.readText(at.path);
  return text === null ? null : findPassword(text, { host: at.host, port: at.port, database: DATABASE, user });
}

async function knownPassword(step: WritePassfile, world: World): Promise<Secret | null> {
  if (world.givenPassword !== null) return world.givenPassword;
  if (step.from !== null) {
    const password = await passwordIn(world, step.from, step.user);
    if (password === null) {
      throw new PgreplError('undone', 'password-unknown', `${step.from.path} has no password of "${step.user}" for ${step.from.host}:${step.from.port}`, {
        node: step.from.node,
        hint: 'pgrepl init-primary writes it; a password of your own is given with --password-file.',
      });
    }
    return password;
  }
  const first = step.targets[0];
  return first === undefined ? null : await passwordIn(world, { node: step.node, path: step.path, ...first }, step.user);
}

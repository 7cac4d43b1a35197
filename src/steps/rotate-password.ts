import { PgreplError } from '../errors.ts';
import { findPassword, putEntry, removeEntry } from '../postgres/passfile.ts';
import { generatePassword, scramVerifier, verifierMatches } from '../postgres/scram.ts';
import { NOTHING_TO_SHOW } from '../plan/step.ts';
import { Secret } from '../secret.ts';
import { showsSql, type Kind } from './kind.ts';
import type { World } from './world.ts';
import { passwordIn } from './write-passfile.ts';

const DATABASE = 'replication';

/**
 * The new password, and what is needed to come back to the old one, beside the passfile of the primary for the time of a rotation: so that the
 * same command goes on with the same password after it was killed, and so that nothing secret is in the journal.
 */
export interface StagePassword {
  readonly kind: 'stage-password';
  /** The primary. */
  readonly node: string;
  readonly user: string;
  readonly passfile: string;
  readonly host: string;
  readonly port: number;
}

/** The role gets the new password, and in the same moment every passfile. */
export interface SwitchPassword extends Omit<StagePassword, 'kind'> {
  readonly kind: 'switch-password';
  /** Each passfile once, and whose rights it is written with. */
  readonly files: readonly { readonly node: string; readonly path: string }[];
  readonly targets: readonly { readonly host: string; readonly port: number }[];
}

/** The old password is forgotten. */
export interface ForgetPassword {
  readonly kind: 'forget-password';
  readonly node: string;
  readonly passfile: string;
}

interface Rotation {
  readonly next: Secret;
  readonly old: Secret | null;
  readonly verifier: Secret | null;
}

export const stagePassword: Kind<StagePassword, null> = {
  title: (step) => `keep the new password of "${step.user}" beside ${step.passfile} (0600) until every node has it`,
  preview: async (step) => await Promise.resolve({ ...NOTHING_TO_SHOW, files: [{ path: rotationFile(step.passfile), diff: '+***' }] }),
  look: async (step, world) => {
    const rotation = await readRotation(step, world);
    const given = world.givenPassword;
    return rotation !== null && (given === null || given.reveal() === rotation.next.reveal()) ? { already: true } : { already: false, before: null };
  },
  apply: async (step, world) => {
    const { host } = world.node(step.node);
    // A run before this one may have changed the role already: what was the old password then still is.
    const left = await readRotation(step, world);
    const role = await (await world.node(step.node).server()).role(step.user);
    const old = left?.old ?? (await passwordIn(world, { node: step.node, path: step.passfile, host: step.host, port: step.port }, step.user));
    const verifier = left?.verifier ?? role?.verifier ?? null;
    const next = world.givenPassword ?? generatePassword();
    const text = JSON.stringify({ format: 1, next: next.reveal(), old: old?.reveal() ?? null, verifier: verifier?.reveal() ?? null });
    await host.writeText(rotationFile(step.passfile), `${text}\n`, { mode: 0o600 });
  },
  undo: async (step, _before, world) => {
    await world.node(step.node).host.removeFile(rotationFile(step.passfile));
  },
};

export const switchPassword: Kind<SwitchPassword, null> = {
  title: (step) => `change the password of "${step.user}" on ${step.node} (SCRAM, computed here) and in ${step.files.length === 1 ? 'the passfile' : `${step.files.length} passfiles`} at once`,
  preview: async (step) =>
    await Promise.resolve({
      ...showsSql(`ALTER ROLE "${step.user.replaceAll('"', '""')}" LOGIN REPLICATION PASSWORD '***'`),
      files: step.files.map(({ path }) => ({ path, diff: step.targets.map((target) => `+${target.host}:${target.port}:${DATABASE}:${step.user}:***`).join('\n') })),
    }),
  look: async (step, world) => {
    const rotation = await readRotation(step, world);
    if (rotation === null) return { already: false, before: null };
    const role = await (await world.node(step.node).server()).role(step.user);
    if (role?.verifier == null || !verifierMatches(role.verifier, rotation.next)) return { already: false, before: null };
    const there = await Promise.all(step.files.map(async (file) => await hasPassword(step, file, rotation.next, world)));
    return there.every(Boolean) ? { already: true } : { already: false, before: null };
  },
  apply: async (step, world) => {
    const rotation = await readRotation(step, world);
    if (rotation === null) throw new PgreplError('undone', 'password-unknown', `${rotationFile(step.passfile)} is gone, and with it the new password`, { node: step.node });
    await setPassword(step, scramVerifier(rotation.next), world);
    // A standby that connects between the two is refused once, and comes again after wal_retrieve_retry_interval.
    await Promise.all(step.files.map(async (file) => { await writePassword(step, file, rotation.next, world); }));
  },
  undo: async (step, _before, world) => {
    const rotation = await readRotation(step, world);
    if (rotation === null) return;
    if (rotation.verifier !== null) await setPassword(step, rotation.verifier, world);
    await Promise.all(step.files.map(async (file) => { await writePassword(step, file, rotation.old, world); }));
  },
};

export const forgetPassword: Kind<ForgetPassword, null> = {
  title: () => 'forget the old password',
  preview: async (step) => await Promise.resolve({ ...NOTHING_TO_SHOW, files: [{ path: rotationFile(step.passfile), diff: '-***' }] }),
  look: async (step, world) => ((await world.node(step.node).host.stat(rotationFile(step.passfile))) === null ? { already: true } : { already: false, before: null }),
  apply: async (step, world) => {
    await world.node(step.node).host.removeFile(rotationFile(step.passfile));
  },
  undo: 'nothing',
};

/** Where a rotation keeps the passwords while it runs. */
export function rotationFile(passfile: string): string {
  return `${passfile}.rotation`;
}

/** What an unfinished rotation left; `null` when there is none, or no whole one. Throws what reading throws. */
export async function readRotation({ node, passfile }: { readonly node: string; readonly passfile: string }, world: World): Promise<Rotation | null> {
  const text = await world.node(node).host.readText(rotationFile(passfile));
  if (text === null) return null;
  try {
    const { next, old, verifier } = JSON.parse(text) as { readonly next?: unknown; readonly old?: unknown; readonly verifier?: unknown };
    const secret = (value: unknown): Secret | null => (typeof value === 'string' ? new Secret(value) : null);
    const known = secret(next);
    return known === null ? null : { next: known, old: secret(old), verifier: secret(verifier) };
  } catch {
    return null;
  }
}

/** Whether that passfile gives this password for every address. */
export async function hasPassword({ user, targets }: Pick<SwitchPassword, 'user' | 'targets'>, { node, path }: { readonly node: string; readonly path: string }, password: Secret, world: World): Promise<boolean> {
  const text = (await world.node(node).host.readText(path)) ?? '';
  return targets.every((target) => findPassword(text, { ...target, database: DATABASE, user })?.reveal() === password.reveal());
}

async function writePassword({ user, targets }: SwitchPassword, { node, path }: { readonly node: string; readonly path: string }, password: Secret | null, world: World): Promise<void> {
  const { host } = world.node(node);
  const folder = path.slice(0, path.lastIndexOf('/'));
  if ((await host.stat(folder)) === null) await host.makeDirectory(folder, 0o700);
  let text = (await host.readText(path)) ?? '';
  for (const { host: address, port } of targets) {
    const entry = { host: address, port: String(port), database: DATABASE, user };
    text = password === null ? removeEntry(text, entry) : putEntry(text, { ...entry, password });
  }
  await host.writeText(path, text, { mode: 0o600 });
}

async function setPassword({ node, user }: SwitchPassword, verifier: Secret, world: World): Promise<void> {
  await (await world.node(node).server()).createRole(user, verifier);
}

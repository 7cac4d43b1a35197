import { PgreplError } from '../errors.ts';
import { scramVerifier, verifierMatches } from '../postgres/scram.ts';
import { showsSql, type Kind } from './kind.ts';
import { passwordIn } from './write-passfile.ts';

/** The replication role: LOGIN REPLICATION and nothing more, its SCRAM verifier computed here, never the password sent. */
export interface CreateRole {
  readonly kind: 'create-role';
  readonly node: string;
  readonly user: string;
  readonly passfile: string;
  readonly host: string;
  readonly port: number;
}

type Before = { readonly existed: boolean };

export const createRole: Kind<CreateRole, Before> = {
  title: (step) => `create role "${step.user}" (LOGIN REPLICATION, SCRAM)`,

  preview: async (step) => await Promise.resolve(showsSql(`CREATE ROLE "${step.user.replaceAll('"', '""')}" LOGIN REPLICATION PASSWORD '***'`)),

  look: async (step, world) => {
    const server = await world.node(step.node).server();
    const role = await server.role(step.user);
    if (role === null) return { already: false, before: { existed: false } };
    const password = await passwordIn(world, { node: step.node, path: step.passfile, host: step.host, port: step.port }, step.user);
    const fits = role.login && role.replication && role.verifier !== null && password !== null && verifierMatches(role.verifier, password);
    // An existing role keeps its password: whether ours is the right one is proved by a login, not by comparing what it stores.
    return fits || (role.login && role.replication && role.verifier !== null) ? { already: true } : { already: false, before: { existed: true } };
  },

  apply: async (step, world) => {
    const server = await world.node(step.node).server();
    const password = await passwordIn(world, { node: step.node, path: step.passfile, host: step.host, port: step.port }, step.user);
    if (password === null) throw new PgreplError('undone', 'password-unknown', `${step.passfile} has no password of "${step.user}"`, { node: step.node });
    await server.createRole(step.user, scramVerifier(password));
  },

  undo: async (step, before, world) => {
    if (!before.existed) await (await world.node(step.node).server()).dropRole(step.user);
  },
};

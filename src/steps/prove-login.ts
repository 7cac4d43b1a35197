import { PgreplError } from '../errors.ts';
import { showsCommand, type Kind } from './kind.ts';
import { passwordIn } from './write-passfile.ts';

/** A real login for replication with the password of the passfile, the way a standby comes. */
export interface ProveLogin {
  readonly kind: 'prove-login';
  /** From whose machine. */
  readonly node: string;
  readonly user: string;
  readonly passfile: { readonly node: string; readonly path: string };
  readonly host: string;
  readonly port: number;
  readonly systemIdentifier: string | null;
}

export const proveLogin: Kind<ProveLogin, null> = {
  title: (step) => `prove that "${step.user}" can log in for replication at ${step.host}:${step.port}`,
  preview: async (step) => await Promise.resolve(showsCommand(['psql', `host=${step.host} port=${step.port} user=${step.user} passfile=${step.passfile.path} replication=true`, '-c', 'IDENTIFY_SYSTEM'])),

  look: async (step, world) => {
    const password = await passwordIn(world, { ...step.passfile, host: step.host, port: step.port }, step.user);
    if (password === null) return { already: false, before: null };
    try {
      const found = await world.node(step.node).proveLogin(step, step.user, password);
      return step.systemIdentifier === null || found === step.systemIdentifier ? { already: true } : { already: false, before: null };
    } catch (error) {
      if (error instanceof PgreplError && error.kind !== 'bug') return { already: false, before: null };
      throw error;
    }
  },

  apply: async (step, world) => {
    const password = await passwordIn(world, { ...step.passfile, host: step.host, port: step.port }, step.user);
    if (password === null) throw new PgreplError('undone', 'password-unknown', `${step.passfile.path} has no password of "${step.user}" for ${step.host}:${step.port}`, { node: step.passfile.node });
    const found = await world.node(step.node).proveLogin(step, step.user, password).catch((thrown: unknown) => {
      throw thrown instanceof PgreplError && thrown.code === 'login-refused' ? thrown.as(thrown.kind, { hint: `The address that ${step.node} connects from may be another than host in the cluster file: --allow opens for it.` }) : thrown;
    });
    if (step.systemIdentifier !== null && found !== step.systemIdentifier) {
      throw new PgreplError('undone', 'another-cluster', `${step.host}:${step.port} leads to another cluster: system identifier ${found}, wanted ${step.systemIdentifier}`, { node: step.node });
    }
  },

  undo: 'nothing',
};

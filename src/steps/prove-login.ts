import { PgreplError } from '../errors.ts';
import { showsCommand, type Kind } from './kind.ts';
import { renderConninfo } from '../postgres/conninfo.ts';
import type { SslWords } from '../postgres/tls-files.ts';
import type { Secret } from '../secret.ts';
import type { World } from './world.ts';
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
  /** How the standby comes; without it encrypted where the server offers it. */
  readonly ssl?: SslWords;
  /** It lets nobody in without TLS: that is proved, too. */
  readonly onlyTls?: true;
}

export const proveLogin: Kind<ProveLogin, null> = {
  title: (step) => `prove that "${step.user}" can log in for replication at ${step.host}:${step.port}${step.ssl?.sslmode === undefined ? '' : `, the certificate verified${step.ssl.sslcert === undefined ? '' : ' on both sides'}`}${step.onlyTls === true ? ', and not without TLS' : ''}`,
  preview: async (step) => await Promise.resolve(showsCommand(['psql', `host=${step.host} port=${step.port} user=${step.user} passfile=${step.passfile.path} ${step.ssl?.sslmode === undefined ? '' : `${renderConninfo(step.ssl as Readonly<Record<string, string>>)} `}replication=true`, '-c', 'IDENTIFY_SYSTEM'])),

  look: async (step, world) => {
    const password = await passwordIn(world, { ...step.passfile, host: step.host, port: step.port }, step.user);
    if (password === null) return { already: false, before: null };
    try {
      const found = await world.node(step.node).proveLogin(step, step.user, password, step.ssl);
      if (step.onlyTls === true && (await getsInPlain(step, password, world))) return { already: false, before: null };
      return step.systemIdentifier === null || found === step.systemIdentifier ? { already: true } : { already: false, before: null };
    } catch (error) {
      if (error instanceof PgreplError && error.kind !== 'bug') return { already: false, before: null };
      throw error;
    }
  },

  apply: async (step, world) => {
    const password = await passwordIn(world, { ...step.passfile, host: step.host, port: step.port }, step.user);
    if (password === null) throw new PgreplError('undone', 'password-unknown', `${step.passfile.path} has no password of "${step.user}" for ${step.host}:${step.port}`, { node: step.passfile.node });
    const found = await world.node(step.node).proveLogin(step, step.user, password, step.ssl).catch((thrown: unknown) => {
      throw thrown instanceof PgreplError && thrown.code === 'login-refused' ? thrown.as(thrown.kind, { hint: `The address that ${step.node} connects from may be another than host in the cluster file: --allow opens for it.` }) : thrown;
    });
    if (step.systemIdentifier !== null && found !== step.systemIdentifier) {
      throw new PgreplError('undone', 'another-cluster', `${step.host}:${step.port} leads to another cluster: system identifier ${found}, wanted ${step.systemIdentifier}`, { node: step.node });
    }
    if (step.onlyTls === true && (await getsInPlain(step, password, world))) {
      throw new PgreplError('undone', 'plain-login', `${step.host}:${step.port} lets "${step.user}" in without TLS`, { node: step.node, hint: 'A line of pg_hba.conf above the block of pgrepl may do that.', next: ['pgrepl doctor'] });
    }
  },

  undo: 'nothing',
};

async function getsInPlain(step: ProveLogin, password: Secret, world: World): Promise<boolean> {
  try {
    await world.node(step.node).proveLogin(step, step.user, password, { sslmode: 'disable' });
    return true;
  } catch (thrown) {
    if (thrown instanceof PgreplError && thrown.code === 'login-refused') return false;
    throw thrown;
  }
}

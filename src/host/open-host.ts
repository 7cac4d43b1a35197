import { usageError } from '../errors.ts';
import { Accounts, currentUser } from './accounts.ts';
import type { Host } from './host.ts';
import { LocalHost, LocalTransport } from './local.ts';

export { currentUser };

export type Via = { readonly kind: 'local' } | { readonly kind: 'ssh' | 'docker'; readonly target: string };

/** A `via` of the cluster file; throws `via-invalid`. */
export function parseVia(text: string): Via {
  if (text === '' || text === 'local') return { kind: 'local' };
  const match = /^(ssh|docker):\/\/([A-Za-z0-9_][A-Za-z0-9_.@:[\]%-]*)$/.exec(text);
  const [, kind, target] = match ?? [];
  if ((kind === 'ssh' || kind === 'docker') && target !== undefined) return { kind, target };
  throw usageError('via-invalid', `via ${JSON.stringify(text)} is not a way to a machine`, {
    hint: 'It is local, ssh://HOST or docker://CONTAINER.',
  });
}

/**
 * Opens a machine with the rights of `user`, `null` for whoever runs pgrepl. `signal` ends the waiting for one that does not answer. Throws `via-invalid`,
 * `no-such-user`, and what `openSsh` and `openDocker` throw.
 */
export async function openHost(via: string, user: string | null, signal?: AbortSignal): Promise<Host> {
  const way = parseVia(via);
  switch (way.kind) {
    case 'local': {
      const accounts = new Accounts();
      const account = await accounts.need(user ?? accounts.me.user);
      return new LocalHost(new LocalTransport(account.user, accounts));
    }
    case 'docker': {
      const { openDocker } = await import('./docker.ts');
      return await openDocker(way.target, user);
    }
    case 'ssh': {
      const { openSsh } = await import('./ssh.ts');
      return await openSsh(`ssh://${way.target}`, user, signal);
    }
    default:
      return way satisfies never;
  }
}

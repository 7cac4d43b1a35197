import { usageError } from '../errors.ts';
import { Accounts, currentUser } from './accounts.ts';
import type { Host } from './host.ts';
import { LocalHost, LocalTransport } from './local.ts';

export { currentUser };

/** `over` is the machine of the container's docker client; `null` for this one. */
export type Via =
  | { readonly kind: 'local' }
  | { readonly kind: 'ssh'; readonly target: string }
  | { readonly kind: 'docker'; readonly target: string; readonly over: string | null };

/** A `via` of the cluster file; throws `via-invalid`. */
export function parseVia(text: string): Via {
  if (text === '' || text === 'local') return { kind: 'local' };
  const [, container] = /^docker:\/\/([A-Za-z0-9][A-Za-z0-9_.-]*)$/.exec(text) ?? [];
  if (container !== undefined) return { kind: 'docker', target: container, over: null };
  const [, machine, inside] = /^ssh:\/\/([A-Za-z0-9_][A-Za-z0-9_.@:[\]%-]*)(?:\/docker\/([A-Za-z0-9][A-Za-z0-9_.-]*))?$/.exec(text) ?? [];
  if (machine !== undefined) return inside === undefined ? { kind: 'ssh', target: machine } : { kind: 'docker', target: inside, over: `ssh://${machine}` };
  throw usageError('via-invalid', `via ${JSON.stringify(text)} is not a way to a machine`, {
    hint: 'It is local, ssh://HOST, docker://CONTAINER or ssh://HOST/docker/CONTAINER.',
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
      if (way.over === null) return await openDocker(way.target, user);
      const { openSshTransport } = await import('./ssh.ts');
      return await openDocker(way.target, user, await openSshTransport(way.over, null, signal));
    }
    case 'ssh': {
      const { openSsh } = await import('./ssh.ts');
      return await openSsh(`ssh://${way.target}`, user, signal);
    }
    default:
      return way satisfies never;
  }
}

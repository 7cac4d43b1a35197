import type { Host } from '../host/host.ts';
import { currentUser, openHost } from '../host/open-host.ts';
import { readOnly } from '../host/wrappers.ts';
import type { Machines } from '../operations/places.ts';

/** Machines to look at before any world is made; read-only, and closed afterwards. */
export async function withMachines<T>(use: (machines: Machines) => Promise<T>): Promise<T> {
  const hosts = new Map<string, Host>();
  try {
    return await use({
      open: (via) => {
        const known = hosts.get(via) ?? readOnly(openHost(via, loginUser(via)));
        hosts.set(via, known);
        return known;
      },
    });
  } finally {
    await Promise.all([...hosts.values()].map(async (host) => await host.close().catch(() => undefined)));
  }
}

/** Whoever pgrepl comes as: nobody's rights are borrowed yet. */
function loginUser(via: string): string {
  if (via.startsWith('docker://')) return 'root';
  return /^ssh:\/\/([^@/]+)@/.exec(via)?.[1] ?? currentUser();
}

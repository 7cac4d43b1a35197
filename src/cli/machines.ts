import type { Host } from '../host/host.ts';
import { openHost } from '../host/open-host.ts';
import { readOnly } from '../host/read-only.ts';
import type { Machines } from '../operations/places.ts';

/** Machines to look at before any world is made; read-only, and closed afterwards. */
export async function withMachines<T>(use: (machines: Machines) => Promise<T>): Promise<T> {
  const hosts = new Map<string, Promise<Host>>();
  const open = async (via: string): Promise<Host> => readOnly(await openHost(via, null));
  try {
    return await use({
      open: async (via) => {
        const known = hosts.get(via) ?? open(via);
        hosts.set(via, known);
        return await known;
      },
    });
  } finally {
    await Promise.allSettled([...hosts.values()].map(async (host) => await (await host).close()));
  }
}

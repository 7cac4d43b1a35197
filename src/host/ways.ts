import { setMaxListeners } from 'node:events';
import type { Host } from './host.ts';
import { openHost } from './open-host.ts';

/** The machines of one command. */
export interface Ways {
  /** As whoever logs in there. A machine is reached once, whoever asks: through ssh that takes longer than most of what is asked there. */
  to(via: string): Promise<Host>;
  /** Stops waiting for machines that have not been reached yet. */
  abandon(): void;
  close(): Promise<void>;
}

/** None is reached before somebody asks; a failure is tried again by the next who asks. `close` ends all of them. */
export function openWays(): Ways {
  const hosts = new Map<string, Promise<Host>>();
  const abandoned = new AbortController();
  // Every machine listens while it is being reached: Node warns from the eleventh on.
  setMaxListeners(0, abandoned.signal);
  return {
    to: async (via) => {
      const known = hosts.get(via) ?? openHost(via, null, abandoned.signal);
      hosts.set(via, known);
      try {
        return await known;
      } catch (thrown) {
        if (hosts.get(via) === known) hosts.delete(via);
        throw thrown;
      }
    },
    abandon: () => abandoned.abort(),
    close: async () => {
      abandoned.abort();
      await Promise.allSettled([...hosts.values()].map(async (host) => { await (await host).close(); }));
    },
  };
}

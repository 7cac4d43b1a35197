import pg from 'pg';

export interface PoolClientsEnd {
  /** Inserts that were acknowledged. */
  readonly acknowledged: number;
  /** What any client was told that was no success. */
  readonly errors: readonly string[];
  /** The longest time that one insert took, milliseconds. */
  readonly longestMs: number;
}

export interface PoolClients {
  readonly acknowledged: number;
  /** Resolves when so many more were acknowledged. */
  more(count: number): Promise<void>;
  stop(): Promise<PoolClientsEnd>;
}

/** Clients that each keep one connection and insert into `clients`, one row after the other, without ever trying again. */
export async function startPoolClients(count: number, config: pg.ClientConfig): Promise<PoolClients> {
  let [acknowledged, longestMs, going] = [0, 0, true];
  const errors: string[] = [];
  const clients = await Promise.all(Array.from({ length: count }, async () => {
    const client = new pg.Client(config);
    client.on('error', (error) => errors.push(`connection: ${error.message}`));
    await client.connect();
    return client;
  }));
  const loops = clients.map(async (client) => {
    while (going && errors.length < 20) {
      const began = performance.now();
      await client.query('INSERT INTO clients VALUES (1)').then(() => (acknowledged += 1), (error: unknown) => errors.push(error instanceof Error ? error.message : String(error)));
      longestMs = Math.max(longestMs, performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await client.end().catch(() => undefined);
  });
  return {
    get acknowledged() {
      return acknowledged;
    },
    more: async (wanted) => {
      const [goal, until] = [acknowledged + wanted, performance.now() + 30_000];
      while (acknowledged < goal) {
        if (performance.now() > until || errors.length > 0) throw new Error(`${acknowledged} of ${goal} inserts came in time; errors: ${errors.join('; ')}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    stop: async () => {
      going = false;
      await Promise.all(loops);
      return { acknowledged, errors, longestMs };
    },
  };
}

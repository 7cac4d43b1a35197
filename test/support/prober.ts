import type pg from 'pg';
import { closeOracle, openOracle } from './oracle.ts';

/** One write that a server took. */
interface Taken {
  readonly node: string;
  /** Of the server at that moment: one node that is the primary again later is another era. */
  readonly timeline: string;
  readonly sentMs: number;
  readonly takenMs: number;
}

export interface Prober {
  /** The same as `stop` tells, so far. */
  soFar(): readonly string[];
  /** How often a server took a write. */
  readonly writes: number;
  /** Pairs of nodes that took writes at the same time, in words; empty is as it must be. */
  stop(): Promise<readonly string[]>;
}

/** Tries to write on every one of these servers, each every 50 ms, and notes where that worked and when. */
export function startProber(places: readonly { readonly name: string; readonly pgdata: string }[], everyMs = 50): Prober {
  const taken: Taken[] = [];
  const stopping = new AbortController();
  const loops = places.map(async ({ name, pgdata }) => {
    let client: pg.Client | null = null;
    while (!stopping.signal.aborted) {
      const sentMs = performance.now();
      try {
        client ??= await openOracle(pgdata, 'postgres', 1_500);
        const { rows } = await client.query<{ timeline: string }>(`SELECT pg_current_xact_id(), substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS timeline`);
        taken.push({ node: name, timeline: rows[0]?.timeline ?? '', sentMs, takenMs: performance.now() });
      } catch (error) {
        // 25006 and the like: a standby, which is an answer; anything else costs the session.
        if (!isRefusedWrite(error)) {
          const broken: pg.Client | null = client;
          client = null;
          broken?.end().catch(() => undefined);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    if (client !== null) await closeOracle(client);
  });
  return {
    soFar: () => overlaps(taken),
    get writes() {
      return taken.length;
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(loops);
      return overlaps(taken);
    },
  };
}

function isRefusedWrite(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === '25006' || code === '55000' || code === '0A000';
}

/** Between its first answer and its last question a server was writable for certain. */
function overlaps(taken: readonly Taken[]): readonly string[] {
  const eras = new Map<string, { readonly node: string; readonly timeline: string; readonly from: number; to: number }>();
  for (const { node, timeline, sentMs, takenMs } of taken) {
    const key = `${node} ${timeline}`;
    const era = eras.get(key);
    if (era === undefined) eras.set(key, { node, timeline, from: takenMs, to: takenMs });
    else era.to = Math.max(era.to, sentMs);
  }
  const all = [...eras.values()];
  return all.flatMap((a, index) => all.slice(index + 1).filter((b) => b.node !== a.node && a.from < b.to && b.from < a.to).map((b) => `${a.node} (timeline ${a.timeline}) and ${b.node} (timeline ${b.timeline}) both took writes for ${Math.round(Math.min(a.to, b.to) - Math.max(a.from, b.from))} ms`));
}

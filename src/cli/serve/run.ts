import { stat } from 'node:fs/promises';
import { asPgreplError } from '../../errors.ts';
import { pause } from '../../host/pause.ts';
import { remember, type HistoryPoint } from '../../operations/serve/history.ts';
import type { ServeCounts } from '../../operations/serve/metrics.ts';
import type { Snapshot } from '../../operations/serve/snapshot.ts';
import type { Topology } from '../../topology/topology.ts';
import type { Context } from '../command.ts';
import { namedFile } from '../io.ts';
import { jsonLine } from '../output/json.ts';
import { cleanLine } from '../output/terminal.ts';
import { typedNext } from '../typed-next.ts';
import type { Access } from './access.ts';
import { answerTo, type Page } from './answers.ts';
import { changesBetween } from './changes.ts';
import { listen } from './http.ts';
import { keepLooking, type Looking } from './keep-looking.ts';

export interface ServeOptions {
  readonly topology: Topology;
  readonly own: string | null;
  readonly access: Access;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly page: Page;
}

/** Serves until the first signal, then ends what is under way and returns 0. */
export async function runServe(context: Context, options: ServeOptions): Promise<number> {
  const { io, globals } = context;
  const { own, access, intervalMs, timeoutMs, page } = options;
  const started = performance.now();
  const requests = new Map<string, { path: string; code: number; count: number }>();
  let [looks, lookedMs, history]: [number, number, readonly HistoryPoint[]] = [0, started, []];
  let first: () => void = () => undefined;
  const firstLook = new Promise<void>((resolve) => { first = resolve; });
  const say = (line: string): void => {
    if (!globals.quiet) io.stderr.write(`${cleanLine(line)}\n`);
  };

  const looking: Looking = {
    intervalMs,
    timeoutMs,
    topology: options.topology,
    snapshot: null,
    say,
    saw: (snapshot: Snapshot) => {
      for (const line of changesBetween(looking.snapshot, snapshot)) say(line);
      looking.snapshot = snapshot;
      [looks, lookedMs, history] = [looks + 1, performance.now(), remember(history, snapshot)];
      first();
    },
    betweenLooks: renewal(access, async () => { await server.renew(); }, say),
  };
  const counts = (): ServeCounts => ({ looks, requests, lookedAt: looking.snapshot?.at ?? 0, lookSeconds: looking.snapshot?.tookSeconds ?? 0 });
  const server = await listen(access, {
    known: () => ({ nodes: looking.topology.nodes.map(({ name }) => name), own }),
    answer: async (wanted) => {
      if (looking.snapshot === null && wanted.what !== 'nothing' && wanted.what !== 'liveness') await Promise.race([firstLook, pause(timeoutMs, io.signal)]);
      const ageSeconds = (performance.now() - lookedMs) / 1_000;
      return {
        ...answerTo(wanted, {
          snapshot: looking.snapshot, ageSeconds, expiresSeconds: (3 * intervalMs + 2 * timeoutMs) / 1_000, intervalSeconds: intervalMs / 1_000, history, counts: counts(), page,
          typed: (document) => ({ ...document, findings: typedNext(document.findings, namedFile(io)) }),
        }),
        ageSeconds,
      };
    },
    counted: (path, code) => {
      const key = `${path} ${code}`;
      const known = requests.get(key) ?? { path, code, count: 0 };
      known.count += 1;
      requests.set(key, known);
    },
  });
  try {
    if (globals.json) io.stdout.write(jsonLine({ format: 1, url: server.url, address: access.address, port: server.port, node: own }));
    say(`serving ${options.topology.cluster}${own === null ? '' : ` (${own} at the root)`} at ${server.url}, page ${server.url}/ui`);
    await keepLooking(context, looking);
  } finally {
    await server.close();
  }
  return 0;
}

/** Looks whether the certificate or its key were written anew, and takes them; a wrong one is said, and the old one stays. */
function renewal({ tls }: Access, renew: () => Promise<void>, say: (line: string) => void): () => Promise<void> {
  let known: string | null = null;
  return async () => {
    if (tls === null) return;
    const now = (await Promise.all([tls.cert, tls.key].map(async (path) => await stat(path).then(({ mtimeMs, ino }) => `${ino} ${mtimeMs}`, () => '')))).join(' ');
    if (known !== null && now !== known) {
      await renew().then(() => { say('the certificate was renewed'); }, (thrown: unknown) => { say(`the certificate was changed and is not used: ${asPgreplError(thrown).message}`); });
    }
    known = now;
  };
}

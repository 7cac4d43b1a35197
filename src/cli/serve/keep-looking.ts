import { asPgreplError, PgreplError } from '../../errors.ts';
import { watchCluster } from '../../operations/serve/watch.ts';
import type { Snapshot } from '../../operations/serve/snapshot.ts';
import { loadTopology, readClusterText } from '../../topology/load.ts';
import type { Topology } from '../../topology/topology.ts';
import type { Context } from '../command.ts';
import { needsNodes } from '../node-words.ts';
import { pause } from '../../host/pause.ts';
import { withQueryWorld } from '../query-world.ts';

/** How long a machine that could not be asked who owns its server is believed to have the usual owner. */
const GUESSED_MS = 30_000;
const AGAIN_MS = 1_000;

export interface Looking {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** The cluster file as it is now; changed when the file is. */
  topology: Topology;
  snapshot: Snapshot | null;
  readonly saw: (snapshot: Snapshot) => void;
  readonly say: (line: string) => void;
  /** After each look: what else is due. */
  readonly betweenLooks: () => Promise<void>;
}

/** Looks at the cluster until the signal fires. A change of the cluster file is followed; one that is wrong is said, and the file as it was stays in force. */
export async function keepLooking(context: Context, looking: Looking): Promise<void> {
  const { signal } = context.io;
  let text = await readClusterText(looking.topology.file);
  let refused: string | null = null;
  const follow = async (): Promise<boolean> => {
    const now = await readClusterText(looking.topology.file).catch(() => text);
    if (now === text || now === refused) return false;
    try {
      const topology = await loadTopology(context.globals.file, {}, context.io.env);
      needsNodes(topology);
      looking.topology = topology;
      [text, refused] = [now, null];
      looking.say(`the cluster file was changed: ${topology.nodes.map(({ name }) => name).join(', ')}`);
      return true;
    } catch (thrown) {
      refused = now;
      looking.say(`the cluster file was changed and is not used: ${asPgreplError(thrown).message}`);
      return false;
    }
  };
  let trouble = '';
  while (!signal.aborted) {
    try {
      await withQueryWorld(context, looking.topology, looking.timeoutMs, async (world) => {
        const opened = performance.now();
        const guessed = new Set<string>(looking.topology.nodes.filter(({ via, osUser, passfile }) => via !== 'local' && (osUser === undefined || passfile === undefined)).map(({ name }) => name));
        await watchCluster(world, looking.topology, {
          intervalMs: looking.intervalMs,
          timeoutMs: looking.timeoutMs,
          signal,
          last: () => looking.snapshot,
          saw: (snapshot) => {
            trouble = '';
            for (const { name, state } of snapshot.document.nodes) if (state !== 'unreachable') guessed.delete(name);
            looking.saw(snapshot);
          },
          isOver: async () => {
            await looking.betweenLooks();
            return (await follow()) || (guessed.size > 0 && performance.now() - opened > GUESSED_MS);
          },
        });
      });
    } catch (thrown) {
      if (isEnd(thrown, signal)) return;
      // Whatever it is: the next look may succeed, and until then the last one grows old.
      const { message } = asPgreplError(thrown);
      if (message !== trouble) looking.say(`a look failed: ${message}`);
      trouble = message;
      await pause(AGAIN_MS, signal);
      await follow();
    }
  }
}

function isEnd(thrown: unknown, signal: AbortSignal): boolean {
  return signal.aborted || (thrown instanceof PgreplError && thrown.kind === 'interrupted');
}

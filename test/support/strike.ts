import type { Machine, Ran } from './cluster.ts';
import { descendantsOf } from './process-tree.ts';
import type { RunningPgrepl, RunOptions } from './run-pgrepl.ts';

/** What happens to a running pgrepl. `kill-tree` takes everything that it started along; `hang-up` closes both of its streams, like `| head`. */
export type Blow = 'kill' | 'kill-tree' | 'terminate' | 'interrupt' | 'hang-up' | NetworkBlow;

/**
 * What happens to its network, where it goes by one: every connection is reset; the machine ends every session; or nothing comes through any
 * more, in either direction, and nobody is told. The network is there again once pgrepl has ended, and, after the last of these, once the
 * machine has noticed by itself.
 */
export type NetworkBlow = 'cut' | 'end-sessions' | 'silence';

/** The machine is to notice by itself within 20 s, and what it ends has 5 s to obey. */
const NOTICED_MS = 45_000;

/** When: so many steps of the run were announced, and then so many milliseconds have gone by. */
export interface Moment {
  readonly afterSteps: number;
  readonly thenMs: number;
}

export interface Struck {
  readonly ran: Ran;
  /** False when it had ended before. */
  readonly hit: boolean;
  /** Events of its run that it had announced before the blow: where it was. */
  readonly last: string;
  /** How many steps it announced in all. */
  readonly steps: number;
  /** Of a blow to the network: what still ran on the machine long after, one line each. */
  readonly unnoticed: readonly string[];
}

const ANNOUNCES = /"event":"(run|step|no-return)"/;

/** Runs a change with NDJSON output and strikes it at that moment; `null` lets it end by itself. */
export async function strike(m: Machine, args: readonly string[], moment: Moment | null, blow: Blow): Promise<Struck> {
  const silenced: Blow[] = [];
  try {
    const struck = await runWithBlow(m, args, moment, (pgrepl) => {
      if (blow === 'silence') silenced.push(blow);
      land(m, pgrepl.child, blow);
    });
    return { ...struck, unnoticed: silenced.length > 0 ? await unnoticed(m) : [] };
  } finally {
    m.road?.wire.set({});
    if (silenced.length > 0) m.road?.wire.cut();
  }
}

/** Runs a change with NDJSON output, and does something at that moment, if it is still at work then; `null` lets it end by itself. */
export async function runWithBlow(m: Machine, args: readonly string[], moment: Moment | null, blow: (pgrepl: RunningPgrepl) => void, options?: RunOptions): Promise<Omit<Struck, 'unnoticed'>> {
  const pgrepl = m.start([...args, '--yes', '--json'], options);
  let [steps, last, rest, hit] = [0, 'nothing announced', '', false];
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    if (moment === null || timer !== undefined || steps < moment.afterSteps) return;
    timer = setTimeout(() => {
      hit = pgrepl.child.exitCode === null && pgrepl.child.signalCode === null;
      if (hit) blow(pgrepl);
    }, moment.thenMs);
  };
  pgrepl.child.stdout?.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.filter((text) => ANNOUNCES.test(text))) {
      steps += 1;
      if (!hit) last = line;
      arm();
    }
  });
  arm();
  try {
    return { ran: await pgrepl.ended, hit, last, steps };
  } finally {
    clearTimeout(timer);
  }
}

async function unnoticed(m: Machine): Promise<readonly string[]> {
  return await m.settled(NOTICED_MS).then(() => [], (error: unknown) => [`the network was gone: ${String(error)}`]);
}

/** One blow to a running pgrepl, at once. */
export function land(m: Machine, child: { readonly pid?: number | undefined; readonly stdout: { destroy(): unknown } | null; readonly stderr: { destroy(): unknown } | null }, blow: Blow): void {
  const pid = child.pid ?? -1;
  switch (blow) {
    case 'kill':
      return send(pid, 'SIGKILL');
    case 'kill-tree': {
      // Frozen first, so that nothing new is born while its family is counted.
      send(pid, 'SIGSTOP');
      for (const one of [pid, ...descendantsOf(pid).map((child) => child.pid)]) send(one, 'SIGKILL');
      return;
    }
    case 'terminate':
      return send(pid, 'SIGTERM');
    case 'interrupt':
      return send(pid, 'SIGINT');
    case 'hang-up':
      child.stdout?.destroy();
      child.stderr?.destroy();
      return;
    case 'cut':
      return m.road?.wire.cut();
    case 'end-sessions':
      return m.road?.endSessions();
    case 'silence':
      return m.road?.wire.set({ swallow: 'both' });
    default:
      return blow satisfies never;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

import type { Machine, Ran } from './cluster.ts';
import { descendantsOf } from './process-tree.ts';

/** What happens to a running pgrepl. `kill-tree` takes everything that it started along; `hang-up` closes both of its streams, like `| head`. */
export type Blow = 'kill' | 'kill-tree' | 'terminate' | 'interrupt' | 'hang-up';

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
}

const ANNOUNCES = /"event":"(run|step|no-return)"/;

/** Runs a change with NDJSON output and strikes it at that moment; `null` lets it end by itself. */
export async function strike(m: Machine, args: readonly string[], moment: Moment | null, blow: Blow): Promise<Struck> {
  const pgrepl = m.start([...args, '--yes', '--json']);
  let [steps, last, rest, hit] = [0, 'nothing announced', '', false];
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    if (moment === null || timer !== undefined || steps < moment.afterSteps) return;
    timer = setTimeout(() => {
      hit = pgrepl.child.exitCode === null && pgrepl.child.signalCode === null;
      if (hit) land(pgrepl.child, blow);
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

function land(child: { readonly pid?: number | undefined; readonly stdout: { destroy(): unknown } | null; readonly stderr: { destroy(): unknown } | null }, blow: Blow): void {
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

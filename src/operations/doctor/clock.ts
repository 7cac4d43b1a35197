import { asPgreplError } from '../../errors.ts';
import type { Host } from '../../host/host.ts';
import type { Clock } from './facts.ts';

/** Asks a machine for its time; `null` when it does not tell. Best when nothing else runs: what this program does meanwhile counts as round trip. */
export async function askClock(host: Host): Promise<Clock | null> {
  const startedAt = Date.now();
  const start = performance.now();
  let said: { readonly text: string; readonly elapsedMs: number } | null = null;
  try {
    await host.run({
      argv: ['date', '+%s.%N'],
      effect: 'reads',
      // The moment at which the time arrives bounds it, not the end of the program.
      onLine: (_stream, text) => void (said ??= { text, elapsedMs: performance.now() - start }),
    });
  } catch (thrown) {
    const error = asPgreplError(thrown);
    if (error.kind === 'bug') throw error;
  }
  const first = said as { readonly text: string; readonly elapsedMs: number } | null;
  return first === null ? null : clockOf(first.text, startedAt / 1_000, first.elapsedMs / 1_000);
}

/** The skew of a clock that said this text between `start` and so many seconds later, all in seconds since 1970; `null` when it is no time. */
export function clockOf(text: string, start: number, elapsedSeconds: number): Clock | null {
  const [, whole, fraction] = /^(\d+)(?:\.(\d+))?/.exec(text) ?? [];
  if (whole === undefined) return null;
  // BusyBox and older macOS know no %N. A clock without fractions is on average half a second behind what it says.
  const [time, coarse] = fraction === undefined ? [Number(whole) + 0.5, 0.5] : [Number(`${whole}.${fraction}`), 0];
  return { skewSeconds: time - (start + elapsedSeconds / 2), uncertaintySeconds: elapsedSeconds / 2 + coarse };
}

import { PgreplError } from '../errors.ts';

export interface WaitOptions {
  /** Milliseconds, by a clock that nobody sets. */
  readonly deadlineMs: number;
  readonly everyMs: number;
  /** Pause before the first look; default none. */
  readonly firstMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks `probe` until it gives a value; what it throws ends the wait. Throws `wait-timeout`, which says what was waited for and the last
 * thing that the probe said, and `interrupted` as soon as the signal fires. A probe that hangs does not stop either.
 */
export async function waitFor<T>(what: string, probe: (say: (text: string) => void) => Promise<T | null>, options: WaitOptions): Promise<T> {
  const { deadlineMs, everyMs, firstMs = 0, signal } = options;
  const start = performance.now();
  let said: string | null = null;
  const left = (): number => deadlineMs - (performance.now() - start);
  const tooLate = (): PgreplError =>
    new PgreplError('unfinished', 'wait-timeout', `${what} did not come within ${renderSeconds(deadlineMs)}${said === null ? '' : `: ${said}`}`);
  const limited = async <V>(work: Promise<V>): Promise<V> => await orEnd(work, Math.max(0, left()), signal, tooLate, what);

  if (firstMs > 0) await limited(sleep(firstMs));
  for (;;) {
    const value = await limited(
      probe((text) => {
        said = text;
      }),
    );
    if (value !== null) return value;
    if (left() <= 0) throw tooLate();
    await limited(sleep(Math.min(everyMs, Math.max(1, left()))));
  }
}

/** The result of `work`, or the end of the wait, whichever is first. */
async function orEnd<V>(work: Promise<V>, leftMs: number, signal: AbortSignal | undefined, tooLate: () => PgreplError, what: string): Promise<V> {
  // When the wait ends first, nobody hears the late failure of the probe.
  work.catch(() => undefined);
  let stop = (): void => undefined;
  const ended = new Promise<never>((_resolve, reject) => {
    const interrupt = (): void => {
      reject(new PgreplError('interrupted', 'interrupted', `interrupted while waiting for ${what}`));
    };
    // One last look is worth more than a punctual end: the deadline counts from when the probe had its turn.
    const timer = Number.isFinite(leftMs) ? setTimeout(() => { reject(tooLate()); }, leftMs + 50) : undefined;
    signal?.addEventListener('abort', interrupt, { once: true });
    if (signal?.aborted === true) interrupt();
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', interrupt);
    };
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    stop();
  }
}

async function sleep(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function renderSeconds(milliseconds: number): string {
  return milliseconds < 1_000 ? `${milliseconds} ms` : `${Math.round(milliseconds / 100) / 10} s`;
}

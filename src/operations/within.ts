/** How long something may take. */
export interface Limits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** What could not be learned in time is left out: it is a refinement, and the answer to the first question stands. */
export async function within<T>({ timeoutMs, signal }: Limits, work: Promise<T>): Promise<T | undefined> {
  let stop: () => void = () => undefined;
  const over = new Promise<undefined>((resolve) => {
    const end = (): void => {
      resolve(undefined);
    };
    const timer = setTimeout(end, timeoutMs);
    signal.addEventListener('abort', end, { once: true });
    stop = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    };
  });
  try {
    return await Promise.race([work.catch(() => undefined), over]);
  } finally {
    stop();
  }
}

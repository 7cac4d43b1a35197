import { PgreplError } from '../errors.ts';
import type { World } from '../steps/world.ts';

/** What is looked at until it stands still, and how long at most. */
export interface Settling<T> {
  readonly look: () => Promise<T>;
  /** True for a moment that says nothing yet, such as that of a server which is starting. */
  readonly isMoving: (seen: T) => boolean;
  /** For whoever waits: `node1 to end its recovery`. */
  readonly what: (seen: T) => string;
  readonly deadlineMs: number;
  readonly everyMs: number;
}

/** What is seen once it stands still; at the deadline what is seen is taken for what is. Throws what a look throws, and `interrupted`. */
export async function settle<T>(world: World, { look, isMoving, what, deadlineMs, everyMs }: Settling<T>): Promise<T> {
  let seen = await look();
  if (!isMoving(seen)) return seen;
  const again = async (): Promise<true | null> => {
    seen = await look();
    return isMoving(seen) ? null : true;
  };
  await world.waitFor(what(seen), again, { deadlineMs, everyMs, firstMs: everyMs }).catch((thrown: unknown) => {
    if (!(thrown instanceof PgreplError && thrown.code === 'wait-timeout')) throw thrown;
  });
  return seen;
}

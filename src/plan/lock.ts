import { hostname, userInfo } from 'node:os';
import { asPgreplError, PgreplError } from '../errors.ts';
import type { HeldLock, Host, LockHolder } from '../host/host.ts';

/** One lock to take: of a data directory, on the machine where it is. */
export interface LockTarget {
  readonly node: string;
  readonly host: Host;
  readonly key: string;
}

/** Every lock of a run. */
export interface HeldLocks {
  /** Fires when one of them ends early; its reason is the error that names the node. */
  readonly lost: AbortSignal;
  /** Never fails: a lock ends with the process that holds it, whatever becomes of the farewell. */
  release(): Promise<void>;
}

/**
 * Takes all locks, or none: the first by name alone, so that of two runs that want the same nodes one goes on, then the others side by
 * side. Throws `locked` with the name of the holder.
 */
export async function lockAll(targets: readonly LockTarget[], holder: LockHolder): Promise<HeldLocks> {
  const lost = new AbortController();
  const held: HeldLock[] = [];
  let releasing = false;
  const release = async (): Promise<void> => {
    releasing = true;
    await Promise.allSettled(held.splice(0).map(async (lock) => { await lock.release(); }));
  };
  const take = async ({ node, host, key }: LockTarget): Promise<void> => {
    let lock: HeldLock;
    try {
      lock = await host.lock(key, holder);
    } catch (thrown) {
      const error = asPgreplError(thrown);
      throw error.as(error.kind, { node });
    }
    held.push(lock);
    const report = (): void => {
      if (!releasing) lost.abort(new PgreplError('undone', 'lock-lost', `the lock on ${node} was lost`, { node, hint: 'Another run may have begun.' }));
    };
    if (lock.lost.aborted) report();
    else lock.lost.addEventListener('abort', report, { once: true });
  };
  const [first, ...others] = targets.toSorted((a, b) => (a.node < b.node ? -1 : 1));
  try {
    if (first !== undefined) await take(first);
    const taken = await Promise.allSettled(others.map(take));
    const failed = taken.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  } catch (thrown) {
    await release();
    throw thrown;
  }
  return { lost: lost.signal, release };
}

/** This process, as others see it when they find the lock taken. */
export function holderOf(command: string, run: string): LockHolder {
  return { pid: process.pid, user: userName(), machine: hostname(), command, run, since: new Date().toISOString() };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in the password database, as in many containers.
    return String(process.getuid?.() ?? '');
  }
}

import { expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import type { HeldLock, Host, LockHolder } from '../../../src/host/host.ts';
import { holderOf, lockAll, type LockTarget } from '../../../src/plan/lock.ts';

/** Machines that only know locks. */
class Machines {
  readonly log: string[] = [];
  readonly held = new Map<string, LockHolder>();
  readonly ends = new Map<string, AbortController>();

  target(node: string, fails?: Error): LockTarget {
    const lock = async (key: string, holder: LockHolder): Promise<HeldLock> => {
      await Promise.resolve();
      this.log.push(`take ${key}`);
      if (fails !== undefined) throw fails;
      const other = this.held.get(key);
      if (other !== undefined) throw new PgreplError('locked', 'locked', `held by ${other.user}@${other.machine}: ${other.command}`);
      this.held.set(key, holder);
      const end = new AbortController();
      this.ends.set(key, end);
      const release = async (): Promise<void> => {
        await Promise.resolve();
        this.log.push(`release ${key}`);
        this.held.delete(key);
        // A process that ends because it was told to.
        end.abort();
      };
      return { lost: end.signal, release };
    };
    return { node, key: `/srv/${node}`, host: { lock } as unknown as Host };
  }
}

const holder: LockHolder = { pid: 7, user: 'ann', machine: 'ops', command: 'pgrepl promote', run: 'run1', since: '2026-01-01T00:00:00Z' };

test('locks are taken in the order of the names, and released', async () => {
  const machines = new Machines();
  const locks = await lockAll([machines.target('node3'), machines.target('node1'), machines.target('node2')], holder);
  expect(machines.log).toEqual(['take /srv/node1', 'take /srv/node2', 'take /srv/node3']);
  expect(locks.lost.aborted).toBe(false);
  await locks.release();
  await locks.release();
  expect(machines.held.size).toBe(0);
  expect(locks.lost.aborted).toBe(false);
});

test('one that is held gives none, and names node and holder', async () => {
  const machines = new Machines();
  const first = await lockAll([machines.target('node2')], holder);
  await expect(lockAll([machines.target('node1'), machines.target('node2'), machines.target('node3')], holder)).rejects.toMatchObject({
    kind: 'locked',
    exitCode: 9,
    node: 'node2',
    message: 'held by ann@ops: pgrepl promote',
  });
  expect([...machines.held.keys()]).toEqual(['/srv/node2']);
  await first.release();
});

test('of two runs that want the same nodes, the one that comes second stops at the first of them', async () => {
  const machines = new Machines();
  const nodes = ['node2', 'node1', 'node3'];
  const first = await lockAll(nodes.map((node) => machines.target(node)), holder);
  machines.log.length = 0;
  await expect(lockAll(nodes.map((node) => machines.target(node)), { ...holder, pid: 8 })).rejects.toMatchObject({ kind: 'locked', node: 'node1' });
  expect(machines.log).toEqual(['take /srv/node1']);
  await first.release();
});

test('any other failure gives none, and keeps its kind', async () => {
  const machines = new Machines();
  await expect(lockAll([machines.target('node1'), machines.target('node2', new PgreplError('unreachable', 'ssh-failed', 'no route'))], holder)).rejects.toMatchObject({ kind: 'unreachable', node: 'node2' });
  expect(machines.held.size).toBe(0);
});

test('a lock that ends early is told, with its node', async () => {
  const machines = new Machines();
  const locks = await lockAll([machines.target('node1'), machines.target('node2')], holder);
  machines.ends.get('/srv/node2')?.abort();
  expect(locks.lost.aborted).toBe(true);
  expect(locks.lost.reason).toMatchObject({ code: 'lock-lost', node: 'node2' });
  await locks.release();
});

test('no nodes, no locks', async () => {
  const locks = await lockAll([], holder);
  expect(locks.lost.aborted).toBe(false);
  await locks.release();
});

test('the holder is this process', () => {
  expect(holderOf('pgrepl promote node2', 'run1')).toMatchObject({ pid: process.pid, command: 'pgrepl promote node2', run: 'run1' });
});

import { describe, expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import { waitFor } from '../../../src/plan/wait.ts';
import { proveStreaming } from '../../../src/steps/prove-streaming.ts';
import type { World } from '../../../src/steps/world.ts';

const STEP = { kind: 'prove-streaming', node: 'node3', upstream: 'node2', primary: 'node2', delayed: false } as const;

/** A world in which node2 lists nobody, node3 answers as `answers` says, one after the other, and no deadline takes longer than a moment. */
function worldWith(answers: readonly ('down' | 'up')[]): World {
  let turn = 0;
  const server = {
    node2: async () => await Promise.resolve({ facts: async () => await Promise.resolve({ senders: turn >= answers.length ? [{ applicationName: 'node3', state: 'streaming' }] : [] }), writeMarker: async () => await Promise.resolve(1n) }),
    node3: async () => {
      const answer = answers[Math.min(turn, answers.length - 1)];
      turn += 1;
      if (answer === 'down') throw new PgreplError('unreachable', 'server-down', 'the server is not running', { node: 'node3' });
      return await Promise.resolve({ facts: async () => await Promise.resolve({ inRecovery: true, receiver: null }), positions: async () => await Promise.resolve({ inRecovery: true, receivedLsn: 1n, replayedLsn: 1n }) });
    },
  };
  return {
    node: (name: 'node2' | 'node3') => ({ server: server[name] }),
    waitFor: async <T>(what: string, probe: (say: (text: string) => void) => Promise<T | null>, limits: { readonly deadlineMs: number }) => await waitFor(what, probe, { deadlineMs: limits.deadlineMs / 100, everyMs: 1, signal: new AbortController().signal }),
  } as unknown as World;
}

const phases: string[] = [];
const tell = { progress: ({ phase }: { readonly phase?: string }) => phases.push(phase ?? '') } as never;

describe('the proof that a standby streams', () => {
  test('a standby whose server died is not waited for as long as one that catches up: nobody starts it again', async () => {
    const failure = await proveStreaming.apply(STEP, worldWith(['down']), tell).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'standby-stopped', kind: 'unfinished', node: 'node3', message: 'the server of node3 is not running, and was not started again within 15 s' });
    expect(phases).toContain('node3 is not running');
  });

  test('one that somebody starts again is waited for as ever', async () => {
    await expect(proveStreaming.apply(STEP, worldWith(['down', 'down', 'up', 'up']), tell)).resolves.toBeUndefined();
  });
});

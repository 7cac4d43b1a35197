import { describe, expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import type { QueryOptions, Row, Session } from '../../../src/postgres/session.ts';
import { runCheckpoint } from '../../../src/postgres/sql-checkpoint.ts';

/** A session whose answers the test gives; like a real one it costs the statement when its signal fires. */
function session(answer: (text: string, options: QueryOptions) => Promise<readonly Row[]>): Session {
  return {
    serverVersion: '15.18', broken: false, close: async () => { await Promise.resolve(); },
    query: async (text, options = {}) => await Promise.race([answer(text, options), new Promise<never>((_, reject) => { options.signal?.addEventListener('abort', () => { reject(new PgreplError('interrupted', 'interrupted', 'interrupted')); }); })]),
  };
}

interface Told {
  /** When the checkpoint is answered: after so many looks of the second session; `null`: never. */
  readonly answeredAfter: number | null;
  /** What the second session finds, look by look; the last one for ever. */
  readonly looks: readonly ('busy' | 'gone' | 'silent' | 'full')[];
}

/** Runs it with pauses that take no time; resolves to how often the second session was asked. */
async function looksOf({ answeredAfter, looks }: Told): Promise<number> {
  let asked = 0;
  let answer: () => void = () => undefined;
  const checkpointed = new Promise<readonly Row[]>((resolve) => { answer = () => { resolve([]); }; });
  if (answeredAfter === 0) answer();
  const main = session(async (text) => (text === 'CHECKPOINT' ? await checkpointed : await Promise.resolve([{ pid: '4711' }])));
  await runCheckpoint(main, {
    node: 'node1',
    pause: async () => { await new Promise((resolve) => setImmediate(resolve)); },
    openDatabase: async () => {
      const seen = looks[Math.min(asked, looks.length - 1)];
      asked += 1;
      if (asked === answeredAfter) answer();
      if (seen === 'silent') throw new PgreplError('unreachable', 'server-silent', 'the server did not answer the login');
      if (seen === 'full') throw new PgreplError('unreachable', 'too-many-clients', 'sorry, too many clients already');
      return await Promise.resolve(session(async (_text, { values }) => await Promise.resolve(seen === 'busy' && values?.[0] === '4711' ? [{ busy: '1' }] : [])));
    },
  });
  return asked;
}

describe('a checkpoint', () => {
  test('that is quick asks nobody anything', async () => {
    expect(await looksOf({ answeredAfter: 0, looks: ['gone'] })).toBe(0);
  });

  test('that takes long goes on for as long as its process is at work, or the server too full to say', async () => {
    expect(await looksOf({ answeredAfter: 40, looks: ['busy', 'full', 'silent', 'silent', 'busy'] })).toBeGreaterThanOrEqual(40);
  });

  test('whose connection was cut off without a word is given up as soon as its process is seen to be done', async () => {
    await expect(looksOf({ answeredAfter: null, looks: ['busy', 'gone'] })).rejects.toMatchObject({ code: 'connection-lost', kind: 'unreachable', message: expect.stringContaining('the checkpoint is over, and its answer never came') });
  });

  test('of a server that answers nobody any more is given up after three questions', async () => {
    await expect(looksOf({ answeredAfter: null, looks: ['silent'] })).rejects.toMatchObject({ code: 'connection-lost', message: 'the server did not answer any more while it wrote its checkpoint' });
  });
});

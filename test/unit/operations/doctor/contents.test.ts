import { expect, test } from 'vitest';
import { PgreplError } from '../../../../src/errors.ts';
import { compareContents } from '../../../../src/operations/doctor/contents.ts';
import { contents } from '../../../../src/operations/doctor/rules/contents.ts';
import { parseLsn } from '../../../../src/postgres/lsn.ts';
import type { ContentDigest, Contents } from '../../../../src/postgres/sql-contents.ts';
import type { World } from '../../../../src/steps/world.ts';
import { given, found } from './doctor-facts.ts';

const LIMITS = { timeoutMs: 30, signal: new AbortController().signal };

interface Played {
  /** What each reading of the table finds, the last one again and again. */
  readonly reads: readonly (string | PgreplError)[];
  readonly position?: string;
  readonly waiting?: number;
}

function contentsOf({ reads, position = '0/2000000', waiting = 0 }: Played, closed: () => void): Contents {
  let at = 0;
  return {
    tables: async () => await Promise.resolve([{ schema: 'public', name: 't', bytes: 8_192 }]),
    digest: async () => {
      const read = reads[Math.min(at, reads.length - 1)];
      at += 1;
      if (read instanceof PgreplError) throw read;
      return await Promise.resolve({ rows: '1', sum: read ?? '', lsn: parseLsn('0/1000000') } satisfies ContentDigest);
    },
    position: async () => await Promise.resolve(parseLsn(position)),
    waitingCommits: async () => await Promise.resolve(waiting),
    close: async () => {
      closed();
      await Promise.resolve();
    },
  };
}

async function compared(primary: Played, standby: Played): Promise<unknown> {
  let open = 2;
  const close = (): void => {
    open -= 1;
  };
  const node = (name: string): unknown => ({ server: async () => await Promise.resolve({ databaseNames: async () => await Promise.resolve(['shop']), contentsOf: async () => await Promise.resolve(contentsOf(name === 'node1' ? primary : standby, close)) }) });
  const [facts] = await compareContents({ node } as unknown as World, 'node1', ['node2'], LIMITS);
  expect(open).toBe(0);
  return facts === undefined ? null : facts.differ.length > 0 ? 'differs' : (facts.skipped[0]?.why ?? 'same');
}

test.each<readonly [string, string, Played, Played]>([
  ['the same rows', 'same', { reads: ['a'] }, { reads: ['a'] }],
  ['other rows, and nothing changed on the primary', 'differs', { reads: ['a'] }, { reads: ['b'] }],
  ['rows that changed between the two readings, and are the same then', 'same', { reads: ['a', 'b', 'b'] }, { reads: ['b'] }],
  ['a table that changes at every reading', 'it changes all the time', { reads: Array.from({ length: 40 }, (_, index) => `p${index}`) }, { reads: ['b'] }],
  ['commits that only the standby shows, because they wait', 'it changes all the time', { reads: ['a'], waiting: 1 }, { reads: ['b'] }],
  ['a standby that does not come as far', 'the standby does not replay', { reads: ['a'] }, { reads: ['a'], position: '0/500' }],
  ['a table that is gone meanwhile', 'it is gone', { reads: [new PgreplError('unfinished', 'sql-failed', 'no such relation', { details: ['42P01'] })] }, { reads: ['a'] }],
  ['a reading that replay cancels', 'replay cancelled the reading of it', { reads: ['a'] }, { reads: [new PgreplError('unfinished', 'sql-failed', 'canceling statement due to conflict', { details: ['40001'] })] }],
])('G07 %s', async (_, says, primary, standby) => {
  expect(await compared(primary, standby)).toBe(says);
});

test('G07 a difference is critical, what was not compared is said', () => {
  const one = { standby: 'node2', tables: 3, bytes: 24_576, differ: [], skipped: [] };
  expect(found(contents, given({ contents: [one] }))).toEqual([]);
  expect(found(contents, given({ contents: [{ ...one, differ: [{ table: 'shop.public.t', rowsOnPrimary: '1', rowsOnStandby: '1' }], skipped: [{ table: 'shop.public.u', why: 'it is gone' }] }] }))).toEqual(['critical contents-differ node2', 'info contents-not-compared node2']);
});

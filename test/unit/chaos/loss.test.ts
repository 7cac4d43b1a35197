import { expect, test } from 'vitest';
import { namesIn, saysProved } from '../../../chaos/sync.ts';
import { isWithin, LEAST_BYTES_PER_ROW } from '../../../chaos/checks.ts';
import { summarize, tableOf } from '../../../chaos/summary.ts';
import type { Round } from '../../../chaos/round.ts';

const ROUND: Round = { number: 1, errand: 'switchover', command: '', fault: '', faultKind: 'none', hit: false, before: '', runs: [], roleChange: 'planned', lost: 0, acceptedBytes: 0, sync: false, proved: false, pauseMs: 150.4, ms: 1_000, wrong: [] };
const WHOLE = { seed: 7, postgres: 15, via: 'on this machine', minutes: 1, writes: { sent: 130, acknowledged: 120, warned: 2, refused: 3, unknown: 5 }, twoWriterMoments: 0, probes: 40 };

test('rows that are gone are within what was accepted only when so many bytes can hold them (V1)', () => {
  expect([isWithin(0, 0), isWithin(1, 0), isWithin(1, LEAST_BYTES_PER_ROW - 1)]).toEqual([true, false, false]);
  expect([isWithin(3, 3 * LEAST_BYTES_PER_ROW), isWithin(4, 3 * LEAST_BYTES_PER_ROW), isWithin(1_000, 'unknown')]).toEqual([true, false, true]);
});

test('a summary tells losses with and without consent apart, and counts only the faults that hit', () => {
  const rounds: readonly Round[] = [
    ROUND,
    { ...ROUND, number: 2, errand: 'failover', roleChange: 'failover', faultKind: 'tool kill', hit: true, lost: 4, acceptedBytes: 4_000, sync: true, proved: true, pauseMs: 900 },
    { ...ROUND, number: 3, faultKind: 'server kill -9', hit: false, lost: 2, pauseMs: 300, wrong: ['V1: 2 acknowledged rows are not on node1'] },
  ];
  const summary = summarize(rounds, WHOLE);
  expect(summary).toMatchObject({ lostWithoutConsent: 2, lostWithConsent: 4, faults: { 'tool kill': 1 }, roleChanges: { failover: 1, planned: 2 }, writePauseMs: { plannedUndisturbed: 150, any: 900 }, synchronous: { rounds: 1, roleChanges: 1, proved: 1 } });
  expect(summary.violations).toEqual([{ round: 3, wrong: ['V1: 2 acknowledged rows are not on node1'] }]);
  expect(tableOf(summary)).toMatch(/writes acknowledged +120 \(2 a second\)/);
});

test('what pgrepl says of the proof by the synchronous set is told apart, and who counts by a value is read (F05, F08)', () => {
  expect([saysProved(['lost: 4 bytes', 'proof that nothing acknowledged is lost: complete: with ANY 1 ("node2") …']), saysProved(['proof that nothing acknowledged is lost: not complete: node3 is not seen'])]).toEqual([true, false]);
  expect([namesIn('ANY 1 ("node3", "node2")'), namesIn('')]).toEqual([['node2', 'node3'], []]);
});

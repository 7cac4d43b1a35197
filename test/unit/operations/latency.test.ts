import { describe, expect, test } from 'vitest';
import { adviceOn } from '../../../src/operations/latency-advice.ts';
import { medianOf, percentileOf, showDuration } from '../../../src/operations/latency-figures.ts';
import type { CommitWait } from '../../../src/postgres/sql-latency.ts';

describe('figures of a latency', () => {
  test('the median lies between the two middle ones of an even count', () => {
    expect([medianOf([]), medianOf([3]), medianOf([4, 1, 3]), medianOf([4, 1, 3, 2])]).toEqual([null, 3, 3, 2.5]);
  });

  test('the 99th percentile is one of the values, and of few values the largest', () => {
    const hundred = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect([percentileOf([], 99), percentileOf([7], 99), percentileOf([1, 9, 2], 99), percentileOf(hundred, 99)]).toEqual([null, 7, 9, 198]);
  });

  test('a time has three figures and the unit that people compare it in', () => {
    expect([0, 0.000002, 0.000146, 0.0009996, 0.00152, 0.0203, 0.1529, 0.9999, 2.25].map(showDuration)).toEqual(['0 µs', '2 µs', '146 µs', '1.00 ms', '1.52 ms', '20.3 ms', '153 ms', '1.00 s', '2.25 s']);
  });
});

describe('which level fits', () => {
  const levels = (...medians: readonly (number | null)[]) => (['off', 'local', 'remote_write', 'on', 'remote_apply'] as const).map((level: CommitWait, index) => ({ level, commits: 100, medianSeconds: medians[index] ?? null, p99Seconds: medians[index] ?? null, hung: medians[index] === null }));

  test('without a synchronous standby: what is lost with the primary, and what it would cost not to lose it', () => {
    const standbys = [{ name: 'node2', sync: 'async', writeSeconds: 0.001, flushSeconds: 0.002, replaySeconds: 0.003 }];
    expect(adviceOn({ primary: 'node1', synchronousStandbyNames: '', levels: levels(0, 0.001, 0.001, 0.001, 0.001), standbys })).toEqual([
      'no standby is synchronous: remote_write, on and remote_apply wait for this server alone, as local does',
      'what is acknowledged now and not yet on a standby is lost with node1: about the last 2.00 ms; with "pgrepl sync any 1" a commit would wait until node2 has it on disk, about 3.00 ms instead of 1.00 ms',
      'off saves 1.00 ms of 1.00 ms, and loses the last moments (three times wal_writer_delay) when the server crashes: for data that can be made again',
    ]);
  });

  test('with one: what each level costs and what it protects from; what cannot be told apart is said to be so', () => {
    expect(adviceOn({ primary: 'node1', synchronousStandbyNames: 'ANY 1 ("node2")', levels: levels(0.00098, 0.001, 0.0029, 0.003, 0.005), standbys: [] })).toEqual([
      'on costs 2.00 ms more than local, and is the lowest level at which nothing acknowledged is lost with node1',
      'remote_write saves nothing that could be measured here, and loses commits when node1 and the machine of the standby fail together',
      'remote_apply costs 2.00 ms more than on: for whoever must read on a standby what was just committed',
      'off saves nothing that could be measured here, and loses the last moments of a server that crashes: leave it',
    ]);
  });

  test('a standby that does not answer comes before every figure', () => {
    expect(adviceOn({ primary: 'node1', synchronousStandbyNames: 'ANY 1 ("node2")', levels: levels(0, 0.001, null, null, null), standbys: [] })).toEqual([expect.stringMatching(/^at remote_write a commit got no answer in time/)]);
  });
});

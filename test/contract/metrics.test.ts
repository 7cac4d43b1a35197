import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { NodeFacts } from '../../src/operations/facts.ts';
import { renderMetrics, type ServeCounts } from '../../src/operations/serve/metrics.ts';
import { snapshotOf } from '../../src/operations/serve/snapshot.ts';
import { judgeStatus } from '../../src/operations/status.ts';
import { parseLsn } from '../../src/postgres/lsn.ts';
import { facts, primary, sender, slot, standby, topologyOf } from '../unit/operations/status-facts.ts';

const RULES = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'share', 'prometheus', 'pgrepl.rules.yml');
const folder = mkdtempSync(join(tmpdir(), 'pgrepl-metrics-'));
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
const trio = topologyOf();
const counts: ServeCounts = { looks: 9, requests: new Map([['/primary 200', { path: '/primary', code: 200, count: 4 }]]), lookedAt: 10, lookSeconds: 0.02 };

afterAll(() => { rmSync(folder, { recursive: true }); });

const metrics = (seen: readonly NodeFacts[] | null): string => renderMetrics(seen === null ? null : snapshotOf(trio, { facts: seen, document: judgeStatus(trio, seen) }, null, { at: 10, tookSeconds: 0.02 }), counts);

function promtool(args: readonly string[], input = ''): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

/** Alerts that fire after four minutes in which serve's output stays as it is and its last look, if it still looks, is always fresh. */
function firing(output: string, looks: boolean): readonly string[] {
  const series = output.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => {
    const at = line.lastIndexOf(' ');
    const [name, value] = [line.slice(0, at), line.slice(at + 1)];
    return { series: name, values: looks && name === 'pgrepl_last_look_timestamp_seconds' ? '0+10x40' : `${value}x40` };
  });
  const names = [...readFileSync(RULES, 'utf8').matchAll(/- alert: (\w+)/g)].map(([, name]) => name ?? '');
  const file = join(folder, 'firing.json');
  // The test of an alert fails where it fires: none is expected.
  writeFileSync(file, JSON.stringify({ rule_files: [RULES], evaluation_interval: '10s', tests: [{ interval: '10s', input_series: series, alert_rule_test: names.map((alertname) => ({ eval_time: '6m', alertname, exp_alerts: [] })) }] }));
  const { status, said } = promtool(['test', 'rules', file]);
  const fired = new Set([...said.matchAll(/alertname: ?(\w+), time/g)].map(([, name]) => name));
  if ((status === 0) !== (fired.size === 0)) throw new Error(said);
  return names.filter((name) => fired.has(name));
}

const BEHIND = parseLsn('0/4000000');
const AHEAD = parseLsn('0/25000000');
const lagging = (lag: number): NodeFacts[] => [
  primary('node1', [], { currentLsn: AHEAD, senders: [sender('node2', { replayLsn: BEHIND, flushLsn: BEHIND, replayLagSeconds: lag })], slots: [slot('node2')] }),
  standby('node2', 5433, { receivedLsn: BEHIND, replayedLsn: BEHIND }),
];

describe.skipIf(!hasPromtool)(hasPromtool ? 'with promtool' : 'with promtool (skipped: it is not installed; it is in the package prometheus)', () => {
  test.each<[string, readonly NodeFacts[] | null]>([
    ['a healthy cluster', [primary('node1', ['node2', 'node3']), standby('node2'), standby('node3')]],
    ['a broken one', [facts('node1', { state: 'silent' }), standby('node2'), facts('node3', { state: 'unknown' })]],
    ['nothing seen yet', null],
  ])('the metrics of %s have nothing to complain about', (_, seen) => {
    expect(promtool(['check', 'metrics'], metrics(seen))).toEqual({ status: 0, said: '' });
  });

  test('the rules are well formed', () => {
    expect(promtool(['check', 'rules', RULES]).status).toBe(0);
  });

  test('a healthy cluster fires no alert', () => {
    expect(firing(metrics([primary('node1', ['node2', 'node3']), standby('node2'), standby('node3')]), true)).toEqual([]);
  });

  test.each<[string, readonly string[], readonly NodeFacts[], boolean]>([
    ['the primary hangs', ['PgreplNotWritable', 'PgreplNodeDown', 'PgreplCriticalFinding'], [facts('node1', { state: 'silent' }), standby('node2'), standby('node3')], true],
    ['two nodes take writes', ['PgreplTwoPrimaries', 'PgreplNotWritable', 'PgreplCriticalFinding'], [primary('node1', ['node3']), primary('node2', [], { timeline: 2 }), standby('node3')], true],
    ['a standby receives nothing', ['PgreplStandbyDetached'], [primary('node1', ['node3']), standby('node2', 5433, { receiver: null }), standby('node3')], true],
    ['replay is paused', ['PgreplReplayPaused'], [primary('node1', ['node2', 'node3']), standby('node2', 5433, { replayPause: 'paused' }), standby('node3')], true],
    ['a standby is far behind', ['PgreplLagBytes', 'PgreplLagSeconds'], lagging(300), true],
    ['a slot is near its limit', ['PgreplSlotNearLimit'], [primary('node1', [], { senders: [sender('node2')], slots: [slot('node2', { walStatus: 'extended', safeBytes: 1_000_000 })] }), standby('node2')], true],
    ['a slot is lost', ['PgreplSlotLost'], [primary('node1', [], { slots: [slot('node2', { active: false, activePid: null, walStatus: 'lost', safeBytes: null })] }), standby('node2', 5433, { receiver: null })], true],
    ['serve does not get to look', ['PgreplLookOld'], [primary('node1', ['node2']), standby('node2')], false],
  ])('%s: %j', (_, expected, seen, looks) => {
    expect(firing(metrics(seen), looks)).toEqual(expect.arrayContaining([...expected]));
  });

  test('serve is not there: the alert that says so, and no other', () => {
    expect(firing('', false)).toEqual(['PgreplServeDown']);
  });
});

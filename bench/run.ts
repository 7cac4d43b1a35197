// npm run bench [-- --short] [-- --only NAME]: ratios taken side by side in one run. Times of one machine mean nothing on another, and
// little an hour later: only what is taken in turn with a reference can be compared.
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installations } from '../test/support/at-hand.ts';
import { addStandby } from './cases/add-standby.ts';
import { failover } from './cases/failover.ts';
import { rejoin } from './cases/rejoin.ts';
import { serve } from './cases/serve.ts';
import { startUp } from './cases/start-up.ts';
import { status } from './cases/status.ts';
import { statusFar } from './cases/status-far.ts';
import { switchover, switchoverSync } from './cases/switchover.ts';
import type { Bench, Case, Result } from './measure.ts';

const CASES: readonly Case[] = [startUp, status, statusFar, addStandby, switchover, switchoverSync, failover, rejoin, serve];

const { values } = parseArgs({ options: { short: { type: 'boolean', default: false }, only: { type: 'string' }, major: { type: 'string' } } });
const chosen = CASES.filter(({ name }) => values.only === undefined || values.only.split(',').includes(name));
if (chosen.length === 0) throw new Error(`--only knows ${CASES.map(({ name }) => name).join(', ')}`);
// One major for all of it, the first at hand unless another is asked for: what a distribution has built is what people run.
const installation = installations().find(({ major }) => values.major === undefined || String(major) === values.major);
if (installation === undefined) throw new Error(`PostgreSQL ${values.major ?? ''} is not at hand`);

// NODE_EXTRA_CA_CERTS triples the bare start of Node 20, NODE_OPTIONS and coverage add their own.
const env = Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined && !/^(NODE_|npm_|VITEST|PG(?!REPL))/.test(entry[0])));
const bench: Bench = { short: values.short, installation, env, say: (text) => process.stderr.write(`${text}\n`) };

const results: Result[] = [];
let broken = false;
for (const one of chosen) {
  bench.say(`· ${one.name}`);
  try {
    results.push(...(await one.run(bench)));
  } catch (error) {
    broken = true;
    bench.say(`✖ ${one.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

console.log(table(results));
console.log(`\nNode ${process.versions.node}, PostgreSQL ${installation.major}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}; medians, ratios within a round. A budget that is missed is reported, not hidden.`);
const file = join(dirname(fileURLToPath(import.meta.url)), 'results.json');
writeFileSync(file, `${JSON.stringify({ format: 1, at: new Date().toISOString(), node: process.versions.node, postgres: installation.major, short: values.short, results }, null, 2)}\n`);
process.exitCode = broken ? 1 : 0;

function table(rows: readonly Result[]): string {
  const lines = rows.map((row) => [
    row.what,
    `${digits(row.pgrepl)} ${row.unit}`,
    `${digits(row.byReference)} ${row.unit}`,
    `${row.ratio.toFixed(2)} ×`,
    row.budget === null ? '' : `≤ ${row.budget}`,
    row.budget === null ? '' : row.ratio <= row.budget ? 'met' : 'missed',
    String(row.rounds),
    [row.reference, row.wished === undefined ? '' : `wished ${row.wished}`, row.note ?? ''].filter((text) => text !== '').join('; '),
  ]);
  const all = [['what', 'pgrepl', 'reference', 'ratio', 'budget', '', 'rounds', 'next to'], ...lines];
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((line) => (line[column] ?? '').length)));
  return all.map((line) => line.map((cell, column) => (column >= 1 && column <= 3 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join('  ').trimEnd()).join('\n');
}

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

// npm run chaos -- --minutes 10 [--seed N] [--via sudo|root|owner] [--keep-going]: role changes and their accidents under load, held against
// what must always be so. The seed comes first, and the full log stays in the directory that is printed. Ends with 1 for any violation.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { oldest } from '../test/support/at-hand.ts';
import { chanceOf } from '../test/support/chance.ts';
import { openLog } from './record.ts';
import { judgeEnd, playRound, type Round } from './round.ts';
import { withStage } from './stage.ts';
import { summarize, tableOf } from './summary.ts';
import type { Fate } from './writers.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' }, via: { type: 'string', default: '' }, rounds: { type: 'string' }, 'keep-going': { type: 'boolean', default: false } },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const most = Number(values.rounds ?? Infinity);
if (!(minutes > 0) || !Number.isSafeInteger(seed)) throw new Error('usage: npm run chaos -- --minutes MINUTES [--seed NUMBER] [--rounds NUMBER] [--via sudo|root|owner] [--keep-going]');
if (values.via !== '') process.env['PGREPL_STORIES_VIA'] = values.via;

const log = openLog();
console.log(`seed ${seed}, log in ${log.directory}`);
const began = performance.now();
const until = began + minutes * 60_000;
const rounds: Round[] = [];
const writes: Record<Fate, number> = { sent: 0, acknowledged: 0, warned: 0, refused: 0, unknown: 0 };
let [twoWriterMoments, probes, crashed] = [0, 0, false];

// The round that is being played is played to its end, and everything is taken away.
let isOver = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { isOver = true; });
const goesOn = (): boolean => !isOver && performance.now() < until && rounds.length < most;

while (goesOn()) {
  try {
    // Half of the clusters begin with a synchronous set; it is taken away and made again later on.
    const sync = chanceOf((seed * 69_621 + rounds.length) >>> 0).next() < 0.5;
    await withStage(join(log.directory, `writes-${rounds.length}.log`), sync, log.say, async (stage) => {
      let broken = false;
      while (!broken && goesOn()) {
        const round = await playRound(stage, seed, rounds.length + 1, log.say);
        rounds.push(round);
        log.round(round);
        log.say(`  ${round.runs.map(({ ran }) => String(ran.exit ?? ran.signal)).join(', ')}${round.hit ? '' : round.faultKind === 'none' ? '' : ' (it had ended before)'} in ${(round.ms / 1_000).toFixed(1)} s, pause ${Math.round(round.pauseMs)} ms${round.lost > 0 ? `, ${round.lost} rows lost of ${round.acceptedBytes} bytes accepted` : ''}`);
        for (const text of round.wrong) log.say(`  ✖ ${text}`);
        broken = round.wrong.length > 0;
        if (broken) log.say(`  the whole story is in ${await log.story(round, stage)}`);
      }
      if (!broken) {
        const wrong = await judgeEnd(stage, stage.belief);
        const last = rounds.pop();
        if (last !== undefined) rounds.push({ ...last, wrong: [...last.wrong, ...wrong] });
        for (const text of wrong) log.say(`  ✖ at the end: ${text}`);
      }
      for (const [fate, times] of Object.entries(stage.writers.counts())) writes[fate as Fate] += times;
      twoWriterMoments += stage.prober.soFar().length;
      probes += stage.prober.writes;
    });
  } catch (error) {
    crashed = true;
    log.say(`✖ ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  if (crashed || (!values['keep-going'] && rounds.some(({ wrong }) => wrong.length > 0))) break;
}

const summary = summarize(rounds, { seed, postgres: oldest().major, via: values.via === '' ? 'on this machine' : `ssh as ${values.via}`, minutes: (performance.now() - began) / 60_000, writes, twoWriterMoments, probes });
writeFileSync(join(log.directory, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
console.log(`${tableOf(summary)}\n${JSON.stringify(summary)}\nlog in ${log.directory}`);
process.exit(crashed || summary.violations.length > 0 ? 1 : 0);

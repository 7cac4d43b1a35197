import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { installations } from '../support/installations.ts';
import { chanceOf } from '../support/chance.ts';
import type { Machine } from '../support/cluster.ts';
import { nextMove } from '../support/status-moves.ts';
import { shapeOf, truthOf, untruths, type Truth } from '../support/status-truth.ts';
import { statusOf } from '../support/statuses.ts';
import { sharedTrio, TRIO } from '../support/trio.ts';

/** PGREPL_WALK=500 walks far; PGREPL_WALK_SEED goes the same way again. */
const STATES = Number(process.env['PGREPL_WALK'] ?? '30');
const SEED = Number(process.env['PGREPL_WALK_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** After so many a cluster is beyond mending by what a walk does, and the next one starts. */
const STATES_OF_ONE = 40;

const trio = sharedTrio({ installation: installations()[0]!, checkLeftovers: false });

test(`status tells what the servers themselves say, through ${STATES} states by chance (seed ${SEED})`, async () => {
  const chance = chanceOf(SEED);
  const untrue: string[] = [];
  let again = 0;
  for (let done = 0; done < STATES; ) {
    await trio(async (m) => {
      const steps: string[] = [];
      let last = await standing(m);
      for (let step = 0; step < STATES_OF_ONE && done < STATES; step += 1, done += 1) {
        const move = nextMove(m, last, chance);
        steps.push(move.says);
        await move.make().catch((error: unknown) => steps.push(`(failed: ${String(error).split('\n')[0] ?? ''})`));
        const { wrong, tries, truth } = await compare(m);
        last = truth;
        again += tries;
        if (wrong.length > 0) untrue.push(`state ${done + 1} of seed ${SEED}, after ${steps.join('; ')}:\n${wrong.join('\n')}`);
      }
    }, { slots: false });
    if (process.env['PGREPL_WALK_LOG'] !== undefined) writeFileSync(process.env['PGREPL_WALK_LOG'], `${done} states of ${STATES}, seed ${SEED}, ${again} looked at again, ${untrue.length} untrue\n${untrue.join('\n')}`);
  }
  expect(untrue).toEqual([]);
}, 60_000 + STATES * 15_000);

/** The truth, once it stands still: twice the same, a moment apart. */
async function standing(m: Machine): Promise<readonly Truth[]> {
  const until = performance.now() + 20_000;
  let last = await truthOf(m, TRIO);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const next = await truthOf(m, TRIO);
    if (shapeOf(next) === shapeOf(last) || performance.now() > until) return next;
    last = next;
  }
}

/** A status between two questions to the servers. What moved meanwhile is looked at again: a standby that is turned away comes back every few seconds. */
async function compare(m: Machine): Promise<{ readonly wrong: readonly string[]; readonly tries: number; readonly truth: readonly Truth[] }> {
  let truth: readonly Truth[] = [];
  let wrong: readonly string[] = [];
  for (let tries = 0; tries < 8; tries += 1) {
    const before = await standing(m);
    const seen = await statusOf(m, ['--timeout', '1.2']);
    const after = await truthOf(m, TRIO);
    truth = after;
    if (shapeOf(before) !== shapeOf(after)) {
      wrong = ['the cluster does not stand still'];
      continue;
    }
    wrong = untruths(seen, before, after);
    if (wrong.length === 0) return { wrong, tries, truth };
  }
  return { wrong, tries: 8, truth };
}

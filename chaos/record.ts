import { cpSync, existsSync, mkdirSync, mkdtempSync, writeFileSync, appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Round } from './round.ts';
import { NODES, tailOf, type Stage } from './stage.ts';

/** The log of one run: a directory that stays. */
export interface Log {
  readonly directory: string;
  say(text: string): void;
  round(round: Round): void;
  /** Everything that was said in this round, with the servers' last words and the journal, where somebody can read it later. */
  story(round: Round, stage: Stage): Promise<string>;
}

/** Makes the directory and begins the log; what is said goes to stderr, too. */
export function openLog(): Log {
  const directory = mkdtempSync(join(tmpdir(), 'pgrepl-chaos-'));
  const began = performance.now();
  const line = (file: string, text: string): void => { appendFileSync(join(directory, file), `${text}\n`); };
  const at = (): string => `${((performance.now() - began) / 1_000).toFixed(1).padStart(7)} s`;
  return {
    directory,
    say: (text) => {
      line('chaos.log', `${at()}  ${text}`);
      process.stderr.write(`${at()}  ${text}\n`);
    },
    round: (round) => {
      line('rounds.ndjson', JSON.stringify({ ...round, runs: round.runs.map(({ args, ran }) => ({ args, exit: ran.exit, signal: ran.signal, ms: Math.round(ran.ms) })) }));
      writeFileSync(join(directory, `round-${String(round.number).padStart(4, '0')}.txt`), said(round));
    },
    story: async (round, { m }) => {
      const folder = join(directory, `wrong-${String(round.number).padStart(4, '0')}`);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'story.txt'), `${round.wrong.map((text) => `✖ ${text}\n`).join('')}\n${said(round)}`);
      for (const path of [m.clusterFile, join(m.root, 'state'), join(m.root, 'state-of-another')]) if (existsSync(path)) cpSync(path, join(folder, path.split('/').at(-1) ?? ''), { recursive: true, filter: (from) => !from.endsWith('.full') });
      for (const name of NODES) {
        const { pgdata } = await m.place(name);
        for (const path of [`${pgdata}.log`, join(pgdata, 'log', `${name}.log`), join(pgdata, 'log', 'pgrepl-start.log')]) if (existsSync(path)) appendFileSync(join(folder, `${name}.log`), `--- ${path}\n${await tailOf(path, 400)}\n`);
        for (const file of ['pgrepl.conf', 'pgrepl.standby.conf', 'postgresql.auto.conf', 'pg_hba.conf']) if (existsSync(join(pgdata, file))) cpSync(join(pgdata, file), join(folder, `${name}.${file}`));
      }
      return folder;
    },
  };
}

function said({ number, before, command, fault, runs }: Round): string {
  const parts = runs.map(({ args, ran }, index) => `--- run ${index + 1}: pgrepl ${args.join(' ')}: exit ${String(ran.exit ?? ran.signal)} after ${Math.round(ran.ms)} ms\n${ran.stdout}${ran.stderr}`);
  return `round ${number}: ${before}\n${command}\n${fault}\n${parts.join('\n')}\n`;
}

import { Chalk, type ChalkInstance } from 'chalk';
import { columnsOf, type Sink } from '../io.ts';

/** One stream that people read, and what it can show. */
export interface Terminal {
  /** A person's terminal that takes cursor codes: live lines are allowed. */
  readonly isLive: boolean;
  readonly columns: number;
  readonly paint: ChalkInstance;
  write(text: string): void;
  line(text?: string): void;
}

export type Env = Readonly<Record<string, string | undefined>>;

/** Decides for one stream; standard output and standard error may differ. */
export function terminalFor(sink: Sink, env: Env, wantsColor: boolean): Terminal {
  const isTerminal = sink.isTTY === true;
  return {
    isLive: isTerminal && env['TERM'] !== 'dumb',
    columns: columnsOf(sink, 80),
    paint: new Chalk({ level: colorLevel(isTerminal, env, wantsColor) }),
    write: (text) => {
      sink.write(text);
    },
    line: (text = '') => {
      sink.write(`${text}\n`);
    },
  };
}

/**
 * No colour with `--no-color`, a non-empty NO_COLOR or TERM=dumb; else FORCE_COLOR decides; else whether this stream is a terminal.
 * chalk itself ignores NO_COLOR, so the level is always given.
 */
export function colorLevel(isTerminal: boolean, env: Env, wantsColor: boolean): 0 | 1 | 2 | 3 {
  if (!wantsColor || (env['NO_COLOR'] ?? '') !== '') return 0;
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined) {
    if (forced === '0' || forced === 'false') return 0;
    return forced === '2' ? 2 : forced === '3' ? 3 : 1;
  }
  return isTerminal && env['TERM'] !== 'dumb' ? 1 : 0;
}

/** Text of others (a server, a program, a file) without anything that steers a terminal; line feeds and tabs stay. */
export function clean(text: string): string {
  return (
    text
      // eslint-disable-next-line no-control-regex -- escape sequences are what is removed
      .replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g, '')
      // eslint-disable-next-line no-control-regex -- control characters and text-direction marks are what is replaced
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '?')
  );
}

/** The same on one line. */
export function cleanLine(text: string): string {
  return clean(text).replace(/[\n\t]+/g, ' ');
}

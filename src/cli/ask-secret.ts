import { Writable } from 'node:stream';
import { PgreplError } from '../errors.ts';
import { Secret } from '../secret.ts';
import type { Context } from './command.ts';
import { cleanLine } from './output/terminal.ts';

/** True when there is somebody to ask: a person at a terminal who sees the question there too. */
export function canAsk({ io, globals }: Context): boolean {
  return !globals.json && io.stdin.isTTY === true && io.stderr.isTTY === true;
}

/** Asks for a secret on the terminal, which shows nothing of it. `null`: none was given (an empty line, Ctrl-D). Throws `interrupted` on Ctrl-C. */
export async function askSecret({ io }: Context, question: string): Promise<Secret | null> {
  // Loaded by the few who are asked: status never is.
  const { createInterface } = await import('node:readline');
  // It edits the line (backspace, Ctrl-U), and what it would show of it goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => { done(); } });
  const lines = createInterface({ input: io.stdin, output: nowhere, terminal: true, historySize: 0 });
  // Only now: an answer to a question that is seen before the echo is off would be shown.
  io.stderr.write(`${cleanLine(question)} `);
  let stop = (): void => undefined;
  try {
    const text = await new Promise<string>((resolve, reject) => {
      stop = () => {
        reject(new PgreplError('interrupted', 'interrupted', 'interrupted; nothing was changed'));
      };
      lines.once('line', resolve);
      lines.once('SIGINT', stop);
      lines.once('close', () => {
        resolve('');
      });
      io.signal.addEventListener('abort', stop, { once: true });
    });
    return text === '' ? null : new Secret(text);
  } finally {
    io.signal.removeEventListener('abort', stop);
    lines.close();
    io.stderr.write('\n');
  }
}

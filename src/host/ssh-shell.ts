import { randomBytes } from 'node:crypto';
import { decodeText, encodeText } from './bytes.ts';
import { tooLate } from './child.ts';
import type { ProgramStream } from './child-stream.ts';
import type { Exit } from './host.ts';
import { quoteWords } from './quote.ts';
import type { TransportCommand } from './transport.ts';
import type { Words } from './wrappers.ts';

/**
 * Answers one line after the other: words of the shell, with backslashes and line feeds as octal escapes of `printf %b`. The answer is the
 * output, a mark with the exit code, the complaints, and a mark. Argument: the word of the marks.
 */
const SHELL = `
exec 3>&1
while IFS= read -r question; do
  said=$( (eval "$(printf %b "$question")") 2>&1 >&3 3>&- </dev/null)
  code=$?
  printf '\\001%s>%s\\n%s\\n\\001%s<\\n' "$1" "$code" "$said" "$1"
done`;

/**
 * A shell on the far machine that stays, with the rights of one user. A question to it costs a round trip; a command in a session of its own
 * costs a client here, and a login shell and sudo there, and a change asks a hundred small questions. None waits for the answers of the
 * ones before.
 */
export class SshShell {
  readonly #program: ProgramStream;
  readonly #code: Buffer;
  readonly #end: Buffer;
  /** Those who wait, in the order of their questions; `null` once the shell has ended. */
  #waiting: ((exit: Exit | null) => void)[] | null = [];
  #chunks: Buffer[] = [];

  /** Over a program that was started with the words of `shellWords`. */
  constructor(program: ProgramStream, word: string) {
    this.#program = program;
    this.#code = Buffer.from(`\x01${word}>`);
    this.#end = Buffer.from(`\n\x01${word}<\n`);
    program.stream.on('data', (chunk: Buffer) => this.#take(chunk));
    void program.ended.then(() => this.close());
    program.stream.resume();
  }

  /** `null` when the shell ended before it answered. Throws `program-timeout`, which ends the shell. */
  async ask(command: TransportCommand): Promise<Exit | null> {
    const question = quoteWords(command.argv).replace(/[\\\n]/g, (character) => (character === '\n' ? '\\0012' : '\\0134'));
    return await new Promise((resolve, reject) => {
      if (this.#waiting === null) return resolve(null);
      const late = setTimeout(() => {
        reject(tooLate(command));
        this.close();
      }, command.deadlineMs);
      this.#waiting.push((exit) => {
        clearTimeout(late);
        resolve(exit);
      });
      this.#program.stream.write(Buffer.concat([encodeText(question), Buffer.from('\n')]));
    });
  }

  /** Ends it; who still waits gets no answer. */
  close(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    this.#program.stream.destroy();
    for (const settle of waiting) settle(null);
  }

  #take(chunk: Buffer): void {
    // The mark may lie across chunks; a large answer is put together once.
    const seam = Buffer.concat([this.#chunks.at(-1)?.subarray(-this.#end.length) ?? Buffer.alloc(0), chunk]);
    this.#chunks.push(chunk.length < this.#end.length ? Buffer.concat([this.#chunks.pop() ?? Buffer.alloc(0), chunk]) : chunk);
    if (!seam.includes(this.#end)) return;
    let answers = Buffer.concat(this.#chunks);
    for (let end = answers.indexOf(this.#end); end >= 0; end = answers.indexOf(this.#end)) {
      this.#waiting?.shift()?.(this.#parse(answers.subarray(0, end)));
      answers = answers.subarray(end + this.#end.length);
    }
    this.#chunks = [answers];
  }

  #parse(answer: Buffer): Exit {
    const at = answer.indexOf(this.#code);
    const feed = answer.indexOf('\n', at);
    const code = Number(answer.subarray(at + this.#code.length, feed).toString());
    return { code, signal: null, stdout: decodeText(answer.subarray(0, at)), stderr: decodeText(answer.subarray(feed + 1)) };
  }
}

/** The words of such a shell, and the word of its marks: a random one, so that no output can be mistaken for a mark. */
export function shellWords(): { readonly argv: Words; readonly word: string } {
  const word = randomBytes(9).toString('hex');
  return { argv: ['sh', '-c', SHELL, 'pgrepl-shell', word], word };
}

import { randomBytes } from 'node:crypto';
import type { Gatherer } from './lines.ts';
import { quoteWord } from './quote.ts';

type Stream = 'stdout' | 'stderr';

/** Of what a login shell prints before our program starts, this much is kept for error messages. */
const KEPT_NOISE = 4_096;

/**
 * Marks that the far shell writes on both outputs before and after a program, so that the output is the program's alone (a `.bashrc` may
 * print what it likes), its exit code is known exactly (ssh has 255 for everything of its own), and its end is seen even while a
 * daemon that it left behind holds the pipes. The marks have a random word in them, so no output can be mistaken for one.
 */
export class Envelope {
  readonly #word = randomBytes(9).toString('hex');
  readonly #begun = new Set<Stream>();
  readonly #codes = new Map<Stream, number>();
  readonly #noise = new Map<Stream, string>();

  /** Shell text that marks the beginning. */
  get begin(): string {
    const mark = `printf ${quoteWord(`\\001${this.#word}<\\n`)}`;
    return `${mark}; ${mark} >&2`;
  }

  /** Shell text that marks the end with the exit code in `$code`; the program's stderr is descriptor 4. */
  get end(): string {
    const mark = `printf ${quoteWord(`\\001${this.#word}>%s\\n`)} "$code"`;
    return `${mark}; ${mark} >&4`;
  }

  /** What the beginning looks like in the output. */
  get mark(): Buffer {
    return Buffer.from(`\x01${this.#word}<\n`);
  }

  /** True once the program was started. */
  get hasBegun(): boolean {
    return this.#begun.size > 0;
  }

  /** The exit code, once everything on both outputs has come; `null` before. */
  get code(): number | null {
    return this.#codes.size === 2 ? (this.#codes.get('stdout') ?? null) : null;
  }

  /** What was said before the program started: by sudo when it refuses, for example. */
  get noise(): readonly string[] {
    return [this.#noise.get('stderr') ?? '', this.#noise.get('stdout') ?? ''].join('\n').split('\n').map((line) => line.trim()).filter((line) => line !== '');
  }

  /** Passes on to `inner` what is between the marks of this stream. */
  open(stream: Stream, inner: Gatherer): Gatherer {
    const begin = this.mark;
    const end = Buffer.from(`\x01${this.#word}>`);
    let pending: Buffer = Buffer.alloc(0);
    const take = (chunk: Uint8Array): void => {
      if (this.#codes.has(stream)) return;
      pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk]);
      if (!this.#begun.has(stream)) {
        const at = pending.indexOf(begin);
        this.#noise.set(stream, pending.subarray(0, at < 0 ? undefined : at).subarray(-KEPT_NOISE).toString());
        if (at < 0) return;
        this.#begun.add(stream);
        pending = pending.subarray(at + begin.length);
      }
      const at = pending.indexOf(end);
      const whole = at < 0 ? pending.length - startOf(end, pending) : at;
      if (whole > 0) inner.take(pending.subarray(0, whole));
      pending = pending.subarray(whole);
      const feed = at < 0 ? -1 : pending.indexOf('\n');
      if (feed >= 0) this.#codes.set(stream, Number(pending.subarray(end.length, feed).toString()));
    };
    return { take, text: () => inner.text() };
  }
}

/** How many bytes at the end of `bytes` may be the beginning of `mark`. */
function startOf(mark: Buffer, bytes: Buffer): number {
  const at = bytes.lastIndexOf(mark.subarray(0, 1));
  if (at < 0) return 0;
  const tail = bytes.subarray(at);
  return tail.length < mark.length && mark.subarray(0, tail.length).equals(tail) ? tail.length : 0;
}

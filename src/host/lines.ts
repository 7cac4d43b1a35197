import { decodeText } from './bytes.ts';

const KEPT_LINES = 200;
const LINE_FEED = 10;

/** Gathers one output of a program. */
export interface Gatherer {
  take(chunk: Uint8Array): void;
  /** What is kept, after the end: everything, or with `onLine` the last 200 lines. */
  text(): string;
}

/** Keeps everything; without a limit that would kill the program. */
export function gatherAll(): Gatherer {
  const chunks: Uint8Array[] = [];
  return {
    take: (chunk) => void chunks.push(chunk),
    text: () => decodeText(Buffer.concat(chunks)),
  };
}

/** Tells each whole line as it comes and keeps the last 200, so that hours of progress cost no memory. */
export function gatherLines(onLine: (line: string) => void): Gatherer {
  let open: Uint8Array[] = [];
  let kept: string[] = [];
  const finish = (): void => {
    const line = decodeText(Buffer.concat(open));
    open = [];
    kept.push(line);
    if (kept.length > 2 * KEPT_LINES) kept = kept.slice(-KEPT_LINES);
    onLine(line);
  };
  return {
    take: (chunk) => {
      let from = 0;
      for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
        open.push(chunk.subarray(from, at));
        finish();
        from = at + 1;
      }
      if (from < chunk.length) open.push(chunk.subarray(from));
    },
    text: () => {
      if (open.length > 0) finish();
      return kept.slice(-KEPT_LINES).map((line) => `${line}\n`).join('');
    },
  };
}

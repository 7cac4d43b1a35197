import type { Json, Preview, StepData, StepKind } from '../plan/step.ts';
import { NOTHING_TO_SHOW } from '../plan/step.ts';
import type { World } from './world.ts';

/** A kind of step of this product. */
export type Kind<S extends StepData, B extends Json = Json> = StepKind<S, World, B>;

/** A dry-run page of commands only. */
export function showsCommand(...commands: readonly (readonly string[])[]): Preview {
  return { ...NOTHING_TO_SHOW, commands };
}

export function showsSql(...sql: readonly string[]): Preview {
  return { ...NOTHING_TO_SHOW, sql };
}

/** One changed file, as the lines that go (`-`) and come (`+`), with the unchanged ends left out. */
export function showsFile(path: string, before: string | null, after: string): Preview {
  return { ...NOTHING_TO_SHOW, files: [{ path, diff: lineDiff(before ?? '', after) }] };
}

/** The lines that go and come, in order, each run headed by its line in the old text; equal texts give an empty one. */
export function lineDiff(before: string, after: string): string {
  if (before === after) return '';
  const [old, now] = [linesOf(before), linesOf(after)];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < old.length - head && tail < now.length - head && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail += 1;
  const out: string[] = [];
  let inRun = false;
  for (const { sign, line, at } of edits(old.slice(head, old.length - tail), now.slice(head, now.length - tail))) {
    if (sign !== ' ' && !inRun) out.push(`@@ line ${head + at + 1} @@`);
    if (sign !== ' ') out.push(`${sign}${line}`);
    inRun = sign !== ' ';
  }
  return out.join('\n');
}

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

/** Longest common subsequence; the texts are configuration files, with their equal ends taken off before. */
function edits(old: readonly string[], now: readonly string[]): readonly { sign: '-' | '+' | ' '; line: string; at: number }[] {
  const common = Array.from({ length: old.length + 1 }, () => new Uint32Array(now.length + 1));
  const length = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      const row = common[i];
      if (row !== undefined) row[j] = old[i] === now[j] ? length(i + 1, j + 1) + 1 : Math.max(length(i + 1, j), length(i, j + 1));
    }
  }
  const out: { sign: '-' | '+' | ' '; line: string; at: number }[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    const [gone, come] = [old[i], now[j]];
    if (gone !== undefined && gone === come) {
      out.push({ sign: ' ', line: gone, at: i });
      i += 1;
      j += 1;
    } else if (gone !== undefined && (come === undefined || length(i + 1, j) >= length(i, j + 1))) {
      out.push({ sign: '-', line: gone, at: i });
      i += 1;
    } else if (come !== undefined) {
      out.push({ sign: '+', line: come, at: i });
      j += 1;
    }
  }
  return out;
}

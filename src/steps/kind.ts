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

/** The changed middle of two texts; equal texts give an empty one. Good for edits in one place, which all of ours are. */
export function lineDiff(before: string, after: string): string {
  if (before === after) return '';
  const old = before === '' ? [] : before.replace(/\n$/, '').split('\n');
  const now = after === '' ? [] : after.replace(/\n$/, '').split('\n');
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < old.length - head && tail < now.length - head && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail += 1;
  const gone = old.slice(head, old.length - tail).map((line) => `-${line}`);
  const come = now.slice(head, now.length - tail).map((line) => `+${line}`);
  return [`@@ line ${head + 1} @@`, ...gone, ...come].join('\n');
}

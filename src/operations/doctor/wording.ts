export { duration as showAge } from '../duration.ts';

/** A difference of two clocks: milliseconds below one second, seconds from there on, hours where it is a wrong time zone. */
export function showSkew(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`;
  return seconds < 7_200 ? `${seconds.toFixed(1)} s` : `${(seconds / 3_600).toFixed(1)} h`;
}

/** Permission bits as `chmod` takes them. */
export function showMode(mode: number): string {
  return `0${mode.toString(8).padStart(3, '0')}`;
}

const AT_MOST_NAMES = 6;

/** `a`, `a and b`, `a, b and c`; of many the first ones and how many more. */
export function nameList(names: readonly string[], word: 'and' | 'or' = 'and'): string {
  if (names.length > AT_MOST_NAMES) return `${names.slice(0, AT_MOST_NAMES - 1).join(', ')} and ${names.length - AT_MOST_NAMES + 1} more`;
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} ${word} ${names.at(-1) ?? ''}`;
}

const AT_MOST_LINES = 5;

/** Different lines of evidence, and how many more there are of too many. */
export function fewLines(lines: readonly string[]): readonly string[] {
  const different = [...new Set(lines)];
  return different.length <= AT_MOST_LINES + 1 ? different : [...different.slice(0, AT_MOST_LINES), `and ${different.length - AT_MOST_LINES} more`];
}

/** `1,234,567`. */
export function showCount(count: number): string {
  return Math.round(count).toString().replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

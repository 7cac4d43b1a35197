import { usageError } from '../errors.ts';
import { printable } from '../postgres/names.ts';
import { parseSeconds } from '../postgres/units.ts';

/** The value of an option in seconds, from `least` to one hour. Throws `seconds-invalid`. */
export function secondsOf(option: string, text: string, least: number): number {
  const seconds = parseSeconds(text);
  if (seconds >= least && seconds <= 3_600) return seconds;
  throw usageError('seconds-invalid', `"${printable(text)}" is not between ${least} s and one hour (${option})`);
}

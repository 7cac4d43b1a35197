import { usageError } from '../errors.ts';
import { printable } from '../postgres/names.ts';
import { parseSeconds } from '../postgres/units.ts';

/** The value of an option in seconds, from `least` to one hour. Throws `seconds-invalid`. */
export function secondsOf(option: string, text: string, least: number): number {
  if (!/^[0-9]/.test(text)) throw usageError('seconds-invalid', `"${printable(text)}" is not a number of seconds (${option})`, { hint: 'For example 5, or 500ms.' });
  const seconds = parseSeconds(text);
  if (seconds >= least && seconds <= 3_600) return seconds;
  throw usageError('seconds-invalid', `"${printable(text)}" is not between ${least} s and one hour (${option})`);
}

import type { Setting } from '../../postgres/server-facts.ts';

const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, min: 60 };

/** A setting that is a time, in seconds; 0 where it is not there, off or without limit. Pure. */
export function settingSeconds(setting: Pick<Setting, 'value' | 'unit'> | undefined): number {
  const value = Number(setting?.value ?? 0);
  return value > 0 ? value * (UNITS[setting?.unit ?? 's'] ?? 1) : 0;
}

import { describe } from 'vitest';
import { installations, type Installation } from './installations.ts';

export { withMachine } from './machine.ts';
export type { Machine, MachineOptions, Place } from './machine.ts';
export { installations, newest, type Installation } from './installations.ts';
export type { Ran, RunningPgrepl } from './run-pgrepl.ts';

/** The same stories on every major at hand. */
export function eachMajor(stories: (installation: Installation) => void): void {
  describe.each(installations().map((one) => ({ ...one })))('PostgreSQL $major', (installation) => {
    stories(installation);
  });
}

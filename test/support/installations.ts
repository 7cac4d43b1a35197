import { describe } from 'vitest';
import { everyInstallation, installations, type Installation } from './at-hand.ts';

export { installations, isBrief, isToldBriefly, isToldOn, programEnv, type Installation } from './at-hand.ts';

/** The same stories on every major at hand, also in the short run of `npm test`. */
export function everyMajor(stories: (installation: Installation) => void): void {
  describe.each(everyInstallation().map((one) => ({ ...one })))('PostgreSQL $major', (installation) => {
    stories(installation);
  });
}

/** The same stories on the majors of this run. */
export function eachMajor(stories: (installation: Installation) => void): void {
  describe.each(installations().map((one) => ({ ...one })))('PostgreSQL $major', (installation) => {
    stories(installation);
  });
}

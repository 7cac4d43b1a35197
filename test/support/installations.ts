import { describe } from 'vitest';
import { installations, type Installation } from './at-hand.ts';

export { installations, programEnv, type Installation } from './at-hand.ts';

/** The same stories on every major at hand. */
export function eachMajor(stories: (installation: Installation) => void): void {
  describe.each(installations().map((one) => ({ ...one })))('PostgreSQL $major', (installation) => {
    stories(installation);
  });
}

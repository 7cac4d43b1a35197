import { describe, expect, test } from 'vitest';
import { features, isSupported, SUPPORTED_MAJORS } from '../../../src/postgres/features.ts';
import { majorOf, parseProgramVersion, renderVersionNumber } from '../../../src/postgres/version.ts';

describe('versions', () => {
  test.each([
    ['postgres (PostgreSQL) 15.18 (Debian 15.18-1.pgdg120+1)', 150018],
    ['pg_ctl (PostgreSQL) 13.0', 130000],
    ['postgres (PostgreSQL) 18beta1', 180000],
    ['postgres (PostgreSQL) 17rc1 (Ubuntu 17~rc1)', 170000],
    ['postgres (PostgreSQL) 19devel\n', 190000],
    ['postgres (PostgreSQL) 9.6.24', 90624],
    ['15.18', 150018],
  ])('%j is read as %i', (text, expected) => {
    expect(parseProgramVersion(text)).toBe(expected);
  });

  test.each(['', 'postgres: command not found', 'postgres (PostgreSQL)', 'bash: line 15: postgres'])('%j names no version', (text) => {
    expect(() => parseProgramVersion(text)).toThrow(expect.objectContaining({ code: 'version-unreadable' }));
  });

  test.each([
    [150018, 15, '15.18'],
    [130000, 13, '13.0'],
    [180012, 18, '18.12'],
    [90624, 9, '9.6.24'],
  ])('%i is major %i and prints as %s', (number, major, text) => {
    expect(majorOf(number)).toBe(major);
    expect(renderVersionNumber(number)).toBe(text);
    expect(parseProgramVersion(text)).toBe(number);
  });
});

describe('features', () => {
  test.each([
    ['pausesWhenParametersTooLow', [14, 15, 16, 17, 18]],
    ['promoteTriggerFile', [13, 14, 15]],
    ['hbaIncludes', [16, 17, 18]],
    ['hbaJoinsLines', [14, 15, 16, 17, 18]],
    ['allowAlterSystem', [17, 18]],
    ['slotInvalidationReason', [17, 18]],
    ['idleSlotTimeout', [18]],
    ['rewindConfigFile', [15, 16, 17, 18]],
    ['rewindSeesFreshTimeline', [16, 17, 18]],
    ['pauseStateFunction', [14, 15, 16, 17, 18]],
    ['collationVersionPerDatabase', [15, 16, 17, 18]],
    ['checkpointRole', [15, 16, 17, 18]],
    ['scramByDefault', [14, 15, 16, 17, 18]],
    ['checksumsByDefault', [18]],
    ['basebackupServerCompression', [15, 16, 17, 18]],
  ] as const)('%s is in the majors %j and no other', (feature, majors) => {
    expect(SUPPORTED_MAJORS.filter((major) => features(major * 10_000 + 3)[feature])).toEqual(majors);
  });

  test('a major to come has what the newest one has', () => {
    expect(features(190000)).toEqual(features(180000));
  });

  test('12 is too old, 13 to 18 are supported, 19 is not yet', () => {
    expect([120022, 130000, 180099, 190000].map(isSupported)).toEqual([false, true, true, false]);
  });
});

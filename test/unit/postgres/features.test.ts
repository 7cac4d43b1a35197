import { describe, expect, test } from 'vitest';
import { features, isSupported, sameMajor, SUPPORTED_MAJORS, type Features } from '../../../src/postgres/features.ts';

/** What differs between the majors, as read in the sources: the first one that has it, or the last. A dot is "no". */
const KNOWN: readonly (readonly [feature: keyof Features, has: string])[] = [
  //                                  13 14 15 16 17 18
  ['pausesWhenParametersTooLow', '    .  x  x  x  x  x '],
  ['restoreCommandReloads', '         .  x  x  x  x  x '],
  ['promoteTriggerFile', '            x  x  x  .  .  . '],
  ['hbaIncludes', '                   .  .  .  x  x  x '],
  ['hbaJoinsLines', '                 .  x  x  x  x  x '],
  ['allowAlterSystem', '              .  .  .  .  x  x '],
  ['slotInvalidationReason', '        .  .  .  .  x  x '],
  ['idleSlotTimeout', '               .  .  .  .  .  x '],
  ['rewindConfigFile', '              .  .  x  x  x  x '],
  ['rewindSeesFreshTimeline', '       .  .  .  x  x  x '],
  ['pauseStateFunction', '            .  x  x  x  x  x '],
  ['collationVersionPerDatabase', '   .  .  x  x  x  x '],
  ['checkpointRole', '                .  .  x  x  x  x '],
  ['scramByDefault', '                .  x  x  x  x  x '],
  ['checksumsByDefault', '            .  .  .  .  .  x '],
  ['basebackupServerCompression', '   .  .  x  x  x  x '],
  ['libpqVerifiesAddresses', '        .  .  x  x  x  x '],
  ['scramIterations', '               .  .  .  x  x  x '],
  ['prefersStandby', '                .  x  x  x  x  x '],
  ['balancesHosts', '                 .  .  .  x  x  x '],
  ['reservedConnections', '           .  .  .  x  x  x '],
];

describe('what the majors have', () => {
  test.each(KNOWN)('%s', (feature, has) => {
    const seen = SUPPORTED_MAJORS.map((major) => (features(major * 10_000 + 3)[feature] ? 'x' : '.'));
    expect(seen).toEqual(has.trim().split(/\s+/));
  });

  test('every feature of the table is listed here', () => {
    expect(Object.keys(features(170_000)).sort()).toEqual(KNOWN.map(([feature]) => feature).sort());
  });

  test('a major that is newer than all of them is taken for the newest, and said to be unsupported', () => {
    expect(features(190_000)).toEqual(features(180_000));
    expect([120_022, 130_000, 180_099, 190_000].map(isSupported)).toEqual([false, true, true, false]);
  });

  test('minors of one major are one, majors are not', () => {
    expect(sameMajor(150_001, 150_018)).toBe(true);
    expect(sameMajor(150_018, 160_001)).toBe(false);
    expect(sameMajor(90_624, 90_500)).toBe(true);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseBytes, parseInterval, parseRate, parseSeconds, renderBytes, settingBytes } from '../../../src/postgres/units.ts';

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['512', 512],
    ['8kB', 8192],
    ['16MB', 16_777_216],
    ['1.5 GB', 1_610_612_736],
    ['2TB', 2 * 1024 ** 4],
    ['7B', 7],
  ])('%s is %i bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test.each(['', 'MB', '16mb', '16KB', '16 M', '-1', '1e3', '99999999TB', '1MB2', 'ten'])('%j is no size', (text) => {
    expect(() => parseBytes(text)).toThrow(expect.objectContaining({ kind: 'usage', code: 'size-invalid' }));
  });

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 kB'],
    [1_288_490_188, '1.2 GB'],
    [16_777_216, '16 MB'],
    [12.34 * 1024 ** 2, '12.3 MB'],
    [340 * 1024 ** 2, '340 MB'],
    [1024 ** 2 - 1, '1 MB'],
    [5000 * 1024 ** 4, '5000 TB'],
    [-2048, '-2 kB'],
  ])('%d bytes are shown as %s', (bytes, text) => {
    expect(renderBytes(bytes)).toBe(text);
  });

  test('what is shown is a size again, within a twentieth, and never 1024 of a smaller unit', () => {
    fc.assert(
      fc.property(fc.nat(8000 * 1024 ** 4), (bytes) => {
        const text = renderBytes(bytes);
        expect(Math.abs(parseBytes(text) - bytes)).toBeLessThanOrEqual(bytes / 20);
        expect(text).not.toMatch(/^(?:1024|[0-9]{5,}) [BkMG]/);
      }),
    );
  });

  test.each([
    ['16384', '8kB', 134_217_728],
    ['16777216', 'B', 16_777_216],
    ['64', '16MB', 1_073_741_824],
    ['1024', 'MB', 1_073_741_824],
    ['5', null, 5],
    ['-1', 'MB', -1],
    ['0', 'kB', 0],
  ])('the setting %s in units of %s is %i bytes', (value, unit, bytes) => {
    expect(settingBytes(value, unit)).toBe(bytes);
  });

  test.each([
    ['on', null],
    ['5', 'ms'],
    ['5', ''],
    ['1.5', 'MB'],
    ['', 'MB'],
  ])('the setting %j in units of %j is no size', (value, unit) => {
    expect(() => settingBytes(value, unit)).toThrow(expect.objectContaining({ code: 'setting-unreadable' }));
  });
});

describe('transfer rates', () => {
  test.each([
    ['32', '32k'],
    ['50M', '50M'],
    ['1.5M', '1536k'],
    ['2048k', '2M'],
    ['1024M', '1024M'],
    ['1048576', '1024M'],
  ])('%s is %s for pg_basebackup', (text, rate) => {
    expect(parseRate(text)).toBe(rate);
    expect(parseRate(rate)).toBe(rate);
  });

  test.each(['31', '1025M', '1G', '50m', '50K', '', 'M', '-50M', '50M/s'])('%j is refused', (text) => {
    expect(() => parseRate(text)).toThrow(expect.objectContaining({ kind: 'usage', code: 'rate-invalid' }));
  });
});

describe('durations', () => {
  test.each([
    ['90', 90],
    ['90s', 90],
    ['1.5min', 90],
    ['2 h', 7200],
    ['500ms', 0.5],
    ['1d', 86_400],
    ['0', 0],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseSeconds(text)).toBe(seconds);
  });

  test.each([
    ['1h', '1h'],
    ['30 min', '30min'],
    ['500ms', '500ms'],
    ['1.5h', '1.5h'],
    ['0', '0'],
    ['-1', '-1'],
  ])('%s is the setting %s', (text, setting) => {
    expect(parseInterval(text)).toBe(setting);
  });

  test.each(['', 's', '5m', '5 minutes', '-5s', '1h30min', '5S', "5s'"])('%j is no duration', (text) => {
    expect(() => parseSeconds(text)).toThrow(expect.objectContaining({ kind: 'usage', code: 'duration-invalid' }));
    expect(() => parseInterval(text)).toThrow(expect.objectContaining({ kind: 'usage', code: 'duration-invalid' }));
  });

  test('a setting needs its unit, because a bare number is another one in each', () => {
    expect(() => parseInterval('30')).toThrow(expect.objectContaining({ code: 'duration-invalid' }));
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cidrContains, cidrOfMask, cidrOverlaps, hostCidr, isLoopback, parseCidr } from '../../../src/postgres/address.ts';

const v4 = fc.ipV4();
const range = fc.oneof(fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })), fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }))).map(([address, prefix]) => `${address}/${prefix}`);

describe('addresses and ranges', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1/32'],
    ['10.0.0.7/24', '10.0.0.0/24'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['2001:DB8:0:0::0001', '2001:db8::1/128'],
    ['2001:db8:1:2:3:4:5:6/64', '2001:db8:1:2::/64'],
    ['::', '::/128'],
    ['1::', '1::/128'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3/128'],
    ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4/128'],
    ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0/128'],
    ['100:0:0:20:0:0:30:0', '100::20:0:0:30:0/128'],
    ['::ffff:10.0.0.1', '::ffff:a00:1/128'],
  ])('%s is %s', (text, canonical) => {
    expect(parseCidr(text)).toBe(canonical);
  });

  test('the canonical form is a fixed point', () => {
    fc.assert(fc.property(range, (text) => {
      const canonical = parseCidr(text);
      expect(parseCidr(canonical)).toBe(canonical);
      expect(cidrOverlaps(canonical, text)).toBe(true);
      expect(cidrContains(canonical, text.slice(0, text.indexOf('/')))).toBe(true);
    }));
  });

  test.each(['db1.example.org', 'localhost', '', '10.0.0', '10.0.0.256', '10.0.0.1/33', '::1/129', '10.0.0.1/', '10.0.0.1/-1', '10.0.0.1/08', '10.0.0.1/8/8', 'fe80::1%eth0', ' 10.0.0.1', '10.0.0.1\n', 'all'])(
    '%j is no range',
    (text) => {
      expect(() => parseCidr(text)).toThrow(expect.objectContaining({ kind: 'usage', code: 'address-invalid' }));
    },
  );

  test('a host name is told that names are not taken', () => {
    expect(() => parseCidr('db1')).toThrow('names are not taken');
  });

  test.each([
    ['10.0.0.0/24', '10.0.0.128/25', true],
    ['10.0.0.0/24', '10.0.1.0/24', false],
    ['0.0.0.0/0', '192.168.1.1/32', true],
    ['10.0.0.255', '10.0.0.0/24', true],
    ['0.0.0.0/0', '::/0', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::/32', false],
  ])('%s and %s overlap: %s', (a, b, expected) => {
    expect(cidrOverlaps(a, b)).toBe(expected);
    expect(cidrOverlaps(b, a)).toBe(expected);
  });

  test('an address is in a range exactly when their first bits are the same', () => {
    const bits = (address: string): string => address.split('.').map((part) => Number(part).toString(2).padStart(8, '0')).join('');
    const near = fc.tuple(v4, fc.integer({ min: 0, max: 32 }), fc.integer({ min: 0, max: 31 })).map(([address, prefix, flip]) => {
      // eslint-disable-next-line @typescript-eslint/no-misused-spread -- ASCII digits only
      const flipped = [...bits(address)].map((bit, index) => (index === flip ? String(1 - Number(bit)) : bit)).join('');
      return { address, prefix, flip, other: (flipped.match(/.{8}/g) ?? []).map((part) => Number.parseInt(part, 2)).join('.') };
    });
    fc.assert(fc.property(near, ({ address, prefix, flip, other }) => {
      expect(cidrContains(`${address}/${prefix}`, other)).toBe(flip >= prefix);
    }));
  });

  test.each([
    ['127.0.0.1', true],
    ['127.255.0.9', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.0.0.1', false],
    ['::2', false],
    ['localhost', false],
    ['', false],
  ])('%j is loopback: %s', (address, expected) => {
    expect(isLoopback(address)).toBe(expected);
  });

  test('the range of one address is that address, and a range is refused', () => {
    expect(hostCidr('10.0.0.2')).toBe('10.0.0.2/32');
    expect(() => hostCidr('10.0.0.0/24')).toThrow(expect.objectContaining({ code: 'address-invalid' }));
  });

  test.each([
    ['10.0.0.1', '255.255.255.0', '10.0.0.0/24'],
    ['10.0.0.1', '0.0.0.0', '0.0.0.0/0'],
    ['::1', 'ffff:ffff::', '::/32'],
    ['10.0.0.1', '255.0.255.0', null],
    ['10.0.0.1', 'ffff::', null],
    ['10.0.0.1', 'md5', null],
  ])('%s with the mask %s is %s', (address, mask, expected) => {
    expect(cidrOfMask(address, mask)).toBe(expected);
  });
});

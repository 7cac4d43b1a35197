import { describe, expect, test } from 'vitest';
import { carriesToken, isLoopbackAddress, isOwnHost, parseListen } from '../../../../src/cli/serve/access.ts';
import { renderUnit } from '../../../../src/cli/serve/unit.ts';
import { Secret } from '../../../../src/secret.ts';

describe('where it listens', () => {
  test.each([
    ['127.0.0.1:9', '127.0.0.1', 9], ['127.0.0.1', '127.0.0.1', 8008], ['localhost:80', '127.0.0.1', 80], ['[::1]:8008', '::1', 8008], ['[::1]', '::1', 8008], ['9008', '127.0.0.1', 9008], [':9008', '127.0.0.1', 9008], ['0.0.0.0:0', '0.0.0.0', 0], ['[2001:db8::5]:443', '2001:db8::5', 443],
  ])('%s', (text, address, port) => {
    expect(parseListen(text)).toEqual({ address, port });
  });

  test.each(['', 'db1.example.net:80', '127.0.0.1:70000', '::1', '[::1', '1.2.3:80', '127.0.0.1:', '127.0.0.1:8a', '[zz]:1', '-1'])('not "%s"', (text) => {
    expect(() => parseListen(text)).toThrow('is not ADDRESS:PORT');
  });

  test('loopback is 127.0.0.0/8 and ::1, and nothing that looks like it', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1'].map(isLoopbackAddress)).toEqual([true, true, true, true]);
    expect(['0.0.0.0', '::', '10.0.0.1', '::ffff:127.0.0.1', '2001:db8::1', '1::1'].map(isLoopbackAddress)).toEqual([false, false, false, false, false, false]);
  });
});

describe('who may ask', () => {
  const token = new Secret('0123456789abcdef:x');
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

  test('the token as a bearer, or as the password of any user', () => {
    for (const header of ['Bearer 0123456789abcdef:x', 'bearer 0123456789abcdef:x', basic('me:0123456789abcdef:x'), basic(':0123456789abcdef:x')]) expect(carriesToken(header, token)).toBe(true);
  });

  test('nothing else', () => {
    for (const header of [undefined, '', 'Bearer', 'Bearer x', 'Bearer 0123456789abcdef:xy', basic('0123456789abcdef'), basic('me:'), 'Digest 0123456789abcdef:x', `Bearer ${'x'.repeat(8_000)}`]) expect(carriesToken(header, token)).toBe(false);
  });

  test('on loopback a page of another site cannot ask through a name of its own that leads here', () => {
    expect([undefined, 'localhost', 'localhost:8008', '127.0.0.1:8008', '[::1]:8008'].map(isOwnHost)).toEqual([true, true, true, true, true]);
    expect(['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example:8008', '10.0.0.1', ''].map(isOwnHost)).toEqual([false, false, false, false, false]);
  });
});

test('a unit runs the very command, with what systemd would read in it written so that it does not', () => {
  const unit = renderUnit({ argv: ['/usr/bin/node', '/opt/pg repl/bin/pgrepl.js', '-f', '/etc/100%/$x.yaml', 'serve'], user: 'postgres', cluster: 'shop', environment: {} });
  expect(unit).toContain('\nExecStart=/usr/bin/node "/opt/pg repl/bin/pgrepl.js" -f /etc/100%%/$$x.yaml serve\n');
  expect(unit).toContain('\nUser=postgres\n');
});

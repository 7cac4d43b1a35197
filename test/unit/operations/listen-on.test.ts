import { expect, test } from 'vitest';
import { listenOn } from '../../../src/operations/settings.ts';

test.each([
  ['127.0.0.1', 'localhost', 'localhost'],
  ['localhost', 'localhost', 'localhost'],
  ['127.0.1.1', 'localhost', 'localhost,127.0.1.1'],
  ['10.0.0.1', 'localhost', 'localhost,10.0.0.1'],
  ['10.0.0.1', '0.0.0.0', '0.0.0.0'],
  ['::1', '0.0.0.0', '0.0.0.0,::1'],
  ['db1', '*', '*'],
])('at %s a server with listen_addresses = %s is made to listen on %s: localhost means 127.0.0.1 and ::1, and no other loopback address (C20)', (host, present, wanted) => {
  expect(listenOn(host, present)).toBe(wanted);
});

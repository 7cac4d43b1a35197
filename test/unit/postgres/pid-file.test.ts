import { expect, test } from 'vitest';
import { parsePidFile } from '../../../src/postgres/pid-file.ts';

test('a whole pid file', () => {
  expect(parsePidFile('4711\n/data\n1795429543\n5432\n/run/postgresql\nlocalhost\n  12345   1\nready   \n')).toEqual({
    pid: 4711, directory: '/data', startedAt: '1795429543', port: 5432, socketDirectory: '/run/postgresql', listenAddress: 'localhost', status: 'ready',
  });
});

test('it is written in two steps, and without a socket a line stays empty', () => {
  expect(parsePidFile('4711\n/data\n1795429543\n5432\n')).toMatchObject({ port: 5432, socketDirectory: null, listenAddress: null, status: null });
  expect(parsePidFile('4711\n/data\n1\n5432\n\n*\n\nstopping\n')).toMatchObject({ socketDirectory: null, listenAddress: '*', status: 'stopping' });
  expect(parsePidFile('')).toBeNull();
  expect(parsePidFile('garbage')).toBeNull();
});

import { expect, test } from 'vitest';
import { countsAsSync, namesIt, parseSyncNames } from '../../../src/postgres/sync-names.ts';

test.each([
  ['', null],
  ['  ', null],
  ['a', { needed: 1, names: ['a'] }],
  ['a, B,c_1', { needed: 1, names: ['a', 'B', 'c_1'] }],
  ['*', { needed: 1, names: ['*'] }],
  ['2 (a, b)', { needed: 2, names: ['a', 'b'] }],
  ['ANY 1 ("a-b", c)', { needed: 1, names: ['a-b', 'c'] }],
  ['first 3(a,b , "any", "x""y")', { needed: 3, names: ['a', 'b', 'any', 'x"y'] }],
  ['"a(b", c', { needed: 1, names: ['a(b', 'c'] }],
])('B15, X20: %s', (text, names) => {
  expect(parseSyncNames(text)).toEqual(names);
});

test('B15: a name is the whole name, without case; only a wildcard is everybody', () => {
  const names = parseSyncNames('ANY 1 (node10, "Node-2")') ?? { needed: 0, names: [] };
  expect([namesIt(names, 'node1'), namesIt(names, 'NODE10'), namesIt(names, 'node-2')]).toEqual([false, true, true]);
  expect([countsAsSync({ needed: 1, names: ['*'] }, 'node1'), namesIt({ names: ['*'] }, 'node1')]).toEqual([true, false]);
});

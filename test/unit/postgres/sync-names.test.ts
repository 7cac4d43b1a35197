import { expect, test } from 'vitest';
import { countsAsSync, namesIt, parseSyncNames, renderSyncNames, sameSyncNames } from '../../../src/postgres/sync-names.ts';

test.each([
  ['', null],
  ['  ', null],
  ['a', { method: 'first', needed: 1, names: ['a'] }],
  ['a, B,c_1', { method: 'first', needed: 1, names: ['a', 'B', 'c_1'] }],
  ['*', { method: 'first', needed: 1, names: ['*'] }],
  ['2 (a, b)', { method: 'first', needed: 2, names: ['a', 'b'] }],
  ['ANY 1 ("a-b", c)', { method: 'any', needed: 1, names: ['a-b', 'c'] }],
  ['any 2(a,b)', { method: 'any', needed: 2, names: ['a', 'b'] }],
  ['first 3(a,b , "any", "x""y")', { method: 'first', needed: 3, names: ['a', 'b', 'any', 'x"y'] }],
  ['"a(b", c', { method: 'first', needed: 1, names: ['a(b', 'c'] }],
  ['"any", b', { method: 'first', needed: 1, names: ['any', 'b'] }],
])('B15, X20: %s', (text, names) => {
  expect(parseSyncNames(text)).toEqual(names);
});

test('B15: a name is the whole name, without case; only a wildcard is everybody', () => {
  const names = parseSyncNames('ANY 1 (node10, "Node-2")') ?? { names: [] };
  expect([namesIt(names, 'node1'), namesIt(names, 'NODE10'), namesIt(names, 'node-2')]).toEqual([false, true, true]);
  expect([countsAsSync({ names: ['*'] }, 'node1'), namesIt({ names: ['*'] }, 'node1')]).toEqual([true, false]);
});

test.each([
  ['a', 'FIRST 1 ("a")'],
  ['any 1 (b, a)', 'ANY 1 ("b", "a")'],
  ['2 ("any", "x""y", "1st")', 'FIRST 2 ("any", "x""y", "1st")'],
  ['FIRST 1 (*)', 'FIRST 1 (*)'],
  ['', ''],
])('B15, F09: %s is written with every name in double quotes, and read back as the same', (text, rendered) => {
  const names = parseSyncNames(text);
  expect(renderSyncNames(names)).toBe(rendered);
  expect(parseSyncNames(rendered)).toEqual(names);
});

test('the same set: names without case, in any order where the order says nothing', () => {
  const same = (a: string, b: string): boolean => sameSyncNames(parseSyncNames(a), parseSyncNames(b));
  expect([same('ANY 1 (a, b)', 'any 1 ("B","A")'), same('FIRST 1 (a, b)', 'a, b'), same('', '')]).toEqual([true, true, true]);
  expect([same('FIRST 1 (a, b)', 'FIRST 1 (b, a)'), same('ANY 1 (a)', 'FIRST 1 (a)'), same('ANY 1 (a, b)', 'ANY 2 (a, b)'), same('a', '')]).toEqual([false, false, false, false]);
});

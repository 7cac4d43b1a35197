import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quoteConf, parseConf } from '../../../src/postgres/conf-file.ts';
import { parseConninfo, renderConninfo } from '../../../src/postgres/conninfo.ts';

const value = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom("'", '\\', ' ', '=', '\t', '\v', '\f', 'a', 'é') })).filter((text) => !/[\0\r\n]/.test(text));
const keyword = fc.stringMatching(/^[a-z][a-z_]{0,10}$/);

describe('connection strings', () => {
  test('every value is read back from what was rendered', () => {
    fc.assert(
      fc.property(fc.dictionary(keyword, value, { noNullPrototype: true }), (pairs) => {
        expect(parseConninfo(renderConninfo(pairs))).toEqual(pairs);
      }),
    );
  });

  test('a value survives both layers of quoting of primary_conninfo (B10)', () => {
    fc.assert(
      fc.property(value, (host) => {
        const [setting] = parseConf(`primary_conninfo = ${quoteConf(renderConninfo({ host, port: '5432' }))}\n`);
        expect(parseConninfo(setting?.value ?? '')).toEqual({ host, port: '5432' });
      }),
    );
  });

  test('only what needs quotes has them, and a value cannot become a keyword', () => {
    expect(renderConninfo({ host: '10.0.0.1', port: '5432', user: "o'neil", passfile: '', options: 'a host=evil' })).toBe(
      String.raw`host=10.0.0.1 port=5432 user='o\'neil' passfile='' options='a host=evil'`,
    );
  });

  test.each([
    ['host = a  port=1', { host: 'a', port: '1' }],
    ["user='a b' host=c", { user: 'a b', host: 'c' }],
    [String.raw`user=a\ b\'c`, { user: "a b'c" }],
    [String.raw`user='a\\b\'c'`, { user: String.raw`a\b'c` }],
    ["user='a'host=b", { user: 'a', host: 'b' }],
    ['host=a host=b', { host: 'b' }],
    ['host=', { host: '' }],
    ["host='' port=1", { host: '', port: '1' }],
    // libpq skips the blanks after the sign, so this is a host named "port=1".
    ['host= port=1', { host: 'port=1' }],
    ['user=a\\', { user: 'a' }],
    [' \n\t ', {}],
  ])('%j is read as libpq reads it', (text, pairs) => {
    expect(parseConninfo(text)).toEqual(pairs);
  });

  test.each([
    ['host', 'missing "="'],
    ['host port=1', 'missing "="'],
    ["host='a", 'unterminated'],
    ['=a', 'cannot be a connection keyword'],
    ['Host=a', 'cannot be a connection keyword'],
    ['postgresql://u@h/db', 'URI'],
    ['postgres://h', 'URI'],
  ])('%j is refused', (text, message) => {
    expect(() => parseConninfo(text)).toThrow(expect.objectContaining({ kind: 'usage', message: expect.stringContaining(message) as string }));
  });

  test('a complaint about a password with a blank in it shows no part of it', () => {
    expect(() => parseConninfo('password=first canary host=a')).toThrow(expect.objectContaining({ message: 'missing "=" after the word at character 16 of the connection string' }));
    expect(() => parseConninfo('password=first Canary=x')).toThrow(expect.objectContaining({ message: 'the word at character 16 of the connection string cannot be a connection keyword' }));
  });

  test.each([{ 'host=x user': 'a' }, { '': 'a' }, { __proto__x: 'a' }, { host: 'a\nb' }, { host: 'a\r' }, { host: 'a\0' }])('%j is not rendered', (pairs) => {
    expect(() => renderConninfo(pairs as Record<string, string>)).toThrow(expect.objectContaining({ code: 'conninfo-invalid' }));
  });
});

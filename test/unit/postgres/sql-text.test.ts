import { expect, test } from 'vitest';
import { maskPassword, quoteIdentifier, quoteLiteral, quoteSettingName } from '../../../src/postgres/sql-text.ts';

test('names and literals cannot end themselves', () => {
  expect(quoteIdentifier('we"ird; DROP')).toBe('"we""ird; DROP"');
  expect(quoteLiteral("it's")).toBe("'it''s'");
  expect(quoteLiteral("a\\'b")).toBe(" E'a\\\\''b'");
  expect(quoteSettingName('auto_explain.log_min_duration')).toBe('"auto_explain"."log_min_duration"');
  expect(() => quoteIdentifier('')).toThrow();
  expect(() => quoteLiteral('a\u0000')).toThrow();
});

test.each([
  ['host=a password=secret user=b', 'host=a password=*** user=b'],
  ["password = 'se cr\\'et' host=a", 'password = *** host=a'],
  ['password=se\\ cret host=a', 'password=*** host=a'],
  ["host=a password='open end", 'host=a password=***'],
  ['postgresql://u:se:cret@h:5432/d', 'postgresql://u:***@h:5432/d'],
  ['postgres://h/d?user=u&password=secret&x=1', 'postgres://h/d?user=u&password=***&x=1'],
  ['sslpassword=secret host=a', 'sslpassword=*** host=a'],
  ['host=a passfile=/x', 'host=a passfile=/x'],
])('the password of %s is masked', (text, masked) => {
  expect(maskPassword(text)).toBe(masked);
});

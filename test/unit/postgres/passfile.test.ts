import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkPassword, findPassword, putEntry, removeEntry } from '../../../src/postgres/passfile.ts';
import { Secret } from '../../../src/secret.ts';

const TARGET = { host: '10.0.0.1', port: 5432, database: 'replication', user: 'rep' };
const ENTRY = { ...TARGET, port: '5432', password: new Secret('new') };
const found = (text: string, target: Partial<typeof TARGET & { socketDirectory: string }> = {}): string | undefined => findPassword(text, { ...TARGET, ...target })?.reveal();

const sly = fc.constantFrom(':', '\\', '#', '*', ' ', 'a', 'é', '\t');
const field = fc.oneof(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: sly, minLength: 1 })).filter((text) => !/[\0\r\n]/.test(text) && text !== '*');
const line = fc.constantFrom('# remark', '', '*:*:*:*:any', '10.0.0.1:5432:replication:rep:old', '10.0.0.1:*:replication:rep:wild', 'other:5432:*:rep:x', 'broken', '10.0.0.1:5432:replication:rep', ' 10.0.0.1:5432:replication:rep:space');
const file = fc.tuple(fc.array(line), fc.constantFrom('\n', '\r\n'), fc.boolean()).map(([lines, eol, final]) => lines.join(eol) + (final && lines.length > 0 ? eol : ''));

describe('which password libpq takes', () => {
  test.each([
    ['10.0.0.1:5432:replication:rep:secret', 'secret'],
    ['*:*:*:*:secret\n10.0.0.1:5432:replication:rep:later', 'secret'],
    ['10.0.0.1:5433:replication:rep:no\n10.0.0.1:*:*:rep:yes', 'yes'],
    ['10.0.0.1:5432:all:rep:no', undefined],
    ['#10.0.0.1:5432:replication:rep:no', undefined],
    [' 10.0.0.1:5432:replication:rep:no', undefined],
    ['10.0.0.1:5432:replication:rep', undefined],
    ['10.0.0.1:5432:replication:rep:secret\r\r\n', 'secret'],
    [String.raw`10.0.0.1:5432:replication:rep:a\:b\\c\d`, String.raw`a:b\cd`],
    ['10.0.0.1:5432:replication:rep:secret:remark', 'secret'],
    [String.raw`10.0.0.1:5432:replication:rep:tail` + '\\', 'tail\\'],
    [String.raw`10\.0.0.1:5432:replication:r\ep:secret`, 'secret'],
    [String.raw`\*:5432:replication:rep:no`, undefined],
    ['**:5432:replication:rep:no', undefined],
    // The first match decides, and an empty password is none.
    ['10.0.0.1:5432:replication:rep:\n*:*:*:*:later', undefined],
  ])('%j gives %j', (text, password) => {
    expect(found(text)).toBe(password);
  });

  test('the default socket directory and no host at all are looked up as localhost (B14)', () => {
    const text = 'localhost:*:*:*:local\n/tmp:*:*:*:tmp\n/var/run/postgresql:*:*:*:never\n';
    expect(['', '/var/run/postgresql', '/tmp', 'localhost'].map((host) => found(text, { host }))).toEqual(['local', 'local', 'tmp', 'local']);
    expect(found(text, { host: '/tmp', socketDirectory: '/tmp' })).toBe('local');
  });

  test('a password is never in what is printed of it', () => {
    expect(JSON.stringify(findPassword('*:*:*:*:canary', TARGET))).toBe('"***"');
  });
});

describe('our line in a passfile', () => {
  test('it comes first, because the first match wins, and replaces our own older one (B12)', () => {
    expect(putEntry('# mine\n*:*:*:*:any\n10.0.0.1:5432:replication:rep:old\n', ENTRY)).toBe('10.0.0.1:5432:replication:rep:new\n# mine\n*:*:*:*:any\n');
    expect(putEntry('', ENTRY)).toBe('10.0.0.1:5432:replication:rep:new\n');
  });

  test('a file that gives this password already stays as it is', () => {
    expect(putEntry('*:*:*:*:new', ENTRY)).toBe('*:*:*:*:new');
  });

  test('afterwards the password is found, a second time changes nothing, and all other lines are there', () => {
    fc.assert(
      fc.property(file, field, field, (text, password, user) => {
        const entry = { ...ENTRY, user, password: new Secret(password) };
        const after = putEntry(text, entry);
        expect(found(after, { user })).toBe(password);
        expect(putEntry(after, entry)).toBe(after);
        expect(after === text || after.endsWith(text)).toBe(true);
        expect(after === text ? text : removeEntry(after, entry)).toBe(text);
      }),
    );
  });

  test('every host, database, user and password is found under exactly these (B12)', () => {
    fc.assert(
      fc.property(fc.tuple(field, field, field, field), fc.nat(65535), ([host, database, user, password], port) => {
        fc.pre(host !== '/var/run/postgresql');
        const text = putEntry('', { host, port: String(port), database, user, password: new Secret(password) });
        expect(found(text, { host, port, database, user })).toBe(password);
        expect(found(text, { host: `${host}x`, port, database, user })).toBeUndefined();
        expect(found(text, { host, port: port + 1, database, user })).toBeUndefined();
        expect(found(text, { host, port, database, user: `${user}x` })).toBeUndefined();
      }),
    );
  });

  test('removing takes the lines of exactly these fields and keeps every other byte', () => {
    const text = String.raw`#10.0.0.1:5432:replication:rep:x
10.0.0.1:*:replication:rep:wild
10\.0.0.1:5432:replication:rep:ours
10.0.0.1:5432:replication:reps:other
10.0.0.1:5432:replication:rep:ours` + '\r\n';
    expect(removeEntry(text, ENTRY)).toBe(text.replace('10\\.0.0.1:5432:replication:rep:ours\n', '').replace('10.0.0.1:5432:replication:rep:ours\r\n', ''));
    expect(removeEntry('*:5432:replication:rep:x\n\\*:5432:replication:rep:y\n', { ...ENTRY, host: '*' })).toBe('\\*:5432:replication:rep:y\n');
  });

  test('an own line for every host is the wildcard', () => {
    expect(putEntry('a:1:b:c:d\n', { ...ENTRY, host: '*' })).toBe('*:5432:replication:rep:new\na:1:b:c:d\n');
  });

  test.each(['', 'a\nb', 'a\r', 'a\0'])('the password %j is refused', (password) => {
    expect(() => { checkPassword(password); }).toThrow(expect.objectContaining({ kind: 'usage', code: 'password-invalid' }));
    expect(() => putEntry('', { ...ENTRY, password: new Secret(password) })).toThrow(expect.objectContaining({ code: 'password-invalid' }));
  });

  test.each(['', 'a\n*:*:*:*:evil', 'a\r'])('the host %j is refused', (host) => {
    expect(() => putEntry('', { ...ENTRY, host })).toThrow(expect.objectContaining({ code: 'passfile-field-invalid' }));
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addInclude, confErrors, hasInclude, ownedConfEdited, parseConf, quoteConf, removeInclude, renderOwnedConf, withOwnedSetting, withoutSettings } from '../../../src/postgres/conf-file.ts';

const oneLine = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom("'", '\\', '#', '=', ' ', '1', 'n', 'é') })).filter((text) => !/[\0\r\n]/.test(text));
const FILE = 'pgrepl.conf';

const confLine = fc.constantFrom('port = 5432', "cluster_name='a''b' # why", '# remark', '', '  work_mem 4MB', "include 'other.conf'", 'broken = = line', '# managed by pgrepl: settings are in this file', "include_if_exists 'pgrepl.conf'");
const conf = fc.tuple(fc.array(confLine), fc.constantFrom('\n', '\r\n')).map(([lines, eol]) => lines.map((line) => line + eol).join(''));

describe('the grammar of postgresql.conf', () => {
  // Each value was given to a PostgreSQL 15 server: `postgres -C cluster_name`.
  test.each([
    ['a-b', 'a-b'],
    ['16MB', '16MB'],
    ['0x1F', '0x1F'],
    ['a.b.c', 'a.b.c'],
    ['-1', '-1'],
    ['+2', '+2'],
    ['on#c', 'on'],
    ["'x''y'", "x'y"],
    [String.raw`'a\303\251\x\101'`, 'aéxA'],
    [String.raw`'\b\f\n\r\t'`, '\b\f\n\r\t'],
    [String.raw`'c:\\dir'`, String.raw`c:\dir`],
    ["''", ''],
    ["'# no remark' # remark", '# no remark'],
  ])('the value %s means %j', (written, value) => {
    expect(parseConf(`cluster_name = ${written}\n`)).toMatchObject([{ name: 'cluster_name', value, line: 1 }]);
    expect(confErrors(`cluster_name = ${written}\n`)).toEqual([]);
  });

  test.each(['a.b', 'abc.conf', '1.5GB', '127.0.0.1', '/x', "'a' 'b'", "'it'b", '', '=', "'open", '$x', 'a b'])('the value %s is a syntax error', (written) => {
    expect(confErrors(`port 1\ncluster_name = ${written}\nport 2`)).toEqual([{ line: 2 }]);
    expect(parseConf(`port 1\ncluster_name = ${written}\nport 2`).map(({ value }) => value)).toEqual(['1', '2']);
  });

  test.each([
    ['Work_Mem 4MB', 'work_mem', '4MB'],
    ["\tport='1'", 'port', '1'],
    ['pg_stat.Max=1', 'pg_stat.max', '1'],
    ["include_if_exists 'a.conf'", 'include_if_exists', 'a.conf'],
    ["include_dir='conf.d'\r", 'include_dir', 'conf.d'],
  ])('%j sets %s', (line, name, value) => {
    expect(parseConf(line)).toMatchObject([{ name, value }]);
  });

  test.each(['1port = 1', 'a-b = 1', 'a.b.c = 1', "'port' = 1", '= 1'])('%j has no name', (line) => {
    expect(confErrors(line)).toEqual([{ line: 1 }]);
  });

  test('an entry knows its line and all bytes of it', () => {
    const text = '# head\r\nport = 1 # p\r\n\r\nwork_mem=2';
    expect(parseConf(text).map(({ line, start, end }) => [line, text.slice(start, end)])).toEqual([
      [2, 'port = 1 # p\r\n'],
      [4, 'work_mem=2'],
    ]);
  });

  test('every text without a line end comes back from its quotes (B09)', () => {
    fc.assert(
      fc.property(oneLine, (value) => {
        expect(parseConf(`a = ${quoteConf(value)} # x\n`).map((entry) => entry.value)).toEqual([value]);
      }),
    );
  });

  test.each(['a\nport = 1', 'a\r', 'a\0b'])('%j cannot be a value', (value) => {
    expect(() => quoteConf(value)).toThrow(expect.objectContaining({ code: 'setting-invalid' }));
  });
});

describe('our include in a postgresql.conf of the user', () => {
  test('it is the last line, under a remark, and the rest is untouched (B16)', () => {
    expect(addInclude('port = 1', FILE)).toBe("port = 1\n# managed by pgrepl: settings are in this file\ninclude 'pgrepl.conf'\n");
    expect(addInclude('port = 1\r\n', FILE)).toBe("port = 1\r\n# managed by pgrepl: settings are in this file\r\ninclude 'pgrepl.conf'\r\n");
  });

  test('putting it in and taking it out gives the same bytes (B17)', () => {
    fc.assert(
      fc.property(conf, (text) => {
        const after = addInclude(text, FILE);
        expect(hasInclude(text, FILE)).toBe(false);
        expect(hasInclude(after, FILE)).toBe(true);
        expect(parseConf(after).at(-1)).toMatchObject({ name: 'include', value: FILE });
        expect(addInclude(after, FILE)).toBe(after);
        expect(removeInclude(after, FILE)).toBe(text);
      }),
    );
  });

  test('only a line end that had to be added stays', () => {
    expect(removeInclude(addInclude('a = 1\nport = 1', FILE), FILE)).toBe('a = 1\nport = 1\n');
  });

  test('an include in another spelling is found and removed, one in a remark is not', () => {
    expect(hasInclude("INCLUDE = 'pgrepl.conf' # x", FILE)).toBe(true);
    expect(hasInclude("#include 'pgrepl.conf'\ninclude_if_exists 'pgrepl.conf'\ninclude 'x/pgrepl.conf'", FILE)).toBe(false);
    expect(removeInclude("a = 1\nINCLUDE = 'pgrepl.conf' # x\nb = 2\n", FILE)).toBe('a = 1\nb = 2\n');
  });
});

describe('taking settings out of postgresql.auto.conf', () => {
  test('exactly the named lines go, in any case, and are told', () => {
    const text = "# Do not edit\nPrimary_Conninfo = 'host=a'\nwork_mem = '4MB'\n#primary_conninfo = 'x'\nprimary_conninfo = 'host=b'";
    const { text: left, removed } = withoutSettings(text, ['PRIMARY_CONNINFO', 'recovery_target']);
    expect(left).toBe("# Do not edit\nwork_mem = '4MB'\n#primary_conninfo = 'x'\n");
    expect(removed.map(({ line, value }) => [line, value])).toEqual([
      [2, 'host=a'],
      [5, 'host=b'],
    ]);
  });

  test('a text without them stays as it is', () => {
    fc.assert(
      fc.property(conf, (text) => {
        expect(withoutSettings(text, ['recovery_target'])).toEqual({ text, removed: [] });
      }),
    );
  });
});

describe('a settings file of ours', () => {
  const input = {
    node: 'node1',
    settings: [
      { name: 'wal_level', value: 'replica', why: 'standbys need it' },
      { name: 'cluster_name', value: "o'neil", why: 'seen in ps' },
    ],
    lastLine: "include 'pgrepl.standby.conf'",
  };
  const text = renderOwnedConf(input);

  test('it is sorted, has a reason per line, and says who wrote it', () => {
    expect(text.replace(/[0-9a-f]{64}/, '<hash>')).toMatchInlineSnapshot(`
      "# Written by pgrepl for node1, rendered from the cluster file: change it there, an edit here is refused.
      # sha256: <hash>
      cluster_name = 'o''neil'  # seen in ps
      wal_level = 'replica'  # standbys need it
      include 'pgrepl.standby.conf'
      "
    `);
    expect(confErrors(text)).toEqual([]);
    expect(renderOwnedConf({ ...input, settings: input.settings.toReversed() })).toBe(text);
  });

  test('it is known as unedited, and any changed, added or missing byte below the header as an edit', () => {
    expect(ownedConfEdited(text)).toBe(false);
    const body = text.indexOf('cluster_name');
    fc.assert(
      fc.property(fc.integer({ min: body, max: text.length - 1 }), (at) => {
        expect(ownedConfEdited(text.slice(0, at) + text.slice(at + 1))).toBe(true);
        expect(ownedConfEdited(`${text.slice(0, at)}~${text.slice(at + 1)}`)).toBe(true);
      }),
    );
    expect(ownedConfEdited(`${text}port = 1\n`)).toBe(true);
    expect(ownedConfEdited(text.slice(text.indexOf('\n') + 1))).toBe(true);
    expect(ownedConfEdited('')).toBe(true);
    expect(ownedConfEdited("port = '1'\n")).toBe(true);
  });

  test('a reason cannot become a setting, nor a name', () => {
    const sly = renderOwnedConf({ node: 'n', settings: [{ name: 'port', value: '1', why: "x\nfsync = 'off'" }] });
    expect(parseConf(sly).map(({ name }) => name)).toEqual(['port']);
    expect(() => renderOwnedConf({ node: 'n', settings: [{ name: 'port = 1 #', value: '1', why: '' }] })).toThrow(expect.objectContaining({ code: 'setting-invalid' }));
  });

  test('whatever the values are, they are read back', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}(\.[a-z_]{1,8})?$/), oneLine, { noNullPrototype: true }), oneLine, (values, why) => {
        const rendered = renderOwnedConf({ node: 'n', settings: Object.entries(values).map(([name, value]) => ({ name, value, why })) });
        expect(Object.fromEntries(parseConf(rendered).map(({ name, value }) => [name, value]))).toEqual(values);
        expect(confErrors(rendered)).toEqual([]);
        expect(ownedConfEdited(rendered)).toBe(false);
      }),
    );
  });
});

test('one line of our own file is put in, changed and taken out as if the file had been rendered so', () => {
  const settings = [{ name: 'port', value: '5433', why: 'as in the cluster file' }, { name: 'wal_level', value: 'replica', why: '' }];
  const rendered = (...more: readonly { readonly name: string; readonly value: string; readonly why: string }[]): string => renderOwnedConf({ node: 'n', settings: [...settings, ...more], lastLine: "include 'pgrepl.standby.conf'" });
  for (const name of ['archive_mode', 'synchronous_standby_names', 'zero_damaged_pages']) {
    const line = { value: `ANY 1 ("it's", "b")`, why: 'pgrepl sync' };
    const put = withOwnedSetting(rendered(), name, line);
    expect(put).toBe(rendered({ name, ...line }));
    expect(withOwnedSetting(put, name, { value: '', why: 'other' })).toBe(rendered({ name, value: '', why: 'other' }));
    expect([withOwnedSetting(put, name, null), ownedConfEdited(put)]).toEqual([rendered(), false]);
  }
});

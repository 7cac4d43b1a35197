import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blockLines, firstRejecting, localPeerRule, matchHba, parseHba, putBlock, quoteHba, removeBlock, replicationRule, uncertainHba, type HbaRequest } from '../../../src/postgres/hba-file.ts';

const words = (tokens: readonly { text: string; quoted: boolean }[]): string[] => tokens.map(({ text, quoted }) => (quoted ? `'${text}'` : text));
const one = (text: string): ReturnType<typeof parseHba>[number] => {
  const [line, ...more] = parseHba(text, { joinsLines: true });
  if (line === undefined || more.length > 0) throw new Error(`${text} is not one rule`);
  return line;
};

// What these lines mean was read from pg_hba_file_rules of a PostgreSQL 15 server.
describe('the grammar of pg_hba.conf', () => {
  test.each([
    ['local   all   all   trust', ['local', ['all'], ['all'], null, null, 'trust', []]],
    ['host replication "rep"  10.0.0.0/24 scram-sha-256 # tail', ['host', ['replication'], ["'rep'"], '10.0.0.0/24', null, 'scram-sha-256', []]],
    ['host all all 10.0.0.1 255.255.255.0 reject', ['host', ['all'], ['all'], '10.0.0.1', '255.255.255.0', 'reject', []]],
    ['host all all 10.0.0.1 255.0.255.0 trust', ['host', ['all'], ['all'], '10.0.0.1', '255.0.255.0', 'trust', []]],
    ['hostssl all all ::1/128 cert map=x clientname=CN', ['hostssl', ['all'], ['all'], '::1/128', null, 'cert', ['map=x', 'clientname=CN']]],
    ['host all all example.org md5\r', ['host', ['all'], ['all'], 'example.org', null, 'md5', []]],
    ['host all a"b c"d all password', ['host', ['all'], ['ab cd'], 'all', null, 'password', []]],
    ['host all "all" "all" trust', ['host', ['all'], ["'all'"], '"all"', null, 'trust', []]],
    ['host all ""  ::/0 trust', ['host', ['all'], ["''"], '::/0', null, 'trust', []]],
    ['host all a,b,,"c""d" 10.0.0.1/24 trust#x', ['host', ['all'], ['a', 'b', "'c\"d'"], '10.0.0.1/24', null, 'trust', []]],
    ['local a, b all trust', ['local', ['a', 'b'], ['all'], null, null, 'trust', []]],
  ])('%s', (text, [type, databases, users, address, mask, method, options]) => {
    const line = one(text);
    expect([line.type, words(line.databases), words(line.users), line.address, line.mask, line.method, line.options]).toEqual([type, databases, users, address, mask, method, options]);
    expect(line.error).toBeNull();
  });

  test.each([
    ['host "un closed all all', 'end-of-line before role specification'],
    ['host all, # x', 'end-of-line before role specification'],
    ['host', 'end-of-line before database specification'],
    ['host all all', 'end-of-line before IP address specification'],
    ['host all all 10.0.0.1', 'end-of-line before netmask specification'],
    ['host all all all', 'end-of-line before authentication method'],
    ['host all all 10.0.0.1 trust', 'invalid IP mask'],
    ['host all all 10.0.0.1/33 trust', 'invalid CIDR mask in address'],
    ['host all all foo/8 trust', 'specifying both host name and CIDR mask is invalid'],
    ['host all all 10.0.0.1/8,all trust', 'multiple values specified for host address'],
    ['host all all 10.0.0.1/8 peer', 'peer authentication is only supported on local sockets'],
    ['host all all 10.0.0.1/8 trust foo', 'authentication option not in name=value format'],
    ['local all all nomethod', 'invalid authentication method'],
    ['xhost all all all trust', 'invalid connection type'],
    ['\ufeffhost all all all trust', 'invalid connection type'],
    ['host,local all all all trust', 'multiple values specified for connection type'],
    ['include other.conf', 'invalid connection type'],
  ])('%j is refused: %s', (text, error) => {
    expect(one(text).error).toBe(error);
  });

  test('a backslash joins lines from 14 on, in remarks too, and the rule has the number of its first line (B06)', () => {
    const text = '# remark \\\nlocal all bad trust\nhost all all example.org \\\n  md5\nlocal all all trust\n';
    expect(parseHba(text, { joinsLines: true }).map(({ line, method }) => [line, method])).toEqual([
      [3, 'md5'],
      [5, 'trust'],
    ]);
    expect(parseHba(text, { joinsLines: false }).map(({ line, error }) => [line, error])).toEqual([
      [2, null],
      [3, 'invalid authentication method'],
      [4, 'invalid connection type'],
      [5, null],
    ]);
  });

  test('include directives are rules of their own from 16 on (B05)', () => {
    expect(parseHba('include_dir hba.d\n', { joinsLines: true, includes: true })).toMatchObject([{ type: 'include_dir', error: null }]);
  });
});

const nameText = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: fc.constantFrom('"', ',', ' ', '#', '@', '+', '\\', '=', 'a') }));
// eslint-disable-next-line no-control-regex -- what quoteHba refuses
const name = nameText.filter((text) => text !== '' && !text.startsWith('/') && !/[\u0000-\u001f\u007f]/.test(text));

describe('rules that we write', () => {
  test('they stand in the columns of the sample file', () => {
    expect([replicationRule('rep', '10.0.0.7/24'), replicationRule('a_very_long_role_name', '2001:db8:1234:5678:9abc:def0:1234:5678'), localPeerRule('postgres', 'pgrepl')].join('\n')).toMatchInlineSnapshot(`
      "host    replication     "rep"           10.0.0.0/24             scram-sha-256
      host    replication     "a_very_long_role_name" 2001:db8:1234:5678:9abc:def0:1234:5678/128 scram-sha-256
      local   all             "postgres"                              peer map=pgrepl"
    `);
  });

  test('any role name is exactly this role and no keyword, list, group or file (B07)', () => {
    fc.assert(
      fc.property(name, fc.boolean(), (role, joinsLines) => {
        expect(parseHba(`${replicationRule(role, '10.0.0.1')}\n${localPeerRule(role, 'm')}\n`, { joinsLines })).toMatchObject([
          { type: 'host', databases: [{ text: 'replication', quoted: false }], users: [{ text: role, quoted: true }], address: '10.0.0.1/32', method: 'scram-sha-256', error: null },
          { type: 'local', users: [{ text: role, quoted: true }], method: 'peer', options: ['map=m'], error: null },
        ]);
      }),
    );
  });

  test.each(['a\nhost all all all trust', 'a\r', 'a\0', 'a\tb', '', '/^x'])('the name %j is refused', (role) => {
    expect(() => quoteHba(role)).toThrow(expect.objectContaining({ code: 'hba-name-invalid' }));
  });
});

const from = (request: Partial<HbaRequest>): HbaRequest => ({ type: 'host', database: 'replication-physical', user: 'rep', address: '10.0.0.5', ...request });
const matches = (rule: string, request: Partial<HbaRequest>): boolean => matchHba([one(rule)], from(request)) !== null;

describe('which rule decides', () => {
  test.each([
    ['host replication rep 10.0.0.0/24 md5', {}, true],
    ['host all rep 10.0.0.0/24 md5', {}, false],
    ['host "replication" rep 10.0.0.0/24 md5', {}, false],
    ['host "replication" rep 10.0.0.0/24 md5', { database: 'replication' }, true],
    ['host replication rep 10.0.0.0/24 md5', { database: 'replication' }, false],
    ['host app,replication all all md5', {}, true],
    ['host all all all md5', { database: 'app' }, true],
    ['host sameuser all all md5', { database: 'rep' }, true],
    ['host sameuser all all md5', { database: 'app' }, false],
    ['host replication "all" all md5', {}, false],
    ['host replication Rep all md5', {}, false],
    ['host replication rep 10.0.0.9 255.255.255.0 md5', {}, true],
    ['host replication rep 10.0.1.0/24 md5', {}, false],
    ['host replication rep ::/0 md5', {}, false],
    ['host replication rep ::/0 md5', { address: '2001:db8::1' }, true],
    ['host replication rep "all" md5', {}, false],
    ['host replication rep samehost md5', { address: '127.0.0.1' }, true],
    ['host replication rep samenet md5', { address: '::1' }, true],
    ['hostssl replication rep all md5', {}, true],
    ['hostssl replication rep all md5', { ssl: false }, false],
    ['hostnossl replication rep all md5', { ssl: true }, false],
    ['hostgssenc replication rep all md5', {}, false],
    ['hostnogssenc replication rep all md5', {}, true],
    ['local replication rep md5', {}, false],
    ['local replication rep md5', { type: 'local', address: null }, true],
    ['host replication rep all md5', { type: 'local', address: null }, false],
    ['host replication rep all nomethod', {}, false],
  ] as const)('%s for %j: %s', (rule, request, expected) => {
    expect(matches(rule, request)).toBe(expected);
  });

  test('the first rule in file order wins', () => {
    const lines = parseHba('host all all all trust\nhost replication all 10.0.0.0/8 reject\nhost replication rep 10.0.0.5/32 md5\n', { joinsLines: true });
    expect(matchHba(lines, from({}))?.line).toBe(2);
    expect(matchHba(lines, from({ address: '192.168.0.1' }))).toBeNull();
  });

  test('what only the server knows is passed over but told', () => {
    const text = ['replication +dba all trust', 'replication rep db.example.org trust', 'replication @list all trust', 'replication rep samenet trust', 'replication /^r all trust', 'app +dba all trust']
      .map((rule) => `host ${rule}\n`)
      .join('');
    const lines = parseHba(`include x\n${text}host replication rep all md5\nhost replication +late all reject\n`, { joinsLines: true, includes: true });
    expect(matchHba(lines, from({}))?.method).toBe('md5');
    expect(uncertainHba(lines, from({})).map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('the rule that we put on top decides for its role and its range, whatever is below (B03, B04)', () => {
    const below = fc.array(fc.constantFrom('host all all all trust', 'host replication all all reject', 'hostssl replication rep 10.0.0.0/8 md5', '# x', 'host replication +x all trust'));
    fc.assert(
      fc.property(below, name, fc.ipV4(), (rules, role, address) => {
        const text = putBlock(rules.map((rule) => `${rule}\n`).join(''), 'test', [replicationRule(role, address)]);
        const lines = parseHba(text, { joinsLines: true });
        expect(matchHba(lines, from({ user: role, address }))).toMatchObject({ line: 2, method: 'scram-sha-256' });
        expect(uncertainHba(lines, from({ user: role, address }))).toEqual([]);
      }),
    );
  });
});

describe('a reject of the user that our rule would undo', () => {
  const lines = parseHba(
    ['host all all all reject', 'host replication other all reject', 'host replication +rep all reject', 'host replication rep all md5', 'host replication rep 10.0.1.0/24 reject'].map((rule) => `${rule}\n`).join(''),
    { joinsLines: true },
  );

  test('it is found with the range that it meets, also when it covers only a part', () => {
    expect(firstRejecting(lines, 'rep', ['192.168.0.0/16', '10.0.0.0/16'])).toMatchObject({ line: { line: 5 }, cidr: '10.0.0.0/16' });
    expect(firstRejecting(lines, 'rep', ['10.0.1.7'])).toMatchObject({ line: { line: 5 }, cidr: '10.0.1.7' });
  });

  test('other databases, roles, methods and ranges are none', () => {
    expect(firstRejecting(lines, 'rep', ['10.0.2.0/24', '::/0'])).toBeNull();
    expect(firstRejecting(lines.slice(0, 1), 'rep', ['10.0.1.7'])).toBeNull();
    expect(firstRejecting([one('local replication rep reject')], 'rep', ['10.0.1.7'])).toBeNull();
  });

  test.each([
    ['host replication all all reject', true],
    ['hostssl replication rep 10.0.1.9 255.255.255.255 reject', false],
    ['hostnossl replication rep 10.0.0.0 255.255.0.0 reject', true],
    ['host replication rep samehost reject', false],
  ])('%s: %s', (rule, expected) => {
    expect(firstRejecting([one(rule)], 'rep', ['10.0.1.7/32']) !== null).toBe(expected);
  });
});

describe('our block in a file of the user', () => {
  const line = fc.constantFrom('local all all peer', '# remark \\', '', '  host all all all md5 ', '# pgrepl begin other - x', 'é');
  const file = fc.tuple(fc.array(line), fc.constantFrom('\n', '\r\n'), fc.boolean()).map(([lines, eol, final]) => lines.join(eol) + (final ? eol : ''));

  test('it is at the very top, marked, with the line ends of the file', () => {
    expect(putBlock('local all all peer\r\n', 'main', ['a', 'b'])).toBe('# pgrepl begin main - rendered from the cluster file, do not edit\r\na\r\nb\r\n# pgrepl end main\r\nlocal all all peer\r\n');
  });

  test('put, replaced and removed, every other byte is kept', () => {
    fc.assert(
      fc.property(file, fc.array(fc.constantFrom('x', 'host y', '')), (text, lines) => {
        const once = putBlock(text, 'main', ['first']);
        const twice = putBlock(once, 'main', lines);
        expect(once.endsWith(text)).toBe(true);
        expect(twice.startsWith('# pgrepl begin main - ')).toBe(true);
        expect(blockLines(twice, 'main')).toEqual(lines);
        expect(putBlock(twice, 'main', lines)).toBe(twice);
        expect(removeBlock(twice, 'main')).toBe(text);
        expect(blockLines(text, 'main')).toBeNull();
        expect(removeBlock(text, 'main')).toBe(text);
      }),
    );
  });

  test('two blocks keep their order, and one that slid under a rule of the user comes back to the top', () => {
    const two = putBlock(putBlock('# user\n', 'a', ['1']), 'b', ['2']);
    expect(putBlock(two, 'a', ['3'])).toBe(two.replace('\n1\n', '\n3\n'));
    expect(putBlock(`local all all trust\n${two}`, 'a', ['1']).startsWith('# pgrepl begin a')).toBe(true);
  });

  test('labels that start alike are different blocks', () => {
    expect(blockLines(putBlock('', 'main-2', ['x']), 'main')).toBeNull();
  });

  test('a byte-order mark, a block without end, and lines that are none are refused (B17)', () => {
    expect(() => putBlock('\ufefflocal all all peer\n', 'main', [])).toThrow(expect.objectContaining({ code: 'file-has-bom' }));
    const damaged = putBlock('local all all peer\n', 'main', ['x']).replace('# pgrepl end main\n', '');
    expect(() => putBlock(damaged, 'main', ['x'])).toThrow(expect.objectContaining({ code: 'block-damaged' }));
    expect(() => removeBlock(damaged, 'main')).toThrow(expect.objectContaining({ code: 'block-damaged' }));
    expect(() => putBlock('', 'main', ['a\nb'])).toThrow(expect.objectContaining({ code: 'hba-line-invalid' }));
    expect(() => putBlock('', 'main', ['a \\'])).toThrow(expect.objectContaining({ code: 'hba-line-invalid' }));
    expect(() => putBlock('', 'main\n', [])).toThrow(expect.objectContaining({ code: 'block-label-invalid' }));
  });
});

import { expect, test } from 'vitest';
import { includesMissing, readIncludes, type WholeConfiguration } from '../../../src/operations/includes.ts';
import type { Host } from '../../../src/host/host.ts';

type Files = Readonly<Record<string, string>>;

/** A machine with exactly these files. */
function machine(files: Files): Host {
  const under = (folder: string): readonly string[] => Object.keys(files).filter((path) => path.startsWith(`${folder}/`));
  return {
    readText: async (path: string) => await Promise.resolve(files[path] ?? null),
    list: async (path: string) => await Promise.resolve(under(path).length === 0 ? null : under(path).map((one) => one.slice(path.length + 1))),
    stat: async (path: string) => await Promise.resolve(path in files || under(path).length > 0 ? {} : null),
  } as unknown as Host;
}

async function read(conf: string, files: Files = {}, confFile = '/srv/a/postgresql.conf'): Promise<WholeConfiguration> {
  return await readIncludes(machine(files), { confFile, conf }, '/srv/b');
}

test('B23: a configuration with all that it includes is one text, in the order in which the server reads it', async () => {
  const { text, includes } = await read("port = 1\ninclude_dir = 'conf.d' # more\ninclude 'one.conf'\nwork_mem = '9MB'\ninclude 'pgrepl.conf'\n", {
    '/etc/a/conf.d/b.conf': 'b = 2',
    '/etc/a/conf.d/B.conf': "include '../deeper/c.conf'\n",
    '/etc/a/conf.d/.hidden.conf': 'no = 1\n',
    '/etc/a/conf.d/readme': 'no = 1\n',
    '/etc/a/deeper/c.conf': "include_if_exists 'nothing.conf'\nc = 3\n",
    '/etc/a/one.conf': 'one = 1\n',
    '/etc/a/pgrepl.conf': 'no = 1\n',
  }, '/etc/a/postgresql.conf');
  expect(text).toBe(`port = 1
# from /etc/a/conf.d/B.conf
# from /etc/a/deeper/c.conf
c = 3
# from /etc/a/conf.d/b.conf
b = 2
# from /etc/a/one.conf
one = 1
work_mem = '9MB'
include 'pgrepl.conf'
`);
  expect(includes.map(({ path, exists }) => [path, exists])).toEqual([['/etc/a/conf.d', true], ['/etc/a/deeper/c.conf', true], ['/etc/a/deeper/nothing.conf', false], ['/etc/a/one.conf', true]]);
});

test('B23: a file that includes itself is followed as far as the server follows it', async () => {
  const { includes } = await read("include 'postgresql.conf'\n", { '/srv/a/postgresql.conf': "include 'postgresql.conf'\n" });
  expect(includes).toHaveLength(10);
});

test('what must be there and is not stays for the server to complain about', async () => {
  expect((await read("include 'gone.conf'\n")).text).toBe("include 'gone.conf'\n");
});

const FILES = { '/srv/a/in.conf': '', '/srv/in.conf': '', '/etc/x.conf': '', '/etc/y.d/y.conf': '' };

async function missing(conf: string, there: Files, vias: readonly [string, string] = ['ssh://a', 'ssh://b']): ReturnType<typeof includesMissing> {
  const { includes } = await read(conf, FILES);
  return await includesMissing(machine(there), includes, { upstream: { name: 'node1', pgdata: '/srv/a', via: vias[0] }, standby: { name: 'node2', pgdata: '/srv/b', via: vias[1] } });
}

test.each([
  ["include 'in.conf'", {}],
  ["include '/etc/x.conf'", { '/etc/x.conf': '' }],
  ["include_dir '/etc/y.d'", { '/etc/y.d/other.conf': '' }],
  ["include_if_exists 'nowhere.conf'", {}],
])('B23: %s is nothing to tell where the copy finds %j', async (conf, there) => {
  expect(await missing(conf, there)).toEqual({ reasons: [], notices: [] });
});

test.each([
  ["include '/etc/x.conf'", '/etc/x.conf'],
  ["include_dir '/etc/y.d'", '/etc/y.d'],
  ["include '../in.conf'", '/srv/in.conf'],
  ["include '/srv/a/in.conf'", '/srv/a/in.conf'],
])('B23: %s is refused where the copy has no %s: its server would not start', async (conf, path) => {
  const { reasons, notices } = await missing(conf, {});
  expect(notices).toEqual([]);
  expect(reasons).toMatchObject([{ code: 'include-missing', node: 'node2', message: expect.stringContaining(`in /srv/a/postgresql.conf of node1 leads to ${path} on node2, which is not there`) as string }]);
});

test('B23: settings that would silently be absent are told', async () => {
  const { reasons, notices } = await missing("include_if_exists '/etc/x.conf'", {});
  expect(reasons).toEqual([]);
  expect(notices).toEqual(["include_if_exists '/etc/x.conf' in /srv/a/postgresql.conf of node1 finds nothing on node2, where it is /etc/x.conf: those settings will be absent there"]);
});

test('B23: on one machine a path into the data directory of the upstream is told, because the copy reads that very file', async () => {
  const { notices } = await missing("include '/srv/a/in.conf'", FILES, ['local', 'local']);
  expect(notices).toEqual(["include '/srv/a/in.conf' in /srv/a/postgresql.conf of node1 is an absolute path: node2 reads that very file in the data directory of node1"]);
});

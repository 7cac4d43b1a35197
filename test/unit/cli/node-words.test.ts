import { describe, expect, test } from 'vitest';
import { lineAgain } from '../../../src/cli/again-line.ts';
import type { Context } from '../../../src/cli/command.ts';
import { NODE_OPTIONS, nodeFrom } from '../../../src/cli/node-words.ts';
import { PgreplError } from '../../../src/errors.ts';
import { topologyOf } from '../../../src/topology/merge.ts';
import type { ClusterFile } from '../../../src/topology/schema.ts';
import { fakeIo } from './in-process.ts';

interface Typed {
  readonly name?: string;
  readonly options?: Readonly<Record<string, string | readonly string[]>>;
  readonly env?: Readonly<Record<string, string>>;
}

function contextOf({ name, options = {}, env = {} }: Typed): Context {
  const text = (key: string): string | undefined => (typeof options[key] === 'string' ? options[key] : undefined);
  return {
    io: { ...fakeIo([], { cwd: '/home/ann' }).io, env },
    globals: { file: '/home/ann/pgrepl.yaml', fileNamed: false, json: false, dryRun: false, yes: false, quiet: false, verbose: false, color: false },
    words: { arguments: name === undefined ? [] : [name], text, flag: () => false, list: (key) => (Array.isArray(options[key]) ? (options[key] as readonly string[]) : undefined) },
    name: 'add-standby',
    line: 'pgrepl add-standby',
  };
}

const FILE: ClusterFile = {
  nodes: { node1: { pgdata: '/srv/a', port: 5433 }, db2: { via: 'ssh://admin@db2', host: '10.0.0.2', pgdata: '/srv/pg' } },
  defaults: { 'os-user': 'postgres' },
};

async function node(typed: Typed, file: ClusterFile = FILE, unfinished: string | null = null): ReturnType<typeof nodeFrom> {
  return await nodeFrom(contextOf(typed), topologyOf(file, '/home/ann/pgrepl.yaml', true, {}), async () => await Promise.resolve(unfinished));
}

async function complaint(typed: Typed, file: ClusterFile = FILE): Promise<string> {
  try {
    await node(typed, file);
  } catch (error) {
    if (!(error instanceof PgreplError)) throw error;
    expect(error.kind).toBe('usage');
    return [error.message, error.hint, ...error.next].filter((line) => line !== undefined).join('\n');
  }
  throw new Error('it was taken');
}

describe('a name left out', () => {
  test('is the node of the file with this place', async () => {
    expect((await node({ options: { pgdata: '/srv/a/' } })).name).toBe('node1');
    expect((await node({ options: { pgdata: '/srv/pg', via: 'ssh://admin@db2' } })).name).toBe('db2');
  });

  test('else the one whose unfinished run made the directory', async () => {
    expect((await node({ options: { pgdata: '/srv/new' } }, FILE, 'replica7')).name).toBe('replica7');
  });

  test('else the next free one', async () => {
    expect((await node({ options: { pgdata: '/srv/new' } })).name).toBe('node2');
    expect((await node({ options: { pgdata: '/srv/new' } }, {})).name).toBe('node1');
  });
});

describe('what a new node is made of', () => {
  test('flags win over the environment, and that over the defaults of the file', async () => {
    const file: ClusterFile = { defaults: { pgdata: '/defaults', port: 1 } };
    expect(await node({ options: { pgdata: '/flag', port: '3' }, env: { PGDATA: '/env', PGPORT: '2' } }, file)).toMatchObject({ pgdata: '/flag', port: 3 });
    expect(await node({ env: { PGDATA: '/env', PGPORT: '2' } }, file)).toMatchObject({ pgdata: '/env', port: 2 });
    expect(await node({}, file)).toMatchObject({ pgdata: '/defaults', port: 1 });
  });

  test('a relative directory is taken from here', async () => {
    expect((await node({ options: { pgdata: 'data' } })).pgdata).toBe('/home/ann/data');
  });

  test('its shape is remembered with the defaults of the file', async () => {
    expect(await node({ options: { pgdata: '/new', allow: ['10.0.0.7', '10.1.0.0/16'], set: ['Shared_Buffers = 2GB', 'search_path='], username: 'root' } })).toMatchObject({
      osUser: 'postgres',
      adminUser: 'root',
      allow: ['10.0.0.7/32', '10.1.0.0/16'],
      set: { shared_buffers: '2GB', search_path: '' },
    });
  });
});

describe('a usage error', () => {
  test('without a directory', async () => {
    expect(await complaint({})).toMatchInlineSnapshot(`
      "no data directory was named
      Name it with -D or $PGDATA, or name a node of the cluster file: node1, db2.
      pgrepl add-standby -D DIR"
    `);
    expect(await complaint({ name: 'node7' })).toMatchInlineSnapshot(`
      "no data directory was named for node7
      Name it with -D, $PGDATA, or in the cluster file.
      pgrepl add-standby node7 -D DIR"
    `);
  });

  test('when flags contradict the file, naming both', async () => {
    expect(await complaint({ name: 'node1', options: { pgdata: '/other', port: '9' } })).toMatchInlineSnapshot(`
      "node1: pgdata is /other on the command line and /srv/a in /home/ann/pgrepl.yaml; port is 9 on the command line and 5433 in /home/ann/pgrepl.yaml
      Leave the option out, choose another name, or correct the cluster file."
    `);
  });

  test('when a remote node has no address', async () => {
    expect(await complaint({ options: { pgdata: '/srv/pg', via: 'ssh://db9' } })).toMatchInlineSnapshot(`
      "the address of the node at ssh://db9 is missing
      It is the address at which other nodes and clients reach it, and is never guessed.
      pgrepl add-standby --host ADDRESS"
    `);
  });

  test('when it would share an address', async () => {
    expect(await complaint({ options: { pgdata: '/new' } }, { nodes: { a: { pgdata: '/a' } } })).toMatchInlineSnapshot(`
      "node1 would have the address of a: 127.0.0.1:5432
      Two nodes cannot share one.
      pgrepl add-standby -p 5433"
    `);
  });

  test.each([
    ['port', '0'],
    ['port', '5433x'],
    ['via', 'ssh:/db'],
    ['host', 'a b'],
    ['pgdata', 'a\nb'],
  ])('for %s %j', async (key, value) => {
    expect(await complaint({ options: { pgdata: '/new', [key]: value } })).toContain(key === 'via' ? 'not a way' : 'not');
  });

  test.each([[['shared_buffers']], [['a=b\nc']], [['1a=b']]])('for --set %j', async (set) => {
    expect(await complaint({ options: { pgdata: '/new', set } })).toContain('is not NAME=VALUE');
  });
});

test('the same command again names what was found out', () => {
  const context = contextOf({ options: { passwordFile: 'secret.txt', set: ['work_mem=8 MB'] } });
  expect(lineAgain(context, NODE_OPTIONS, { name: 'node3', options: { pgdata: '/srv/c', port: '5434' } })).toBe("pgrepl add-standby node3 -D /srv/c -p 5434 --set 'work_mem=8 MB' --password-file /home/ann/secret.txt");
});

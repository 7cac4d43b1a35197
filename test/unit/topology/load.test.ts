import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import { loadTopology } from '../../../src/topology/load.ts';

let folder: string;
let env: Record<string, string>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgrepl-load-'));
  env = { XDG_CACHE_HOME: join(folder, 'cache') };
});

async function load(text: string, words = {}): Promise<Awaited<ReturnType<typeof loadTopology>>> {
  const file = join(folder, 'pgrepl.yaml');
  await writeFile(file, text);
  return await loadTopology(file, words, env);
}

async function complaints(text: string): Promise<readonly string[]> {
  try {
    await load(text);
  } catch (error) {
    expect(error).toBeInstanceOf(PgreplError);
    const wrong = error as PgreplError;
    expect(wrong.kind).toBe('usage');
    expect(wrong.code).toBe('cluster-file-invalid');
    return wrong.reasons.map((reason) => reason.message.replaceAll(`${folder}/`, ''));
  }
  throw new Error('the file was taken');
}

describe('the archive of a cluster file', () => {
  test.each([
    ['dir: /srv/wal/', { kind: 'dir', dir: '/srv/wal' }],
    ['command: cp %p /x/%f', { kind: 'command', command: 'cp %p /x/%f' }],
    ['pgbackrest: main', { kind: 'pgbackrest', stanza: 'main' }],
  ])('%s is that of every node, and of those to come', async (says, archive) => {
    const topology = await load(`archive: { ${says} }\nnodes: { node1: { pgdata: /a } }\n`);
    expect([topology.archive, topology.nodes[0]?.archive, topology.defaults.archive]).toEqual([archive, archive, archive]);
  });

  test('a key that nobody knows, a path that is none, and two archives are mistakes with their places', async () => {
    expect(await complaints('archive:\n  dri: /srv/wal\n')).toEqual(['pgrepl.yaml:2:3: "dri" is not a known key in archive; did you mean "dir"?']);
    expect(await complaints('archive:\n  dir: wal\n')).toEqual(['pgrepl.yaml:2:8: archive.dir must be an absolute path, not "wal"']);
    expect(await complaints('archive: { dir: /a, pgbackrest: main }\n')).toEqual(['pgrepl.yaml:1:1: archive must say exactly one of dir, command and pgbackrest']);
  });
});

describe('a right cluster file', () => {
  test('a missing file is an empty topology', async () => {
    const topology = await loadTopology(join(folder, 'none.yaml'), { cluster: 'shop' }, env);
    expect(topology).toMatchObject({ exists: false, cluster: 'shop', replicationUser: 'replicator', nodes: [], sync: 'off' });
  });

  test('a file of comments alone is an empty topology that exists', async () => {
    expect(await load('# nothing yet\n')).toMatchObject({ exists: true, cluster: 'main', nodes: [] });
  });

  test('defaults are merged into every node, what a node says itself wins', async () => {
    const topology = await load(`cluster: shop
replication: { user: rep, sync: any 1 (node2) }
nodes:
  node1: { host: 10.0.0.1, via: ssh://admin@db1, connect: tcp, port: 5433, set: { max_connections: 200, jit: false, shared_buffers: 2GB } }
  node2: { host: 10.0.0.2, via: docker://pg2, delay: 1h }
  node3: { host: 10.0.0.3, via: 'ssh://db3:2222', upstream: node2, os-user: pg }
defaults: { pgdata: /srv/pg, os-user: postgres }
`);
    expect(topology.replicationUser).toBe('rep');
    expect(topology.nodes.map(({ name, host, port, pgdata, via, osUser }) => [name, host, port, pgdata, via, osUser])).toEqual([
      ['node1', '10.0.0.1', 5433, '/srv/pg', 'ssh://admin@db1', 'postgres'],
      ['node2', '10.0.0.2', 5432, '/srv/pg', 'docker://pg2', 'postgres'],
      ['node3', '10.0.0.3', 5432, '/srv/pg', 'ssh://db3:2222', 'pg'],
    ]);
    expect(topology.nodes.map(({ connect }) => connect)).toEqual(['tcp', undefined, undefined]);
    expect(topology.nodes[0]?.set).toEqual({ max_connections: '200', jit: 'off', shared_buffers: '2GB' });
  });

  test('a local node is at 127.0.0.1 unless it says otherwise', async () => {
    expect((await load('nodes:\n  node1:\n    pgdata: /d\n')).nodes[0]).toMatchObject({ host: '127.0.0.1', port: 5432, via: 'local' });
  });

  test('is remembered, and the memory is not trusted for another text', async () => {
    await load('nodes: { a: { pgdata: /d } }\n');
    const cached = join(folder, 'cache', 'pgrepl', (await readdir(join(folder, 'cache', 'pgrepl')))[0] ?? '');
    const kept = JSON.parse(await readFile(cached, 'utf8')) as { key: string; content: { nodes: { a: { pgdata: string } } } };
    kept.content.nodes.a.pgdata = '/from-cache';
    await writeFile(cached, JSON.stringify(kept));
    expect((await load('nodes: { a: { pgdata: /d } }\n')).nodes[0]?.pgdata).toBe('/from-cache');
    expect((await load('nodes: { a: { pgdata: /e } }\n')).nodes[0]?.pgdata).toBe('/e');
  });

  test('a cluster name on the command line that the file contradicts is refused, naming both', async () => {
    await expect(load('cluster: shop\n', { cluster: 'store' })).rejects.toThrow('the cluster is "store" on the command line and "shop" in');
  });
});

describe('a wrong cluster file', () => {
  test('every complaint at once, with its place and what was probably meant', async () => {
    expect(
      await complaints(`clutser: shop
replication:
  user: pg_evil
  snyc: off
nodes:
  Node1:
    pgdata: /a
  node2:
    prot: 5433
    port: 70000
    pgdata: data
    via: ssh//db1
    connect: udp
    allow: [10.0.0.0/24, everyone]
  node3: 7
`),
    ).toMatchInlineSnapshot(`
      [
        "pgrepl.yaml:1:1: "clutser" is not a known key; did you mean "cluster"?",
        "pgrepl.yaml:3:9: replication.user must be a role name that PostgreSQL takes, not "pg_evil"",
        "pgrepl.yaml:4:3: "snyc" is not a known key in replication; did you mean "sync"?",
        "pgrepl.yaml:6:3: Node1 must be a node name: a to z first, then a to z, 0 to 9 or _, at most 63",
        "pgrepl.yaml:9:5: "prot" is not a known key in nodes.node2; did you mean "port"?",
        "pgrepl.yaml:10:11: node2.port must be a whole number from 1 to 65535, not 70000",
        "pgrepl.yaml:11:13: node2.pgdata must be an absolute path, not "data"",
        "pgrepl.yaml:12:10: node2.via must be local, ssh://[user@]host[:port], docker://container or ssh://host/docker/container, not "ssh//db1"",
        "pgrepl.yaml:13:14: node2.connect must be socket or tcp, not "udp"",
        "pgrepl.yaml:14:26: node2.allow.1 must be an address range such as 10.0.0.0/24, not "everyone"",
        "pgrepl.yaml:15:10: node3 must be a mapping of options, not 7",
      ]
    `);
  });

  test('F01, F14: names of sync are nodes, once each, and as many as are needed', async () => {
    expect(
      await complaints(`replication: { sync: "first 3 (node2, node2, nod1)" }
nodes:
  node1: { pgdata: /d, port: 5433 }
  node2: { pgdata: /e, port: 5434 }
`),
    ).toMatchInlineSnapshot(`
      [
        "pgrepl.yaml:1:22: replication.sync names "nod1", which is no node of this file; did you mean "node1"?",
        "pgrepl.yaml:1:22: replication.sync names node2 twice",
      ]
    `);
  });

  test('nodes are looked at together', async () => {
    expect(
      await complaints(`nodes:
  node1: { pgdata: /d, port: 5433 }
  node2: { pgdata: /d/, port: 5433, upstream: ndoe1 }
  node3: { via: ssh://db3 }
  node4: { pgdata: /x, port: 1, upstream: node5 }
  node5: { pgdata: /y, port: 2, upstream: node4 }
`),
    ).toMatchInlineSnapshot(`
      [
        "pgrepl.yaml:3:20: node2.pgdata is the data directory of node1, too",
        "pgrepl.yaml:3:31: node2.port has the address 127.0.0.1:5433, which is that of node1, too",
        "pgrepl.yaml:3:47: node2.upstream is "ndoe1", which is no node of this file; did you mean "node1"?",
        "pgrepl.yaml:4:3: node3 has no pgdata",
        "pgrepl.yaml:4:3: node3 has no host: the address at which others reach it is never guessed from ssh://db3",
        "pgrepl.yaml:5:43: node4.upstream leads back to node4",
        "pgrepl.yaml:6:43: node5.upstream leads back to node5",
      ]
    `);
  });

  test('text that is no YAML', async () => {
    expect(await complaints('nodes:\n  a: {\n')).toMatchInlineSnapshot(`
      [
        "pgrepl.yaml:3:1: not YAML: Flow map in block collection must be sufficiently indented and end with a }",
      ]
    `);
    expect(await complaints('cluster: a\ncluster: b\n')).toMatchInlineSnapshot(`
      [
        "pgrepl.yaml:2:1: not YAML: Map keys must be unique",
      ]
    `);
    expect(await complaints('- a\n')).toMatchInlineSnapshot(`
      [
        "pgrepl.yaml:1:1: the file must be a mapping with cluster, replication, archive, nodes and defaults",
      ]
    `);
  });
});

import { lstat, mkdtemp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { parseNodeName, parseRoleName } from '../../../src/postgres/names.ts';
import { loadTopology } from '../../../src/topology/load.ts';
import { saveTopology } from '../../../src/topology/save.ts';
import type { NodeSpec, TopologyEdit } from '../../../src/topology/topology.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgrepl-save-'));
  file = join(folder, 'pgrepl.yaml');
});
const env = { XDG_CACHE_HOME: '/nonexistent' };
const node = (name: string, more: Partial<NodeSpec> = {}): NodeSpec => ({ name: parseNodeName(name), host: '127.0.0.1', port: 5432, pgdata: `/srv/${name}`, via: 'local', ...more });

async function edited(text: string | null, ...edits: TopologyEdit[]): Promise<string> {
  if (text !== null) await writeFile(file, text);
  await saveTopology(await loadTopology(file, {}, env), edits);
  return await readFile(file, 'utf8');
}

test('a new file has its header, and what later commands need', async () => {
  expect(
    await edited(
      null,
      { edit: 'set-cluster', cluster: 'shop', replicationUser: parseRoleName('replicator') },
      { edit: 'put-node', node: node('node1', { port: 5433, osUser: 'postgres', allow: ['10.0.0.0/24'], set: { shared_buffers: '2GB', jit: 'on' } }) },
      { edit: 'put-node', node: node('node2', { host: '10.0.0.2', via: 'ssh://admin@db2', delay: '1h' }) },
    ),
  ).toMatchInlineSnapshot(`
    "# yaml-language-server: $schema=./node_modules/pgrepl/schema/cluster.schema.json

    cluster: shop
    replication:
      user: replicator
    nodes:
      node1:
        host: 127.0.0.1
        port: 5433
        pgdata: /srv/node1
        os-user: postgres
        allow: [ 10.0.0.0/24 ]
        set: { shared_buffers: 2GB, jit: on }
      node2:
        host: 10.0.0.2
        port: 5432
        pgdata: /srv/node2
        via: ssh://admin@db2
        delay: 1h
    "
  `);
});

const WRITTEN = `# our shop
cluster: shop # the name

nodes:
  # the first one
  node1:
    host: 10.0.0.1   # rack 4
    via: ssh://db1
    allow: [10.0.0.0/24,  10.1.0.0/24]
    pgdata: /srv/pg
  node2: { host: 10.0.0.2, via: 'ssh://db2', pgdata: /srv/pg, upstream: node1 }
defaults:
  port: 5433
# the end
`;

test('comments, order and what is not touched are kept', async () => {
  expect(
    await edited(
      WRITTEN,
      { edit: 'put-node', node: node('node3', { host: '10.0.0.3', port: 5433, upstream: parseNodeName('node2') }) },
      { edit: 'set-fence', name: parseNodeName('node1'), fenced: 'pulled the plug' },
      { edit: 'set-upstream', name: parseNodeName('node2'), upstream: null },
    ),
  ).toMatchInlineSnapshot(`
    "# our shop
    cluster: shop # the name

    nodes:
      # the first one
      node1:
        host: 10.0.0.1   # rack 4
        via: ssh://db1
        allow: [10.0.0.0/24,  10.1.0.0/24]
        pgdata: /srv/pg
        fenced: pulled the plug
      node2: { host: 10.0.0.2, via: 'ssh://db2', pgdata: /srv/pg }
      node3:
        host: 10.0.0.3
        port: 5433
        pgdata: /srv/node3
        upstream: node2
    defaults:
      port: 5433

    # the end
    "
  `);
});

test('a node that is there already as it should be leaves the file alone', async () => {
  const text = WRITTEN;
  await writeFile(file, text);
  const topology = await loadTopology(file, {}, env);
  const [first] = topology.nodes;
  if (first === undefined) throw new Error('no node');
  expect(await edited(text, { edit: 'put-node', node: first }, { edit: 'set-cluster', cluster: 'shop', replicationUser: parseRoleName('replicator') })).toContain('# rack 4');
});

test('removing a node removes what names it', async () => {
  expect(await edited(WRITTEN, { edit: 'remove-node', name: parseNodeName('node1') })).toMatchInlineSnapshot(`
    "# our shop
    cluster: shop # the name

    nodes:
      # the first one
      node2: { host: 10.0.0.2, via: 'ssh://db2', pgdata: /srv/pg }
    defaults:
      port: 5433

    # the end
    "
  `);
});

test('what somebody wrote meanwhile stays', async () => {
  await writeFile(file, WRITTEN);
  const topology = await loadTopology(file, {}, env);
  await writeFile(file, WRITTEN.replace('    pgdata: /srv/pg\n', '    pgdata: /srv/pg\n    delay: 1h\n'));
  const [first] = topology.nodes;
  if (first === undefined) throw new Error('no node');
  await saveTopology(topology, [{ edit: 'put-node', node: { ...first, osUser: 'postgres' } }]);
  expect(await readFile(file, 'utf8')).toContain('delay: 1h\n    os-user: postgres');
});

test('a symbolic link stays one, and nothing is left beside the file', async () => {
  const real = join(folder, 'real.yaml');
  await writeFile(real, WRITTEN);
  await symlink(real, file);
  await saveTopology(await loadTopology(file, {}, env), [{ edit: 'put-node', node: node('node9', { port: 9 }) }]);
  expect((await lstat(file)).isSymbolicLink()).toBe(true);
  expect(await readFile(real, 'utf8')).toContain('node9');
  expect((await readdir(folder)).sort()).toEqual(['pgrepl.yaml', 'real.yaml']);
});

test('an edit that would make the file wrong is not written', async () => {
  await expect(edited(WRITTEN, { edit: 'set-upstream', name: parseNodeName('node2'), upstream: parseNodeName('nobody') })).rejects.toThrow('has a mistake');
  expect(await readFile(file, 'utf8')).toBe(WRITTEN);
});

test('where commits wait is written beside the user of replication, and comments stay', async () => {
  expect(await edited('cluster: shop\nreplication:\n  # who may\n  user: rep\nnodes:\n  a: { pgdata: /d }\n  b: { pgdata: /e, port: 5433 }\n', { edit: 'set-sync', sync: 'any 1 (b)' })).toBe(
    'cluster: shop\nreplication:\n  # who may\n  user: rep\n  sync: any 1 (b)\nnodes:\n  a: { pgdata: /d }\n  b: { pgdata: /e, port: 5433 }\n',
  );
  // Off is what holds when nothing is said.
  const without = 'nodes:\n  a: { pgdata: /d }\n';
  expect(await edited(without, { edit: 'set-sync', sync: 'off' })).toBe(without);
  // A node that goes takes its name along.
  expect(await edited('replication: { sync: "any 1 (a, b)" }\nnodes:\n  a: { pgdata: /d }\n  b: { pgdata: /e, port: 5433 }\n', { edit: 'remove-node', name: parseNodeName('b') }, { edit: 'set-sync', sync: 'any 1 (a)' })).toContain('sync: "any 1 (a)"');
});

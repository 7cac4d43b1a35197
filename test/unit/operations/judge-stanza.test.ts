import { expect, test } from 'vitest';
import { otherCluster, parseInfo } from '../../../src/operations/judge-stanza.ts';
import { parseNodeName, parseRoleName } from '../../../src/postgres/names.ts';
import type { NodePlace } from '../../../src/steps/world.ts';

const PLACE: NodePlace = {
  name: parseNodeName('node1'), cluster: 'main', host: '10.0.0.1', port: 5432, pgdata: '/srv/a', via: 'local', osUser: 'postgres', adminUser: 'postgres', passfile: '/p', replicationUser: parseRoleName('replicator'),
};

/** As pgbackrest 2.45 prints it, shortened. */
const INFO = `[{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1"}],"backup":[{"archive":{"start":"000000010000000000000003","stop":"000000010000000000000003"},"error":false,"info":{"size":31456789},"label":"20261125-101500F","timestamp":{"start":1795601700,"stop":1795601710}},{"error":true,"label":"20261125-111500F"}],
"db":[{"id":1,"repo-key":1,"system-id":7576543210987654321,"version":"15"}],"name":"main","status":{"code":0,"message":"ok"}}]`;

test('what pgbackrest says of a stanza: its system identifier to the last digit, and the backups that are whole', () => {
  expect(parseInfo(INFO, 'main')).toMatchObject({ systemIdentifiers: ['7576543210987654321'], backups: [{ label: '20261125-101500F', bytes: 31456789 }] });
});

test.each([['another name', INFO, 'shop'], ['no stanza at all', '[]', 'main'], ['a stanza of the configuration that was never made', '[{"backup":[],"db":[],"name":"main","status":{"code":1,"message":"missing stanza path"}}]', 'main']])('%s is no stanza', (_, text, stanza) => {
  expect(parseInfo(text, stanza)).toBeNull();
});

test('K01: the stanza of another cluster is refused with both system identifiers; after an upgrade the newest counts', () => {
  const stanza = { systemIdentifiers: ['1', '7576543210987654321'], backups: [], says: 'ok' };
  expect(otherCluster(PLACE, 'main', stanza, '7576543210987654321')).toEqual([]);
  expect(otherCluster(PLACE, 'main', stanza, '1')).toMatchObject([{ code: 'stanza-of-another', message: 'stanza "main" is of another cluster: its system identifier is 7576543210987654321, that of node1 1' }]);
});

import { describe, expect, test } from 'vitest';
import { decideRoute, type RouteWish } from '../../../src/operations/route/route.ts';
import { judgeFile, sealed } from '../../../src/operations/route/file.ts';
import { judgeStatus } from '../../../src/operations/status.ts';
import { parseConninfo } from '../../../src/postgres/conninfo.ts';
import { primaryProbe, replicaProbe } from '../../../src/postgres/health-probe.ts';
import { parseLsn } from '../../../src/postgres/lsn.ts';
import type { NodeSpec } from '../../../src/topology/topology.ts';
import { primary, sender, slot, standby, stopped, topologyOf } from './status-facts.ts';

const WISH: RouteWish = {
  kind: 'libpq',
  databases: ['shop'],
  maxLagBytes: 16_777_216,
  libpqVersion: 160_000,
  haproxy: { bind: '*', writePort: 5000, readPort: 5001, health: { kind: 'sql', user: 'haproxy', database: 'shop' } },
};
const trio = [primary('node1', ['node2', 'node3']), standby('node2'), standby('node3')];
const after = [standby('node1', 5434), primary('node2', ['node1', 'node3']), standby('node3', 5434)];

const route = (wish: Partial<RouteWish>, facts = trio, specs: Readonly<Record<string, Partial<NodeSpec>>> = {}) => {
  const topology = topologyOf(['node1', 'node2', 'node3'], specs);
  return decideRoute(judgeStatus(topology, facts), topology, { ...WISH, ...wish });
};
const lines = (text: string, pattern: RegExp): readonly string[] => text.split('\n').filter((line) => pattern.test(line));

describe('libpq', () => {
  test('one list of hosts for writes, one for reads, as URI, as keywords and as a service file', () => {
    const { text, ways } = route({});
    expect(ways?.readWrite.uri).toBe('postgresql://127.0.0.1:5433,127.0.0.1:5434,127.0.0.1:5435/shop?connect_timeout=3&target_session_attrs=read-write');
    expect(parseConninfo(ways?.readOnly.conninfo ?? '')).toEqual({ host: '127.0.0.1,127.0.0.1,127.0.0.1', port: '5433,5434,5435', dbname: 'shop', connect_timeout: '3', target_session_attrs: 'prefer-standby', load_balance_hosts: 'random' });
    expect(lines(text, /^(\[|target|load)/)).toEqual(['[shop]', 'target_session_attrs=read-write', '[shop_ro]', 'target_session_attrs=prefer-standby', 'load_balance_hosts=random']);
    for (const line of text.split('\n')) expect(line.length).toBeLessThan(255);
  });

  test.each([
    [150_000, { target_session_attrs: 'prefer-standby' }],
    [130_000, { target_session_attrs: 'any', port: '5434,5435,5433' }],
  ])('an older libpq (%i) is told nothing that it would refuse', (libpqVersion, words) => {
    const read = parseConninfo(route({ libpqVersion }).ways?.readOnly.conninfo ?? '');
    expect(read).toMatchObject(words);
    expect(read).not.toHaveProperty('load_balance_hosts');
  });

  test('addresses of IPv6 and names of databases that need it are quoted', () => {
    const { ways } = route({ databases: ["a b'c"] }, trio, { node1: { host: 'fd00::1' } });
    expect(ways?.readWrite.uri).toContain("postgresql://[fd00::1]:5433,127.0.0.1:5434,127.0.0.1:5435/a%20b'c?");
    expect(parseConninfo(ways?.readWrite.conninfo ?? '')).toMatchObject({ host: 'fd00::1,127.0.0.1,127.0.0.1', dbname: "a b'c" });
  });
});

test.each(['libpq', 'haproxy'] as const)('%s finds roles by itself: the text is the same after a switchover', (kind) => {
  expect(route({ kind }, after).text).toBe(route({ kind }).text);
});

describe('haproxy', () => {
  test('every node may become the primary; who holds commits back, or was shut off, is left out', () => {
    const text = route({ kind: 'haproxy' }, trio, { node2: { delay: '1h' }, node3: { fenced: 'power cut' } }).text;
    expect(lines(text, /^ {4}server /).map((line) => line.trim().split(' ').slice(0, 3).join(' '))).toEqual(['server node1 127.0.0.1:5433', 'server node2 127.0.0.1:5434', 'server node1 127.0.0.1:5433']);
    expect(text).toContain('# node3 is left out: it was shut off');
    expect(text).toContain('# node2 is not read from: it holds commits back for 1h');
  });

  test('pgrepl serve is asked about each server by its name, instead of SQL', () => {
    const text = route({ kind: 'haproxy', haproxy: { ...WISH.haproxy, health: { kind: 'serve', host: '10.0.0.9', port: 8008 } } }).text;
    expect(lines(text, /http-check send/).map((line) => line.trim())).toEqual(['http-check send meth OPTIONS uri-lf /nodes/%[srv_name]/primary', 'http-check send meth OPTIONS uri-lf /nodes/%[srv_name]/replica?lag=16777216']);
    expect(lines(text, /^ {4}server .* addr 10\.0\.0\.9 port 8008 /)).toHaveLength(6);
  });

  test('the check speaks the protocol: lengths that fit, and a limit in bytes', () => {
    const { startup, query } = replicaProbe('haproxy', 'shop', 1_024);
    const start = Buffer.from(startup, 'hex');
    expect([start.readInt32BE(0), start.readInt32BE(4)]).toEqual([start.length, 196_608]);
    const asked = Buffer.from(query, 'hex');
    expect([asked.toString('latin1', 0, 1), asked.readInt32BE(1), asked.at(-1)]).toEqual(['Q', asked.length - 1, 0]);
    expect(asked.toString()).toContain('> 1024 THEN');
    expect(Buffer.from(primaryProbe('haproxy', 'shop').query, 'hex').toString()).toContain('pg_is_in_recovery');
  });
});

describe('pgbouncer', () => {
  test('NAME at the primary of now, NAME_ro at the standbys that share a port', () => {
    const specs = { node2: { host: '10.0.0.2', port: 5433 }, node3: { host: '10.0.0.3', port: 5433 } };
    const text = route({ kind: 'pgbouncer', databases: ['shop', 'ev il'] }, trio, specs).text;
    expect(lines(text, / = /)).toEqual(['shop = host=127.0.0.1 port=5433 dbname=shop', 'shop_ro = host=10.0.0.2,10.0.0.3 port=5433 dbname=shop', `"ev il" = host=127.0.0.1 port=5433 dbname='ev il'`, `"ev il_ro" = host=10.0.0.2,10.0.0.3 port=5433 dbname='ev il'`]);
  });

  test('a standby at another port, one that is far behind and one that is stopped are not read from; without any, reads go to the primary', () => {
    expect(lines(route({ kind: 'pgbouncer' }).text, /_ro|not read/)).toEqual(['# node3 is not read from: it has port 5435, and PgBouncer takes one port for all hosts of a database', 'shop_ro = host=127.0.0.1 port=5434 dbname=shop']);
    const old = parseLsn('0/1000000');
    const behind = [primary('node1', [], { senders: [sender('node2', { flushLsn: old, replayLsn: old })], slots: [slot('node2')] }), standby('node2', 5433, { receivedLsn: old, replayedLsn: old }), stopped('node3', { state: 'shut down in recovery' }, { hasSignal: true })];
    expect(lines(route({ kind: 'pgbouncer' }, behind).text, /_ro|not read/)).toEqual(['# node2 is not read from: it is more than 16 MB behind', '# node3 is not read from: it is stopped', 'shop_ro = host=127.0.0.1 port=5433 dbname=shop']);
  });

  test('is rendered anew after a switchover, and refused without a primary or with two of them', () => {
    expect(lines(route({ kind: 'pgbouncer' }, after).text, /^shop = /)).toEqual(['shop = host=127.0.0.1 port=5434 dbname=shop']);
    expect(() => route({ kind: 'pgbouncer' }, [standby('node1'), standby('node2'), standby('node3')])).toThrow(/no node takes writes/);
    expect(() => route({ kind: 'libpq' }, [primary('node1', []), primary('node2', []), standby('node3')])).toThrow(/take writes/);
  });
});

test('a file of ours is told from one that was edited and from one of others', () => {
  const now = sealed('haproxy', 'shop', 'one\n');
  expect(judgeFile(null, now)).toBe('missing');
  expect(judgeFile(now, now)).toBe('same');
  expect(judgeFile(sealed('haproxy', 'shop', 'two\n'), now)).toBe('older');
  expect(judgeFile(now.replace('one', 'two'), now)).toBe('edited');
  expect(judgeFile('global\n', now)).toBe('other');
});

import { expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import { judgeServer } from '../../../src/operations/status-server.ts';
import { exitOfStatus } from '../../../src/operations/status.ts';
import { parseLsn } from '../../../src/postgres/lsn.ts';
import type { ServerFacts } from '../../../src/postgres/server-facts.ts';
import { primary, sender, standby } from './status-facts.ts';

const AT = { host: '10.0.0.1', port: 5432 };
const factsOf = (node: { readonly server: ServerFacts | null }): ServerFacts => {
  if (node.server === null) throw new Error('no server');
  return node.server;
};
const judge = (server: ServerFacts): ReturnType<typeof judgeServer> => judgeServer(AT, { server }, 3_000);

test('a primary by itself: who streams from it is a node each, and nothing is missing', () => {
  const document = judge(factsOf(primary('x', ['a', 'b'])));
  expect(document).toMatchObject({ cluster: null, verdict: 'ok', primary: 'server', findings: [] });
  expect(document.nodes.map(({ name, role, state, host, port, upstream, slot }) => [name, role, state, host, port, upstream, slot?.name ?? null])).toEqual([
    ['server', 'primary', 'running', '10.0.0.1', 5432, null, null],
    ['a', 'standby', 'streaming', '127.0.0.1', null, 'server', 'a'],
    ['b', 'standby', 'streaming', '127.0.0.1', null, 'server', 'b'],
  ]);
});

test('two standbys of one name are told apart', () => {
  const twins = [sender('walreceiver', { pid: 1 }), sender('walreceiver', { pid: 2 })];
  expect(judge(factsOf(primary('x', [], { senders: twins }))).nodes.map(({ name }) => name)).toEqual(['server', 'walreceiver#1', 'walreceiver#2']);
});

test('a standby by itself: where it streams from, and how far replay is behind what it received', () => {
  const document = judge(factsOf(standby('x', 5440, { replayedLsn: parseLsn('0/5000048'), replayAgeSeconds: 7, settings: { cluster_name: 'node7' } })));
  expect(document).toMatchObject({ verdict: 'ok', primary: null, nodes: [{ name: 'node7', role: 'standby', state: 'streaming', upstream: '127.0.0.1:5440', lag: { receivedBytes: null, replayedBytes: 256, seconds: 7 } }] });
  const alone = judge(factsOf(standby('x', 5440, { receiver: null })));
  expect(alone.findings).toMatchObject([{ id: 'not-attached', level: 'critical', says: 'server is not attached: it receives nothing from 127.0.0.1:5440, where its primary_conninfo leads', next: [] }]);
  expect(exitOfStatus(alone)).toBe(8);
});

test('no answer, a refused port and words of the server: 10, 10, and 8 with its words', () => {
  const of = (code: string, message: string, details: readonly string[] = []): ReturnType<typeof judgeServer> => judgeServer(AT, { error: new PgreplError('unreachable', code, message, { details }) }, 3_000);
  const silent = judgeServer(AT, null, 3_000);
  expect([exitOfStatus(silent), silent.findings[0]?.says]).toEqual([10, 'server cannot be reached: no answer within 3 s']);
  expect(exitOfStatus(of('connect-failed', 'connection refused'))).toBe(10);
  const starting = of('server-not-accepting', 'the server does not accept sessions now', ['57P03', 'the database system is starting up']);
  expect([exitOfStatus(starting), starting.findings[0]?.says]).toEqual([8, 'server runs but does not let pgrepl in: the database system is starting up']);
});

test('G18 a role without rights: a warning, and no finding made of what it may not see', () => {
  const blind = factsOf(standby('x', 5440, { seesAll: false, receiver: { pid: 5, status: 'unknown', senderHost: null, senderPort: null, slotName: null, timeline: null, flushedLsn: null, heardSecondsAgo: null }, settings: { primary_conninfo: '' } }));
  expect(judge(blind).findings.map(({ id, level }) => [id, level])).toEqual([['no-permission', 'warning']]);
});

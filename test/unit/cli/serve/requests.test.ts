import { describe, expect, test } from 'vitest';
import { wantedBy, type Request } from '../../../../src/cli/serve/requests.ts';

const known = { nodes: ['node1', 'node2'], own: null };
const asked = (target: string, more: Partial<Request> = {}, own: string | null = null) => wantedBy({ target, html: false, unaddressed: false, ...more }, { ...known, own });
const apply = { lag: null, mode: 'apply', replicationState: null };

describe('which question a path is', () => {
  test.each([
    ['/primary', 'primary'], ['/master', 'primary'], ['/read-write', 'primary'], ['/replica', 'replica'], ['/read-only', 'read-only'], ['/sync', 'sync'], ['/synchronous', 'sync'],
    ['/async', 'async'], ['/asynchronous', 'async'], ['/read-only-sync', 'read-only-sync'], ['/health', 'health'],
  ])("%s, at the root, for a node and for serve's own", (path, kind) => {
    expect(asked(path)).toEqual({ what: 'health', path, about: null, question: { kind, ...apply } });
    expect(asked(`/nodes/node2${path}`, {}, 'node1')).toMatchObject({ about: 'node2', question: { kind } });
    expect(asked(path, {}, 'node1')).toMatchObject({ about: 'node1', question: { kind } });
  });

  test('a browser gets the page at /, everybody else what /primary says', () => {
    expect(asked('/', { html: true })).toEqual({ what: 'page' });
    expect(asked('/')).toMatchObject({ what: 'health', path: '/primary' });
  });

  test.each([
    ['lag=10MB', { lag: { bytes: 10_485_760 } }], ['lag=1048576', { lag: { bytes: 1_048_576 } }], ['lag=16kB', { lag: { bytes: 16_384 } }], ['lag=10s', { lag: { seconds: 10 } }], ['lag=500ms', { lag: { seconds: 0.5 } }],
    ['replication_state=streaming', { replicationState: 'streaming' }], ['replication_state=in+archive+recovery', { replicationState: 'in archive recovery' }], ['', {}],
  ])('/replica?%s', (query, expected) => {
    expect(asked(`/replica?${query}`)).toMatchObject({ what: 'health', question: { ...apply, ...expected } });
  });

  test('ready is within a megabyte, unless more is said', () => {
    expect(asked('/readiness')).toMatchObject({ question: { kind: 'readiness', lag: { bytes: 1_048_576 }, mode: 'apply' } });
    expect(asked('/readiness?lag=1GB&mode=write')).toMatchObject({ question: { lag: { bytes: 1_073_741_824 }, mode: 'write' } });
  });
});

describe('what is not answered', () => {
  test.each(['lag=10XB', 'lag=', 'lag=-1', 'lag=1e9', 'lag=NaN', 'lag=10MB&lag=1MB', 'lga=10MB', 'tag_zone=a', 'replication_state=streming'])('400: /replica?%s', (query) => {
    expect(asked(`/replica?${query}`)).toMatchObject({ what: 'nothing', status: 400 });
  });

  test('400: a limit where there is nothing to limit', () => {
    expect(asked('/primary?lag=1MB')).toMatchObject({ what: 'nothing', status: 400 });
  });

  test.each(['/nope', '/nodes', '/nodes/', '/nodes/node1', '/nodes/node1/', '/nodes/node1/nope', '/nodes/node9/primary', '/nodes/NODE1/primary', '/primary/', '//primary', '/..', '/%2e%2e/primary', '*', '', 'http://x/primary', '/nodes/<script>/primary'])('404: "%s"', (target) => {
    expect(asked(target)).toMatchObject({ what: 'nothing', status: 404 });
  });

  test("400: a balancer's check that would find every server good, because it names none", () => {
    expect(asked('/primary', { unaddressed: true })).toMatchObject({ status: 400, next: ['/nodes/node1/primary', '/nodes/node2/primary'] });
    expect(asked('/nodes/node1/primary', { unaddressed: true })).toMatchObject({ what: 'health', about: 'node1' });
    expect(asked('/primary', { unaddressed: true }, 'node1')).toMatchObject({ what: 'health', about: 'node1' });
  });
});

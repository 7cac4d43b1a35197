import { expect, test } from 'vitest';
import { cannotOpen } from '../../../src/host/ssh-trouble.ts';

test.each([
  ['host-unknown', 'ssh: Could not resolve hostname db9: Name or service not known'],
  ['ssh-refused', 'ssh: connect to host 10.0.0.1 port 22: Connection refused'],
  ['ssh-timeout', 'ssh: connect to host 10.0.0.1 port 22: Connection timed out'],
  ['ssh-timeout', 'Connection timed out during banner exchange'],
  ['ssh-no-route', 'ssh: connect to host 10.0.0.1 port 22: No route to host'],
  ['host-key-unknown', 'Host key verification failed.'],
  ['ssh-denied', 'admin@10.0.0.1: Permission denied (publickey).'],
  ['ssh-denied', 'Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures'],
  ['ssh-configuration', 'Bad owner or permissions on /home/eva/.ssh/config'],
  ['ssh-configuration', '/home/eva/.ssh/config: line 3: Bad configuration option: hots'],
  ['ssh-failed', 'kex_exchange_identification: read: Connection reset by peer'],
])('%s is what ssh means by %j', (code, said) => {
  const error = cannotOpen('ssh://admin@10.0.0.1', [said]);
  expect([error.kind, error.code, error.details]).toEqual(['unreachable', code, [said]]);
  expect(error.hint).toMatch(/\.$/);
});

test('a changed host key is told before the verification that failed by it', () => {
  const error = cannotOpen('ssh://db1', ['@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @', 'Host key verification failed.']);
  expect([error.code, error.message]).toEqual(['host-key-changed', 'cannot reach ssh://db1: its host key is not the one that is known']);
});

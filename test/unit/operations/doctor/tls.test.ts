import { expect, test } from 'vitest';
import type { SeenCertificate } from '../../../../src/operations/doctor/certificate.ts';
import { tls } from '../../../../src/operations/doctor/rules/tls.ts';
import { primary, standby } from '../status-facts.ts';
import { extras, given } from './doctor-facts.ts';

const FILES = { cert: '/tls/node.crt', key: '/tls/node.key', ca: '/tls/ca.crt' };

function found(certificate: SeenCertificate | null): readonly (readonly [string, string])[] {
  return tls.judge(given({ servers: { node1: extras({ certificate }) } })).map(({ id, level }) => [id, level]);
}

function certificate(more: Partial<SeenCertificate>): SeenCertificate {
  return { path: '/tls/node.crt', notAfter: '2027-01-01T00:00:00.000Z', daysLeft: 90, keyPath: '/tls/node.key', keyTrouble: null, ...more };
}

test('a certificate is told of 30 days before it runs out, and a key that the next start refuses (C16, C17)', () => {
  expect(found(null)).toEqual([]);
  expect(found(certificate({}))).toEqual([]);
  expect(found(certificate({ daysLeft: 29 }))).toEqual([['certificate-expires', 'warning']]);
  expect(found(certificate({ daysLeft: -1, keyTrouble: 'its mode must be 0600 or less' }))).toEqual([['certificate-expired', 'critical'], ['certificate-key', 'warning']]);
});

test('a server without the certificate of the cluster file, and a standby that verifies nobody, are told of (C13, C15)', () => {
  const nodes = [primary('node1', ['node2', 'node3']), standby('node2'), standby('node3')].map((node) => ({ ...node, place: { ...node.place, tls: FILES } }));
  const ids = tls.judge(given({ nodes })).map(({ id, node }) => `${node ?? ''} ${id}`);
  expect(ids).toEqual(['node1 tls-not-used', 'node2 tls-not-used', 'node2 stream-unverified', 'node3 tls-not-used', 'node3 stream-unverified']);
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { afterAll, describe, expect, test } from 'vitest';
import { daysUntil, judgeCertificate, readCertificate } from '../../../src/postgres/certificate.ts';
import { isForHost } from '../../../src/postgres/server-identity.ts';
import { keyRightsTrouble, sslWords } from '../../../src/postgres/tls-files.ts';
import { makeAuthority, pemOf, type Issued } from '../../support/certificates.ts';

const folder = mkdtempSync(join(tmpdir(), 'pgr-cert-'));
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });
const [ours, theirs] = [makeAuthority(join(folder, 'a')), makeAuthority(join(folder, 'b'), 'another authority')];

async function codes(issued: Issued, { key = issued.key, ca = ours.ca, host = '10.0.0.1', addresses = true, asClient = false } = {}): Promise<readonly string[]> {
  const flaws = await judgeCertificate({ cert: pemOf(issued.cert), key: pemOf(key), ca: pemOf(ca) }, { host, addresses, asClient, now: new Date() });
  return flaws.map(({ file, code }) => `${file} ${code}`);
}

describe('the certificate of a node is judged before anything is touched (C16, C17)', () => {
  const good = ours.issue('db1', { names: ['IP:10.0.0.1', 'DNS:db1.example'] });

  test('one that fits has no flaw, by address and by name', async () => {
    expect(await codes(good)).toEqual([]);
    expect(await codes(good, { host: 'DB1.example', asClient: true })).toEqual([]);
  });

  test('each flaw names its file', async () => {
    expect(await codes(good, { host: '10.0.0.2' })).toEqual(['cert tls-wrong-host']);
    expect(await codes(good, { ca: theirs.ca })).toEqual(['ca tls-untrusted']);
    expect(await codes(good, { key: theirs.issue('x').key })).toEqual(['key tls-key-mismatch']);
    expect(await codes(ours.issue('db1', { names: ['IP:10.0.0.1'], days: -1 }))).toEqual(['cert tls-expired']);
    expect(await codes({ cert: good.key, key: good.key })).toEqual(['cert tls-not-pem']);
    expect(await codes(good, { key: good.cert })).toEqual(['key tls-not-pem']);
  });

  test('a key with a passphrase is refused: nobody gives it to the server', async () => {
    const locked = join(folder, 'locked.key');
    execFileSync('openssl', ['pkey', '-in', good.key, '-aes256', '-passout', 'pass:x', '-out', locked]);
    expect(await codes(good, { key: locked })).toEqual(['key tls-key-encrypted']);
  });

  test('one that is for servers alone cannot log in', async () => {
    const server = ours.issue('db1', { names: ['IP:10.0.0.1'], usage: 'serverAuth' });
    expect(await codes(server)).toEqual([]);
    expect(await codes(server, { asClient: true })).toEqual(['cert tls-wrong-purpose']);
    expect(await codes(ours.issue('db1', { names: ['IP:10.0.0.1'], usage: 'clientAuth' }))).toEqual(['cert tls-wrong-purpose']);
  });

  test('libpq before 15 does not look at the addresses of a certificate', async () => {
    expect(await codes(good, { addresses: false })).toEqual(['cert tls-wrong-host']);
    expect(await codes(ours.issue('10.0.0.1', { names: ['IP:10.0.0.1'] }), { addresses: false })).toEqual([]);
  });

  test('names and days are read from it', () => {
    const facts = readCertificate(pemOf(good.cert));
    expect(facts).toMatchObject({ commonName: 'db1', names: 'db1.example, 10.0.0.1', issuer: 'CN=test authority' });
    expect(daysUntil(facts?.notAfter ?? '', new Date())).toBeGreaterThan(362);
    expect(readCertificate('nothing')).toBeNull();
  });
});

describe('whether a certificate is for a host, as libpq sees it (C14)', () => {
  test.each([
    [{ dns: ['*.example'] }, 'a.example', true],
    [{ dns: ['*.example'] }, 'a.b.example', false],
    [{ dns: ['*.example'] }, '.example', false],
    [{ dns: ['db1'], commonName: 'db2' }, 'db2', false],
    [{ commonName: 'DB2' }, 'db2', true],
    [{ addresses: ['10.0.0.1'], commonName: 'db2' }, 'db2', true],
    [{ dns: ['db1'], commonName: '10.0.0.1' }, '10.0.0.1', true],
    [{ addresses: ['10.0.0.2'], commonName: '10.0.0.1' }, '10.0.0.1', false],
    [{ dns: ['10.0.0.1'] }, '10.0.0.1', true],
    [{ addresses: ['0:0:0:0:0:0:0:1'] }, '::1', true],
  ])('%j, %s: %s', (names, host, fits) => {
    expect(isForHost({ dns: [], addresses: [], commonName: null, ...names }, host)).toBe(fits);
  });
});

test('a key may be used when the server would use it (C16)', () => {
  expect(keyRightsTrouble({ mode: 0o600, owner: 'postgres' }, 'postgres')).toBeNull();
  expect(keyRightsTrouble({ mode: 0o640, owner: 'postgres' }, 'postgres')).toContain('0600');
  expect(keyRightsTrouble({ mode: 0o640, owner: 'root' }, 'postgres')).toBeNull();
  expect(keyRightsTrouble({ mode: 0o644, owner: 'root' }, 'postgres')).toContain('0640');
  expect(keyRightsTrouble({ mode: 0o600, owner: 'ana' }, 'postgres')).toContain('belong');
});

test('a node comes with verify-full where both have certificates, and shows its own where that is how it is known (C13, C15)', () => {
  const tls = { cert: '/c', key: '/k', ca: '/a' };
  expect(sslWords({ tls }, {})).toEqual({});
  expect(sslWords({}, { tls })).toEqual({});
  expect(sslWords({ tls }, { tls })).toEqual({ sslmode: 'verify-full', sslrootcert: '/a' });
  expect(sslWords({ tls, auth: 'cert' }, { tls })).toEqual({ sslmode: 'verify-full', sslrootcert: '/a', sslcert: '/c', sslkey: '/k' });
});

import { chmod, chown, copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { makeAuthority, type Authority, type Issued } from '../support/certificates.ts';
import type { Machine } from '../support/cluster.ts';
import { serverAccount } from '../support/server-account.ts';
import { endedAs, errorOf, story } from '../support/stories.ts';

const PASSFILE = 'pass/main.pass';
const HOST = '127.0.0.1';
/** libpq before 15 does not look at addresses: the common name is the way that every major takes. */
const NAMES = { names: [`IP:${HOST}`, `DNS:${HOST}`] };

interface Given {
  readonly authority: Authority;
  readonly node: Issued;
}

function given(m: Machine): Given {
  const authority = makeAuthority(join(m.root, 'tls'));
  return { authority, node: authority.issue('db.example', NAMES) };
}

function tlsWords({ authority, node }: Given): readonly string[] {
  return ['--tls-cert', node.cert, '--tls-key', node.key, '--tls-ca', authority.ca];
}

/** psql as a user would run it, from outside; the output, or what it complained about. */
async function psql(m: Machine, conninfo: string, text: string): Promise<string> {
  return await m.program('psql', ['-XAtw', '-d', conninfo, '-c', text]).then((out) => out.trim(), (error: unknown) => String(error));
}

async function replicates(m: Machine, name: string, more: string): Promise<string> {
  const { port } = await m.place(name);
  return await psql(m, `host=${HOST} port=${port} user=replicator dbname=replication replication=true passfile=${join(m.root, PASSFILE)} ${more}`, 'IDENTIFY_SYSTEM');
}

async function conninfoOf(m: Machine, name: string): Promise<string> {
  return await m.sql(name, 'SHOW primary_conninfo');
}

/** That this standby streams over TLS, as its upstream sees it, and that nobody comes in plain. */
async function isSafe(m: Machine, upstream: string, standby: string, ca: string): Promise<void> {
  await m.eventually(upstream, `SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE application_name = '${standby}' AND ssl AND state = 'streaming'`, '1');
  expect(await conninfoOf(m, standby)).toContain('sslmode=verify-full');
  expect(await replicates(m, upstream, `sslmode=disable`)).toMatch(/rejects replication connection|no pg_hba.conf entry/);
  expect(await replicates(m, upstream, `sslmode=verify-full sslrootcert=${ca}`)).toMatch(/^[0-9]{15,}\|/);
}

describe('TLS', () => {
  story('every', 'a cluster with certificates from its first day: streams are verified, plain logins are turned away, roles change (C13, C15, C18)', async (m) => {
    const files = given(m);
    endedAs(await m.pgrepl(['init-primary', ...(await m.at('node1')), ...tlsWords(files), '--yes', '--json']), 0);
    expect(await m.sql('node1', 'SHOW ssl')).toBe('on');
    expect(await replicates(m, 'node1', `sslmode=verify-full sslrootcert=${files.authority.ca}`)).toMatch(/^[0-9]{15,}\|/);
    expect(await replicates(m, 'node1', 'sslmode=disable')).toMatch(/rejects replication connection/);
    expect((await m.pgrepl(['init-primary', 'node1', '--yes', '--json'])).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });

    // Without a certificate nobody joins.
    const refused = await m.pgrepl(['add-standby', ...(await m.at('node2')), '--yes', '--json']);
    endedAs(refused, 3, 'tls-missing');
    await m.ok(['add-standby', ...(await m.at('node2')), ...tlsWords(files), '--yes']);
    await isSafe(m, 'node1', 'node2', files.authority.ca);
    expect(await m.sql('node2', 'SHOW ssl')).toBe('on');
    expect((await m.pgrepl(['add-standby', 'node2', '--yes', '--json'])).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });

    await m.ok(['switchover', 'node2', '--yes']);
    await isSafe(m, 'node2', 'node1', files.authority.ca);
    const doctor = await m.pgrepl(['doctor', '--only', 'connectivity', '--json']);
    expect([doctor.exit, doctor.stdout]).toEqual([0, expect.stringContaining('"encrypted":true')]);

    expect(await m.pgrepl(['doctor', '--only', 'tls'])).toMatchObject({ exit: 0 });

    // The old primary takes one write more that nobody has: it comes back by pg_rewind, over TLS as well.
    await m.killServer('node2');
    await m.ok(['promote', 'node1', '--yes', '--accept-loss', 'unknown']).catch(async () => await m.ok(['promote', 'node1', '--yes']));
    await m.sql('node1', 'CREATE TABLE after_failover AS SELECT 1');
    await m.ok(['rejoin', 'node2', '--yes', '--discard']);
    await isSafe(m, 'node1', 'node2', files.authority.ca);
    const hba = await readFile(join((await m.place('node1')).pgdata, 'pg_hba.conf'), 'utf8');
    expect(hba.split('\n').filter((line) => /^host /.test(line) && line.includes('replicator'))).toEqual([]);

    // A new one under the same name is shown after a reload; this one does not last.
    const short = files.authority.issue('db.example', { ...NAMES, days: 10 });
    await copyFile(short.cert, files.node.cert);
    await copyFile(short.key, files.node.key);
    await m.sql('node1', 'SELECT pg_reload_conf()');
    const late = await m.pgrepl(['doctor', '--only', 'C17', '--json']);
    expect([late.exit, late.stdout]).toEqual([7, expect.stringContaining('certificate-expires')]);
    await isSafe(m, 'node1', 'node2', files.authority.ca);
  });

  story('once', 'certificates for a pair that runs: nobody is dropped, and only at the end is the way without one closed', async (m) => {
    await m.ok(['init-primary', ...(await m.at('node1')), '--yes']);
    await m.ok(['add-standby', ...(await m.at('node2')), '--yes']);
    const files = given(m);
    const sender = async (): Promise<string> => await m.sql('node1', `SELECT pid FROM pg_stat_replication WHERE application_name = 'node2' AND state = 'streaming'`);
    const before = await sender();
    const first = await m.ok(['init-primary', 'node1', ...tlsWords(files), '--yes']);
    expect(`${first.stdout}${first.stderr}`).toContain('pgrepl add-standby node2 --tls-cert');
    expect(await sender()).toBe(before);
    expect(await replicates(m, 'node1', 'sslmode=disable')).toMatch(/^[0-9]{15,}\|/);
    await m.ok(['add-standby', 'node2', ...tlsWords(files), '--yes']);
    await isSafe(m, 'node1', 'node2', files.authority.ca);
    expect((await m.pgrepl(['add-standby', 'node2', '--yes', '--json'])).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
    // It came back by what its files say, not by the connection of before.
    await m.stopServer('node2');
    await m.startServer('node2');
    await isSafe(m, 'node1', 'node2', files.authority.ca);
  });

  story('once', 'a certificate that would not work is refused by name, before anything is touched (C15, C16, C17)', async (m) => {
    const files = given(m);
    const { authority, node } = files;
    const other = makeAuthority(join(m.root, 'other'), 'somebody else');
    const account = serverAccount();
    const loose = join(m.root, 'tls', 'loose.key');
    await copyFile(node.key, loose);
    await chown(loose, account.uid, account.gid);
    await chmod(loose, 0o644);
    const tell = async (code: string, { cert = node.cert, key = node.key, ca = authority.ca }): Promise<void> => {
      const ran = await m.pgrepl(['init-primary', ...(await m.at('node1')), '--tls-cert', cert, '--tls-key', key, '--tls-ca', ca, '--yes', '--json']);
      endedAs(ran, 3, code);
      expect(errorOf(ran).message).toMatch(/node1/);
    };
    await tell('tls-file-unreadable', { cert: join(m.root, 'none.crt') });
    await tell('tls-key-rights', { key: loose });
    await tell('tls-key-mismatch', { key: authority.issue('x').key });
    await tell('tls-untrusted', { ca: other.ca });
    const expired = authority.issue('x', { ...NAMES, days: -1 });
    await tell('tls-expired', expired);
    const elsewhere = authority.issue('x', { names: ['IP:10.9.8.7'] });
    await tell('tls-wrong-host', elsewhere);
    endedAs(await m.pgrepl(['init-primary', ...(await m.at('node1')), '--tls-cert', node.cert, '--yes', '--json']), 2, 'tls-incomplete');
  });

  story('once', 'standbys that prove themselves by certificate: the password opens nothing, roles change, a new node is let in', async (m) => {
    const { authority } = given(m);
    const words = (name: string): readonly string[] => tlsWords({ authority, node: authority.issue(`${name}.example`, NAMES) });
    const one = words('one');
    endedAs(await m.pgrepl(['init-primary', ...(await m.at('node1')), ...one, '--auth', 'cert', '--yes', '--json']), 0);
    await m.ok(['add-standby', ...(await m.at('node2')), ...words('two'), '--yes']);
    await isSafeByCertificate(m, 'node1', 'node2', authority);
    expect(await m.rows('node1', `SELECT DISTINCT auth_method FROM pg_hba_file_rules WHERE 'replication' = ANY (database) AND type = 'hostssl'`)).toEqual([['cert']]);
    await m.ok(['switchover', 'node2', '--yes']);
    await isSafeByCertificate(m, 'node2', 'node1', authority);
    await m.ok(['add-standby', ...(await m.at('node3')), ...words('three'), '--yes']);
    await isSafeByCertificate(m, 'node2', 'node3', authority);
    expect(await m.pgrepl(['doctor', '--only', 'connectivity'])).toMatchObject({ exit: 0 });
    // A certificate of the same authority for somebody else is no node.
    const stranger = authority.issue('stranger', NAMES);
    expect(await replicates(m, 'node2', `sslmode=verify-full sslrootcert=${authority.ca} sslcert=${stranger.cert} sslkey=${stranger.key}`)).toMatch(/certificate authentication failed/);
  });
});

async function isSafeByCertificate(m: Machine, upstream: string, standby: string, { ca }: Authority): Promise<void> {
  await m.eventually(upstream, `SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE application_name = '${standby}' AND ssl AND client_dn LIKE '%.example' AND state = 'streaming'`, '1');
  expect(await replicates(m, upstream, `sslmode=verify-full sslrootcert=${ca}`)).toMatch(/requires a valid client certificate|certificate authentication failed/);
}


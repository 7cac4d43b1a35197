import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Context } from '../../src/cli/command.ts';
import { openOneServer } from '../../src/cli/one-server.ts';
import { PgreplError } from '../../src/errors.ts';
import { parseTarget, SSL_MODES, type SslMode } from '../../src/postgres/target.ts';
import { makeAuthority, type Issued } from '../support/certificates.ts';
import type { Machine } from '../support/cluster.ts';
import { serverAccount } from '../support/server-account.ts';
import { story } from '../support/stories.ts';

/** How a login ended: encrypted, in the clear, or not at all. */
type Outcome = 'tls' | 'plain' | 'refused';

const RULES = { both: ['host'], tls: ['hostssl'], plain: ['hostnossl'] } as const;

story('once', 'in every sslmode, with every certificate and rule, pgrepl gets in where psql does, and as safely (C13, C14)', async (m) => {
  const [ours, theirs] = [makeAuthority(join(m.root, 'tls')), makeAuthority(join(m.root, 'other'), 'somebody else')];
  const good = ours.issue('db', { names: ['DNS:localhost'] });
  const revoked = ours.issue('db', { names: ['DNS:localhost'] });
  ours.revoke(revoked);
  const shown: Readonly<Record<string, Issued>> = { good, 'for another host': ours.issue('db', { names: ['DNS:db.example'] }), expired: ours.issue('db', { names: ['DNS:localhost'], days: -1 }), revoked };
  const roots: Readonly<Record<string, string>> = { right: `sslrootcert=${ours.ca}`, 'right, with a list of revoked ones': `sslrootcert=${ours.ca} sslcrl=${ours.crl}`, wrong: `sslrootcert=${theirs.ca}`, missing: `sslrootcert=${m.root}/none.crt` };
  const { port, pgdata } = await m.foreignServer('node1', { settings: ['ssl = on', `ssl_cert_file = '${good.cert}'`, `ssl_key_file = '${good.key}'`, `ssl_ca_file = '${ours.ca}'`] });
  await m.sql('node1', 'CREATE ROLE tester LOGIN');
  const account = serverAccount();
  const seen: Record<string, readonly [Outcome, Outcome]> = {};

  const serve = async (certificate: Issued | null, rules: keyof typeof RULES): Promise<void> => {
    const own = `local all postgres peer${account.name === 'postgres' ? '' : ' map=test'}`;
    await writeFile(join(pgdata, 'pg_hba.conf'), `${[own, ...RULES[rules].map((type) => `${type} all tester 127.0.0.1/32 trust`)].join('\n')}\n`);
    await m.sql('node1', `ALTER SYSTEM SET ssl = ${certificate === null ? 'off' : 'on'}`);
    if (certificate !== null) {
      await m.sql('node1', `ALTER SYSTEM SET ssl_cert_file = '${certificate.cert}'`);
      await m.sql('node1', `ALTER SYSTEM SET ssl_key_file = '${certificate.key}'`);
    }
    const loaded = await m.sql('node1', 'SELECT pg_conf_load_time()');
    await m.sql('node1', 'SELECT pg_reload_conf()');
    await m.eventually('node1', `SELECT pg_conf_load_time() > '${loaded}'`, 't');
  };
  const compare = async (cell: string, mode: SslMode, words: string): Promise<void> => {
    const conninfo = `host=localhost hostaddr=127.0.0.1 port=${port} user=tester dbname=postgres sslmode=${mode} ${words}`;
    seen[`${cell}, ${mode}`] = [await byPsql(m, conninfo), await byPgrepl(m, conninfo)];
  };

  for (const rules of ['both', 'tls', 'plain'] as const) {
    await serve(good, rules);
    for (const [root, words] of Object.entries(roots)) for (const mode of SSL_MODES) await compare(`good certificate, ${rules} let in, root ${root}`, mode, words);
  }
  for (const name of ['for another host', 'expired', 'revoked']) {
    await serve(shown[name] ?? good, 'both');
    for (const [root, words] of Object.entries(roots).slice(0, 2)) for (const mode of SSL_MODES) await compare(`certificate ${name}, root ${root}`, mode, words);
  }
  await serve(null, 'both');
  for (const mode of SSL_MODES) await compare('no TLS', mode, roots['right'] ?? '');

  const differing = Object.entries(seen).filter(([, [psql, pgrepl]]) => psql !== pgrepl);
  expect(differing.map(([cell, [psql, pgrepl]]) => `${cell}: psql ${psql}, pgrepl ${pgrepl}`)).toEqual([]);
  expect(Object.keys(seen)).toHaveLength(3 * 4 * 6 + 3 * 2 * 6 + 6);
  // The table itself says something: all three ends are in it.
  expect(new Set(Object.values(seen).map(([psql]) => psql))).toEqual(new Set(['tls', 'plain', 'refused']));
  expect(seen['good certificate, both let in, root right, verify-full']?.[0]).toBe('tls');
  expect(seen['certificate for another host, root right, verify-full']?.[0]).toBe('refused');
  expect(seen['certificate for another host, root right, verify-ca']?.[0]).toBe('tls');
});

async function byPsql(m: Machine, conninfo: string): Promise<Outcome> {
  const said = await m.program('psql', ['-XAtwq', '-d', conninfo, '-c', 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'], { HOME: m.root }).catch(() => null);
  return said === null ? 'refused' : said.trim() === 't' ? 'tls' : 'plain';
}

async function byPgrepl(m: Machine, conninfo: string): Promise<Outcome> {
  const context = { io: { env: { HOME: m.root }, stderr: { write: () => true }, signal: new AbortController().signal }, globals: { quiet: true } } as unknown as Context;
  try {
    const one = await openOneServer(context, parseTarget({ conninfo }, {}), null, 10_000);
    try {
      await one.server();
      return (await m.sql('node1', `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'tester'`)) === 't' ? 'tls' : 'plain';
    } finally {
      await one.close();
    }
  } catch (thrown) {
    if (thrown instanceof PgreplError && thrown.kind !== 'bug') return 'refused';
    throw thrown;
  }
}

import { describe, expect, test } from 'vitest';
import { parseConninfoUri } from '../../../src/postgres/conninfo-uri.ts';
import { parseTarget } from '../../../src/postgres/target.ts';

describe('a connection URI is read as libpq reads it (B11)', () => {
  test.each([
    ['postgresql://', {}],
    ['postgres://db1', { host: 'db1' }],
    ['postgresql://db1:5433/shop', { host: 'db1', port: '5433', dbname: 'shop' }],
    ['postgresql://mon@db1/', { user: 'mon', host: 'db1' }],
    ['postgresql://a%40b:p%3Aw%2F@db1', { user: 'a@b', password: 'p:w/', host: 'db1' }],
    ['postgresql://[2001:db8::1]:5433/x', { host: '2001:db8::1', port: '5433', dbname: 'x' }],
    ['postgresql://%2Fvar%2Frun%2Fpostgresql/x', { host: '/var/run/postgresql', dbname: 'x' }],
    ['postgresql:///x?host=/tmp&port=5433', { dbname: 'x', host: '/tmp', port: '5433' }],
    ['postgresql://:5433', { port: '5433' }],
    // A plus is a plus, and not a blank.
    ['postgresql://a+b@db1/c+d', { user: 'a+b', host: 'db1', dbname: 'c+d' }],
    ['postgresql://db1?ssl=true', { host: 'db1', sslmode: 'require' }],
    ['postgresql://db1?sslmode=verify-full&application_name=a%20b', { host: 'db1', sslmode: 'verify-full', application_name: 'a b' }],
  ])('%s', (text, pairs) => {
    expect(parseConninfoUri(text)).toEqual(pairs);
  });

  test.each(['postgresql://db1,db2', 'postgresql://db1:1,db1:2/x', 'postgresql://db1/%zz', 'postgresql://db1/%00', 'postgresql://[::1', 'postgresql://[]', 'postgresql://db1?a', 'postgresql://db1?a=b=c', 'postgresql://db1/%ff', 'postgresql://db1?a%20b=c'])('%s is refused', (text) => {
    expect(() => parseConninfoUri(text)).toThrow(expect.objectContaining({ kind: 'usage' }) as Error);
  });

  test('no complaint shows what may be a password', () => {
    for (const text of ['postgresql://u:geheim%@db1', 'postgresql://u:geheim@a,b', 'postgresql://u:geheim@db1']) {
      try {
        parseTarget({ conninfo: text }, {});
      } catch (error) {
        expect(String(error)).not.toContain('geheim');
        continue;
      }
      throw new Error(`${text} was taken`);
    }
  });
});

describe('one server, as psql would find it', () => {
  const NOTHING = { host: '', hostAddress: null, port: 5432, user: 'postgres', database: 'postgres', sslMode: 'prefer', sslRootCert: null, sslCert: null, sslKey: null, sslCrl: null, passfile: null };

  test.each([
    ['nothing at all', {}, {}, NOTHING],
    ['the environment', {}, { PGHOST: 'e', PGPORT: '5440', PGUSER: 'u', PGDATABASE: 'd', PGSSLMODE: 'require', PGPASSFILE: '/p' }, { ...NOTHING, host: 'e', port: 5440, user: 'u', database: 'd', sslMode: 'require', passfile: '/p' }],
    ['the string beats the environment', { conninfo: 'host=s port=5441' }, { PGHOST: 'e', PGPORT: '5440' }, { ...NOTHING, host: 's', port: 5441 }],
    ['an option beats both', { conninfo: 'host=s port=5441', host: 'o', port: '5442' }, { PGHOST: 'e' }, { ...NOTHING, host: 'o', port: 5442 }],
    ['a string as the database', { database: 'host=s dbname=x' }, {}, { ...NOTHING, host: 's', database: 'x' }],
    ['an address beside a name', { conninfo: 'host=db1 hostaddr=10.0.0.1' }, {}, { ...NOTHING, host: 'db1', hostAddress: '10.0.0.1' }],
    ['an address of the string is not that of a typed host', { conninfo: 'host=db1 hostaddr=10.0.0.1', host: 'db2' }, {}, { ...NOTHING, host: 'db2' }],
    ['files for TLS', { conninfo: 'host=s sslcert=/c sslkey=/k sslcrl=/r' }, { PGSSLROOTCERT: '/a' }, { ...NOTHING, host: 's', sslCert: '/c', sslKey: '/k', sslCrl: '/r', sslRootCert: '/a' }],
    ['authorities of the system: verified unless said otherwise', { conninfo: 'host=s sslrootcert=system' }, {}, { ...NOTHING, host: 's', sslRootCert: 'system', sslMode: 'verify-full' }],
    ['words without meaning here', { conninfo: 'host=s connect_timeout=3 application_name=x target_session_attrs=any' }, {}, { ...NOTHING, host: 's' }],
  ] as const)('%s', (_name, words, env, target) => {
    expect(parseTarget(words, env)).toEqual(target);
  });

  test.each([
    ['several hosts', { conninfo: 'host=a,b' }, {}, 'conninfo-several'],
    ['several hosts of an option', { host: 'a,b' }, {}, 'conninfo-several'],
    ['several ports', { conninfo: 'host=a port=1,2' }, {}, 'conninfo-several'],
    ['two strings', { conninfo: 'host=a', database: 'host=b' }, {}, 'conninfo-twice'],
    ['a password', { conninfo: 'host=a password=x' }, {}, 'password-in-argument'],
    ['a service', { conninfo: 'service=x' }, {}, 'conninfo-unsupported'],
    ['a service of the environment', {}, { PGSERVICE: 'x' }, 'conninfo-unsupported'],
    ['a choice of servers', { conninfo: 'host=a target_session_attrs=primary' }, {}, 'conninfo-unsupported'],
    ['a passphrase of a key', { conninfo: 'host=a sslpassword=x' }, {}, 'conninfo-unsupported'],
    ['GSSAPI', { conninfo: 'host=a gssencmode=require' }, {}, 'conninfo-unsupported'],
    ['options for the server', { conninfo: "host=a options='-c x=y'" }, {}, 'conninfo-unsupported'],
    ['a port that is none', { port: '0' }, {}, 'port-invalid'],
    ['an sslmode that is none', { conninfo: 'host=a sslmode=on' }, {}, 'sslmode-invalid'],
  ] as const)('%s: refused', (_name, words, env, code) => {
    expect(() => parseTarget(words, env)).toThrow(expect.objectContaining({ kind: 'usage', code }) as Error);
  });
});

import { readFile } from 'node:fs/promises';
import pg from 'pg';
import type { Place } from './cluster.ts';

/** Logs in over TCP for replication, as a standby would; the system identifier. Rejects when the server does not let it in. */
export async function replicationLogin({ port }: Place, user: string, password: string, host = '127.0.0.1'): Promise<string> {
  const client = new pg.Client({ host, port, user, password, replication: 'true', connectionTimeoutMillis: 10_000 } as pg.ClientConfig);
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ systemid: string }>('IDENTIFY_SYSTEM');
    return rows[0]?.systemid ?? '';
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The password of the first line of a passfile, unescaped. */
export async function passwordOf(passfile: string): Promise<string> {
  const [line = ''] = (await readFile(passfile, 'utf8')).split('\n');
  const field = /^(?:(?:[^:\\]|\\.)*:){4}(.*)$/.exec(line)?.[1] ?? '';
  return field.replace(/\\(.)/g, '$1');
}

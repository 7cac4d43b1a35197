import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import pg from 'pg';
import { serverAccount } from './server-account.ts';

/** What postmaster.pid says of a running server. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly socketDir: string;
}

export async function postmasterOf(pgdata: string): Promise<Postmaster | null> {
  const lines = await readFile(`${pgdata}/postmaster.pid`, 'utf8').then((text) => text.split('\n'), () => null);
  const [pid, , , port, socketDir] = lines ?? [];
  return pid === undefined || port === undefined || socketDir === undefined ? null : { pid: Number(pid), port: Number(port), socketDir };
}

/** The kernel notes the peer of a Unix socket inside connect(2), from the effective user: `peer` then sees the server's owner. */
class PeerSocket extends Socket {
  override connect(...words: never[]): this {
    const account = serverAccount();
    if (account.drop) process.seteuid?.(account.uid);
    try {
      return Reflect.apply(super.connect, this, words) as this;
    } finally {
      if (account.drop) process.seteuid?.(0);
    }
  }
}

/** A superuser session by the Unix socket, made without anything of pgrepl's. The caller ends it. */
export async function openOracle(pgdata: string, database = 'postgres', timeoutMs = 10_000): Promise<pg.Client> {
  const postmaster = await postmasterOf(pgdata);
  if (postmaster === null) throw new Error(`no server runs in ${pgdata}`);
  const client = new pg.Client({
    host: postmaster.socketDir,
    port: postmaster.port,
    user: 'postgres',
    database,
    application_name: 'oracle',
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    stream: () => new PeerSocket(),
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Ends a session. The goodbye to a server that was killed in the middle of one may have no answer, and a story does not wait for it for ever. */
export async function closeOracle(client: pg.Client): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => { timer = setTimeout(resolve, 3_000); });
  await Promise.race([client.end().catch(() => undefined), enough]);
  clearTimeout(timer);
}

/** Rows of one question, each value as text the way PostgreSQL prints it. */
export async function askOracle(pgdata: string, text: string, database?: string): Promise<readonly (readonly (string | null)[])[]> {
  const client = await openOracle(pgdata, database);
  try {
    const asText = { getTypeParser: () => (value: string | Buffer) => String(value) };
    const result = await client.query<(string | null)[]>({ text, rowMode: 'array', types: asText });
    // Several statements in one text: the last one answers.
    const last = (Array.isArray(result) ? result.at(-1) : result) as { readonly rows: (string | null)[][] } | undefined;
    return last?.rows ?? [];
  } finally {
    await closeOracle(client);
  }
}

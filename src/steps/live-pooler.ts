import { connectTo } from '../host/connect.ts';
import { openPooler, type Pooler, type PoolerAddress } from '../postgres/pooler.ts';
import { openConsole } from '../postgres/session.ts';
import { startTls } from '../postgres/start-tls.ts';
import type { Secret } from '../secret.ts';

const CONNECT_MS = 5_000;

/** Logs in at the admin console of a PgBouncer from here: by its socket, or over TCP and then encrypted if it can. Throws `connect-failed`, `login-refused`, … */
export async function openLivePooler(at: PoolerAddress, { readOnly, signal, password }: { readonly readOnly: boolean; readonly signal: AbortSignal; readonly password: () => Promise<Secret | null> }): Promise<Pooler> {
  const stream = await connectTo(at.host.startsWith('/') ? { socket: `${at.host}/.s.PGSQL.${at.port}` } : at, null, CONNECT_MS);
  const secure = at.host.startsWith('/') ? null : await startTls(stream, { host: at.host, verifyHost: null, deadlineMs: CONNECT_MS });
  const session = await openConsole(secure ?? stream, { user: at.user, password: await password(), deadlineMs: CONNECT_MS, signal });
  return openPooler(session, { readOnly, signal });
}

import type { Duplex } from 'node:stream';
import { PgreplError } from '../errors.ts';
import type { Secret } from '../secret.ts';
import { parseLsnOrNull } from './lsn.ts';
import { parseSystemIdentifier } from './names.ts';
import type { Glimpse } from './server-facts.ts';
import { openReplicationSession, type Login, type Session } from './session.ts';

const DEADLINE_MS = 10_000;

/** Logs in for physical replication and returns the system identifier of the server. Closes the stream. Throws `login-refused`, … */
export async function replicationIdentify(stream: Duplex, user: string, password: Secret | null, node?: string): Promise<string> {
  const session = await openReplicationSession(stream, { user, password, deadlineMs: DEADLINE_MS, node });
  try {
    return await identifySystem(session, node);
  } finally {
    await session.close();
  }
}

/** The system identifier of the server behind a session of `openReplicationSession`. */
export async function identifySystem(session: Session, node?: string): Promise<string> {
  return await first(session, 'IDENTIFY_SYSTEM', 'systemid', node);
}

/**
 * What a server whose connections are all used still tells a superuser: from PostgreSQL 12 on a replication connection takes one of
 * max_wal_senders and none of max_connections (postinit.c). Closes the stream. Throws as `openSession`.
 */
export async function replicationGlimpse(stream: Duplex, login: Omit<Login, 'database'>): Promise<Glimpse> {
  const session = await openReplicationSession(stream, login);
  const show = async (name: string): Promise<string> => await first(session, `SHOW ${name}`, name, login.node);
  try {
    const [row] = await session.query('IDENTIFY_SYSTEM', { deadlineMs: DEADLINE_MS });
    return {
      systemIdentifier: parseSystemIdentifier(row?.['systemid'] ?? ''),
      timeline: Number(row?.['timeline'] ?? 0),
      lsn: parseLsnOrNull(row?.['xlogpos']),
      // The session's default is `off`: only recovery makes a transaction read-only then (StartTransaction in xact.c).
      inRecovery: (await show('transaction_read_only')) === 'on',
      dataDirectory: await show('data_directory'),
      version: session.serverVersion.split(' ')[0] ?? session.serverVersion,
    };
  } finally {
    await session.close();
  }
}

async function first(session: Session, text: string, column: string, node: string | undefined): Promise<string> {
  const value = (await session.query(text, { deadlineMs: DEADLINE_MS }))[0]?.[column];
  if (typeof value !== 'string') throw new PgreplError('unreachable', 'sql-failed', 'the server did not say who it is', { node, details: ['XX000'] });
  return value;
}

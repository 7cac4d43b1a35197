import { connect as open } from 'node:net';
import type { Socket } from 'node:net';
import { PgreplError } from '../errors.ts';
import type { Address, NamedSocket } from './host.ts';
import { errnoCode } from './io-error.ts';

/** Whom the server shall see behind a Unix socket; `null`: whoever this process is. */
export type Peer = { readonly uid: number; readonly gid: number } | null;

const BACKLOG_PAUSE_MS = 10;

/** The socket that a file with this text names; `null` for a text that names none. */
export function socketNamed({ directoryLine, prefix, suffixLine }: NamedSocket, text: string): { readonly socket: string } | null {
  const lines = text.split('\n').map((line) => line.trim());
  const [directory = '', suffix = ''] = [lines[directoryLine - 1], lines[suffixLine - 1]];
  return directory.startsWith('/') && suffix !== '' ? { socket: `${directory}/${prefix}${suffix}` } : null;
}

/** An open stream to a socket of this machine, or by TCP. Throws `connect-failed` with the system's code as `details[0]`. */
export async function connectTo(address: Address, peer: Peer, deadlineMs: number): Promise<Socket> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await attempt(address, peer, until - performance.now());
    } catch (error) {
      // A Unix socket whose queue is full answers at once, where TCP would wait.
      const isBusy = 'socket' in address && errnoCode(error) === 'EAGAIN';
      if (!isBusy || performance.now() + BACKLOG_PAUSE_MS >= until) throw connectFailed(address, error);
      await new Promise((resolve) => setTimeout(resolve, BACKLOG_PAUSE_MS));
    }
  }
}

async function attempt(address: Address, peer: Peer, leftMs: number): Promise<Socket> {
  return await new Promise<Socket>((resolve, reject) => {
    const socket = 'socket' in address
      ? withPeer(peer, () => open({ path: address.socket }))
      : open({ host: address.host, port: address.port, noDelay: true, keepAlive: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }));
    }, Math.max(1, leftMs));
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
    // Stays for ever: an error on a stream that nobody listens to ends the process. The reader sees 'close'.
    socket.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

/**
 * The kernel notes the peer of a Unix socket (SO_PEERCRED) inside connect(2), from the effective user. Node makes that
 * call before `connect` returns, so root needs to be the other user for no longer than that: no program between us and
 * the server, and no login other than the one that `peer` in pg_hba.conf asks for. Reads of other threads may meet
 * EACCES in that moment; the readers here then go the way by a program.
 */
function withPeer(peer: Peer, action: () => Socket): Socket {
  if (peer === null) return action();
  const group = process.getegid?.() ?? 0;
  const user = process.geteuid?.() ?? 0;
  process.setegid?.(peer.gid);
  try {
    process.seteuid?.(peer.uid);
    return action();
  } finally {
    process.seteuid?.(user);
    process.setegid?.(group);
  }
}

/** `cannot connect to …`, with the code of the system as `details[0]`. */
export function connectFailed(address: Address | NamedSocket, cause: unknown): PgreplError {
  const code = errnoCode(cause) ?? 'EUNKNOWN';
  const where = 'socket' in address ? address.socket : 'namedIn' in address ? `the socket named in ${address.namedIn}` : `${address.host}:${address.port}`;
  const message = cause instanceof Error && cause.message !== '' ? cause.message : code;
  return new PgreplError('unreachable', 'connect-failed', `cannot connect to ${where}: ${wordsFor(code, message)}`, { details: [code], cause });
}

function wordsFor(code: string, message: string): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ENOENT':
      return 'there is no such socket';
    case 'EACCES':
      return 'permission denied';
    case 'ETIMEDOUT':
      return 'no answer in time';
    case 'ENOTFOUND':
      return 'the name is not known';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no route to it';
    default:
      return message;
  }
}

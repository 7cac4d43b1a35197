import { createServer as createPlain, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { PgreplError, usageError } from '../../errors.ts';
import { errnoCode, whyUnreadable } from '../../host/io-error.ts';
import { carriesToken, isOwnHost, readPrivate, type Access } from './access.ts';
import type { Answer } from './answers.ts';
import { wantedBy, type Known, type Wanted } from './requests.ts';

/** A request has this long for its head, and for everything; checked every second. */
const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
const IDLE_MS = 15_000;
const HEAD_BYTES = 8_192;
const MOST_CONNECTIONS = 4_096;
/** How long the end waits for answers that are under way. */
const FAREWELL_MS = 1_000;

/** What the page may load: itself alone; nobody may show it in a frame. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export interface Answers {
  known(): Known;
  /** Waits for the first look, and for nothing else. */
  answer(wanted: Wanted): Promise<Answer & { readonly ageSeconds: number }>;
  counted(path: string, code: number): void;
}

export interface Listening {
  readonly port: number;
  readonly url: string;
  /** The certificate and its key again, after they were renewed. Throws as `listen`. */
  renew(): Promise<void>;
  close(): Promise<void>;
}

/** Listens and answers. Throws `listen-failed` (the address is taken, or not of this machine) and usage errors about the certificate. */
export async function listen(access: Access, answers: Answers): Promise<Listening> {
  const limits = { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: IDLE_MS, connectionsCheckingInterval: 1_000, maxHeaderSize: HEAD_BYTES, noDelay: true };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => void respond(access, answers, request, response);
  let renew: (() => Promise<void>) | null = null;
  let server: Server;
  if (access.tls === null) server = createPlain(limits, onRequest);
  else {
    const { createServer } = await import('node:https');
    const { tls } = access;
    const secure = createServer({ ...limits, minVersion: 'TLSv1.2', handshakeTimeout: HEADERS_MS, ...(await certificate(tls)) }, onRequest);
    renew = async () => { secure.setSecureContext({ minVersion: 'TLSv1.2', ...(await certificate(tls)) }); };
    secure.on('tlsClientError', (_error, socket) => { socket.destroy(); });
    server = secure;
  }
  server.maxConnections = MOST_CONNECTIONS;
  server.on('clientError', (error: Error & { readonly code?: string }, socket) => {
    if (socket.writable) socket.end(`HTTP/1.1 ${error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    else socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => { reject(cannotListen(access, error)); });
    server.listen({ host: access.address, port: access.port, backlog: 1_024 }, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = access.address.includes(':') ? `[${access.address}]` : access.address;
  return {
    port,
    url: `${access.tls === null ? 'http' : 'https'}://${host}:${port}`,
    renew: async () => { await renew?.(); },
    close: async () => {
      const timer = setTimeout(() => { server.closeAllConnections(); }, FAREWELL_MS);
      const closed = new Promise<void>((resolve) => { server.close(() => { resolve(); }); });
      server.closeIdleConnections();
      await closed;
      clearTimeout(timer);
    },
  };
}

async function respond(access: Access, answers: Answers, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', headers } = request;
  // Nothing that is asked here has a body; one that comes is not waited for.
  const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
  const html = (headers.accept ?? '').includes('text/html');
  const wanted = wantedBy({ target: request.url ?? '', html, unaddressed: request.httpVersion === '1.0' && headers.host === undefined }, answers.known());
  const { ageSeconds, ...answer } = hasBody ? { ...plain(413, 'a request has no body'), ageSeconds: 0 } : (denied(access, wanted, method, headers) ?? (await answers.answer(wanted)));
  // Patroni answers OPTIONS with the status alone; of HEAD, Node sends none.
  const body = method === 'OPTIONS' ? '' : answer.body;
  answers.counted(wanted.what === 'health' ? wanted.path : `/${wanted.what}`, answer.status);
  response.writeHead(answer.status, {
    'Content-Type': answer.type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': POLICY,
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
    Vary: 'Accept',
    Age: String(Math.floor(ageSeconds)),
    ...(answer.status === 401 ? { 'WWW-Authenticate': 'Basic realm="pgrepl", charset="UTF-8"' } : {}),
    ...(answer.status === 405 ? { Allow: 'GET, HEAD, OPTIONS' } : {}),
    ...(hasBody ? { Connection: 'close' } : {}),
  });
  response.end(body);
}

/** The answer to who may not ask, or not so; `null`: he may. */
function denied(access: Access, wanted: Wanted, method: string, headers: IncomingMessage['headers']): (Answer & { readonly ageSeconds: number }) | null {
  if (!['GET', 'HEAD', 'OPTIONS'].includes(method)) return { ...plain(405, 'only GET, HEAD and OPTIONS'), ageSeconds: 0 };
  if (wanted.what === 'health' || wanted.what === 'liveness' || wanted.what === 'nothing') return null;
  if (access.token !== null) return carriesToken(headers.authorization, access.token) ? null : { ...plain(401, 'the token is missing or wrong'), ageSeconds: 0 };
  return isOwnHost(headers.host) ? null : { ...plain(421, 'on loopback the request must name a loopback host: localhost, 127.0.0.1 or [::1]'), ageSeconds: 0 };
}

function plain(status: number, error: string): Answer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify({ error })}\n` };
}

async function certificate(tls: NonNullable<Access['tls']>): Promise<{ readonly cert: string; readonly key: string }> {
  const { createSecureContext } = await import('node:tls');
  const cert = await readFile(tls.cert, 'utf8').catch((thrown: unknown) => {
    throw usageError('certificate-unreadable', `${tls.cert} cannot be read: ${whyUnreadable(thrown)} (--tls-cert)`, { cause: thrown });
  });
  const pair = { cert, key: await readPrivate(tls.key, '--tls-key') };
  try {
    createSecureContext(pair);
  } catch (thrown) {
    throw usageError('certificate-invalid', `${tls.cert} and ${tls.key} are not a certificate and its key: ${thrown instanceof Error ? thrown.message : String(thrown)} (--tls-cert, --tls-key)`, { cause: thrown });
  }
  return pair;
}

function cannotListen({ address, port }: Access, error: Error): PgreplError {
  const why = ({ EADDRINUSE: 'somebody listens there already', EADDRNOTAVAIL: 'it is no address of this machine', EACCES: 'ports below 1024 are for root' } as Readonly<Record<string, string>>)[errnoCode(error) ?? ''] ?? error.message;
  return new PgreplError('refused', 'listen-failed', `cannot listen on ${address}:${port}: ${why} (--listen)`, { hint: 'Another serve of the same cluster may run here already.', cause: error });
}

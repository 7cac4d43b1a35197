import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { Access } from '../../src/cli/serve/access.ts';
import { listen, type Answers, type Listening } from '../../src/cli/serve/http.ts';
import { Secret } from '../../src/secret.ts';

const LOOPBACK: Access = { address: '127.0.0.1', port: 0, isLoopback: true, token: null, tls: null };
const TOKEN = '0123456789abcdef0123';
const folder = mkdtempSync(join(tmpdir(), 'pgrepl-serve-'));
const open: Listening[] = [];
let counted: string[] = [];

const answers: Answers = {
  known: () => ({ nodes: ['node1'], own: null }),
  answer: async ({ what }) => await Promise.resolve({ status: 200, type: 'application/json', body: `{"what":"${what}"}\n`, ageSeconds: 1.7 }),
  counted: (path, code) => { counted.push(`${path} ${code}`); },
};

afterEach(async () => {
  await Promise.all(open.splice(0).map(async (one) => { await one.close(); }));
  counted = [];
});
afterAll(() => { rmSync(folder, { recursive: true }); });

async function started(access: Partial<Access> = {}): Promise<Listening> {
  const one = await listen({ ...LOOPBACK, ...access }, answers);
  open.push(one);
  return one;
}

interface Got {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function ask(port: number, path: string, options: RequestOptions & { readonly secure?: boolean; readonly send?: string } = {}): Promise<Got> {
  const { secure = false, send, ...more } = options;
  return await new Promise((resolve, reject) => {
    const sent = (secure ? secureRequest : request)({ host: '127.0.0.1', port, path, rejectUnauthorized: false, ...more } as RequestOptions, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => { body += chunk; }).on('end', () => { resolve({ status: response.statusCode ?? 0, headers: response.headers, body }); });
    });
    sent.on('error', reject);
    sent.end(send);
  });
}

/** All that comes back for these bytes, until the other side closes. */
async function raw(port: number, bytes: string): Promise<string> {
  return await new Promise((resolve) => {
    let got = '';
    const socket = connect(port, '127.0.0.1', () => { socket.write(bytes); });
    socket.setEncoding('utf8').on('data', (chunk: string) => { got += chunk; }).on('close', () => { resolve(got); }).on('error', () => undefined);
  });
}

describe('how it answers', () => {
  test('GET has a body, HEAD and OPTIONS have the same status and none; every other method is told which there are', async () => {
    const { port } = await started();
    expect(await ask(port, '/nodes/node1/primary')).toMatchObject({ status: 200, body: '{"what":"health"}\n', headers: { age: '1', 'cache-control': 'no-store' } });
    for (const method of ['HEAD', 'OPTIONS']) expect(await ask(port, '/nodes/node1/primary', { method })).toMatchObject({ status: 200, body: '' });
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) expect(await ask(port, '/primary', { method })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, OPTIONS' } });
    expect(counted).toEqual(['/primary 200', '/primary 200', '/primary 200', '/primary 405', '/primary 405', '/primary 405', '/primary 405']);
  });

  test("HAProxy's own check is answered, and refused where it names no node", async () => {
    const { port } = await started();
    expect(await raw(port, 'OPTIONS /nodes/node1/primary HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await raw(port, 'GET /nodes/node1/primary HTTP/1.0\r\n\r\n')).toContain('"what":"health"');
    expect(await raw(port, 'GET /primary HTTP/1.0\r\n\r\n')).toContain('"what":"nothing"');
  });

  test('the page may load nothing but itself, and be framed by nobody', async () => {
    const { port } = await started();
    const { headers } = await ask(port, '/ui', { headers: { accept: 'text/html' } });
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
  });

  test('a thousand checks at once are answered, over as many connections', async () => {
    const { port } = await started();
    const agent = new Agent({ maxSockets: 1_000 });
    const got = await Promise.all(Array.from({ length: 1_000 }, async () => (await ask(port, '/nodes/node1/primary', { agent })).status));
    agent.destroy();
    expect(got.filter((status) => status === 200)).toHaveLength(1_000);
  });
});

describe('who sends too much, too slowly or nonsense', () => {
  test('a body is not waited for', async () => {
    const { port } = await started();
    expect((await ask(port, '/primary', { method: 'GET', headers: { 'content-length': '5' }, send: 'hello' })).status).toBe(413);
    expect(await raw(port, 'GET /primary HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n')).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('a head over 8 kB, and what is no HTTP', async () => {
    const { port } = await started();
    expect(await raw(port, `GET /${'x'.repeat(9_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
    expect(await raw(port, 'hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(port, 'GET /primary HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('one that sends its head byte by byte is shown out while others are answered', async () => {
    const { port } = await started();
    const got = await new Promise<string>((resolve) => {
      let said = '';
      const socket = connect(port, '127.0.0.1');
      const drip = setInterval(() => { socket.write('x'); }, 200);
      socket.write('GET /primary HTTP/1.1\r\nX: ');
      socket.on('error', () => undefined).on('data', (chunk) => { said += String(chunk); }).on('close', () => {
        clearInterval(drip);
        resolve(said);
      });
      void ask(port, '/nodes/node1/primary').then(({ status }) => { expect(status).toBe(200); });
    });
    expect(got).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe('who may ask', () => {
  test('on loopback without a token: everything, but not by a name of another site', async () => {
    const { port } = await started();
    expect((await ask(port, '/status')).status).toBe(200);
    expect((await ask(port, '/status', { headers: { host: 'evil.example' } })).status).toBe(421);
    expect((await ask(port, '/nodes/node1/primary', { headers: { host: 'evil.example' } })).status).toBe(200);
  });

  test('with a token: health without it; status, metrics and the page only with it', async () => {
    const { port } = await started({ token: new Secret(TOKEN) });
    for (const path of ['/nodes/node1/primary', '/liveness']) expect((await ask(port, path)).status).toBe(200);
    for (const path of ['/status', '/metrics', '/ui', '/ui/data.json', '/ui/page.js']) {
      expect(await ask(port, path)).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Basic realm="pgrepl", charset="UTF-8"' } });
      expect((await ask(port, path, { headers: { authorization: `Bearer ${TOKEN}` } })).status).toBe(200);
      expect((await ask(port, path, { auth: `prometheus:${TOKEN}` })).status).toBe(200);
      expect((await ask(port, path, { auth: 'prometheus:wrong' })).status).toBe(401);
    }
  });

  test('TLS: nothing in clear, a renewed certificate is taken without an end, and a wrong pair is refused by name', async () => {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const make = (name: string): void => {
      execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', key, '-out', cert], { stdio: 'ignore' });
      chmodSync(key, 0o600);
    };
    make('first');
    const one = await started({ tls: { cert, key } });
    expect(one.url).toMatch(/^https:/);
    expect((await ask(one.port, '/nodes/node1/primary', { secure: true })).status).toBe(200);
    expect(await raw(one.port, 'GET /primary HTTP/1.1\r\nHost: localhost\r\n\r\n')).not.toContain('200');
    make('second');
    await one.renew();
    expect((await ask(one.port, '/nodes/node1/primary', { secure: true })).status).toBe(200);
    writeFileSync(key, 'not a key');
    await expect(one.renew()).rejects.toMatchObject({ code: 'certificate-invalid' });
    expect((await ask(one.port, '/nodes/node1/primary', { secure: true })).status).toBe(200);
    chmodSync(key, 0o644);
    await expect(started({ tls: { cert, key } })).rejects.toMatchObject({ code: 'private-file-open' });
  });

  test('a port that is taken is refused by name', async () => {
    const { port } = await started();
    await expect(started({ port })).rejects.toMatchObject({ code: 'listen-failed', kind: 'refused', message: expect.stringContaining('somebody listens there already') as unknown });
  });
});

import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { median, result, type Bench, type Case, type Result } from '../measure.ts';
import { withThreeNodes } from '../three-nodes.ts';
import type { Machine } from '../../test/support/machine.ts';

const AT_ONCE = 50;

/** What a health check costs: the process that answers it, next to the least that node:http can do; and PostgreSQL, which must not notice. */
export const serve: Case = {
  name: 'serve',
  run: async (bench) => {
    const results: Result[] = [];
    await withThreeNodes(bench, async (m) => {
      const running = m.start(['serve', '--listen', '127.0.0.1:0', '--json']);
      const bare = createServer((_, response) => { response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 3 }).end('{}\n'); });
      try {
        await running.until(/verdict: ok/);
        const { port } = JSON.parse(/^\{.*\}$/m.exec(running.said())?.[0] ?? '') as { readonly port: number };
        await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve));
        const barePort = (bare.address() as AddressInfo).port;
        results.push(await requests(bench, port, barePort), await cost(m, bench, port));
      } finally {
        bare.close();
        bare.closeAllConnections();
        running.kill('SIGTERM');
        await running.ended;
      }
    });
    return results;
  },
};

/** Milliseconds for so many checks over kept connections; the reference answers from this very process, which is in its favour. */
async function requests({ short }: Bench, port: number, barePort: number): Promise<Result> {
  const count = short ? 2_000 : 10_000;
  const pgrepl: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < (short ? 3 : 7); round += 1) {
    pgrepl.push(await checks(port, '/nodes/node1/primary', count));
    bare.push(await checks(barePort, '/', count));
  }
  const perSecond = Math.round(count / (median(pgrepl) / 1_000));
  return result({ what: `${count} health checks, ${AT_ONCE} at once`, reference: 'node:http that says {} to everything', unit: 'ms', budget: null, note: `${perSecond} checks per second` }, pgrepl, bare);
}

/** Transactions per second on the primary while nobody asks, and while as many ask as can: the looks alone. */
async function cost(m: Machine, { short }: Bench, port: number): Promise<Result> {
  const seconds = short ? 6 : 20;
  const idle = await transactions(m, seconds, async () => { await pause(seconds * 1_000); });
  let [asked, took] = [0, 0];
  const busy = await transactions(m, seconds, async () => {
    const began = performance.now();
    while (took < seconds) {
      await checks(port, '/nodes/node1/primary', 1_000);
      asked += 1_000;
      took = (performance.now() - began) / 1_000;
    }
  });
  return result({ what: 'transactions of PostgreSQL under health checks', reference: 'the same while nobody asks', unit: 'per s', budget: null, note: `under ${Math.round(asked / took)} checks a second` }, [busy], [idle]);
}

/** Statistics of a session are written out when it has been idle for a second or at its end (pgstat.c): the looks are two seconds apart. */
async function transactions(m: Machine, seconds: number, meanwhile: () => Promise<void>): Promise<number> {
  const count = async (): Promise<number> => Number(await m.sql('node1', `SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database`));
  const before = await count();
  await meanwhile();
  // The two questions here are counted too.
  return Math.max(0.01, ((await count()) - before - 1) / seconds);
}

async function checks(port: number, path: string, count: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const began = performance.now();
  let left = count;
  const one = async (): Promise<void> => {
    while ((left -= 1) >= 0) {
      await new Promise<void>((resolve, reject) => {
        request({ host: '127.0.0.1', port, path, agent }, (response) => {
          if (response.statusCode !== 200) reject(new Error(`${path} is ${String(response.statusCode)}`));
          response.resume().on('end', resolve);
        }).on('error', reject).end();
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  const ms = performance.now() - began;
  agent.destroy();
  return ms;
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

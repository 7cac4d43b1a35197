import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { freeze, thaw } from '../support/freeze.ts';
import type { RunningPgrepl } from '../support/run-pgrepl.ts';
import { errorOf } from '../support/stories.ts';
import { trioStories } from '../support/trio.ts';

const CHROMIUM = '/usr/bin/chromium';
/** Without the last five it looks for hosts of its maker, which there are none of here. */
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

interface Served {
  readonly running: RunningPgrepl;
  readonly url: string;
  status(path: string): Promise<number>;
  metric(name: string): Promise<number>;
  /** Asks until the answer is this status, each time within a second; then how long that took. */
  becomes(path: string, status: number): Promise<number>;
}

/** `pgrepl serve` on a free port; it must end with 0 at SIGTERM. */
async function serving(m: Machine, story: (served: Served) => Promise<void>, words: readonly string[] = []): Promise<void> {
  const running = m.start(['serve', '--listen', '127.0.0.1:0', '--interval', '0.5', '--timeout', '1', '--json', ...words]);
  await running.until(/verdict: /);
  const { url } = JSON.parse(/^\{.*\}$/m.exec(running.said())?.[0] ?? '') as { readonly url: string };
  const status = async (path: string): Promise<number> => (await fetch(url + path, { signal: AbortSignal.timeout(1_000) })).status;
  try {
    await story({
      running,
      url,
      status,
      metric: async (name) => {
        const line = (await (await fetch(`${url}/metrics`)).text()).split('\n').find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
        return Number(line?.split(' ').at(-1));
      },
      becomes: async (path, wanted) => {
        const began = performance.now();
        for (;;) {
          const got = await status(path);
          const ms = performance.now() - began;
          if (got === wanted) return ms;
          if (ms > 15_000) throw new Error(`${path} is still ${got}: ${await (await fetch(url + path)).text()}\n${running.said()}`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
    });
  } finally {
    running.kill('SIGTERM');
  }
  expect((await running.ended).exit).toBe(0);
}

const sessions = async (m: Machine, node: string): Promise<string> => await m.sql(node, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgrepl'`);

trioStories({}, (trio, { once }) => {
  once('health paths tell a balancer the truth through a freeze, a thousand checks and a switchover, and every answer comes in time', async () => {
    await trio(async (m) => {
      await serving(m, async ({ url, status, metric, becomes }) => {
        for (const [path, wanted] of [['/nodes/node1/primary', 200], ['/nodes/node2/primary', 503], ['/nodes/node1/replica', 503], ['/nodes/node2/replica?lag=10MB', 200], ['/nodes/node3/read-only', 200], ['/nodes/node2/sync', 503], ['/primary', 200], ['/liveness', 200], ['/status', 200]] as const) expect([path, await status(path)]).toEqual([path, wanted]);
        // What status --json prints, to the letter but for what has moved meanwhile.
        const [printed] = (await m.pgrepl(['status', '--json'])).json;
        const told = (await (await fetch(`${url}/status`)).json()) as Readonly<Record<string, unknown>>;
        expect(Object.keys(told)).toEqual(Object.keys(printed ?? {}));
        expect(told).toMatchObject({ verdict: 'ok', primary: 'node1', systemIdentifier: printed?.['systemIdentifier'] });

        // One session for each node and one look at a time, however many ask.
        const [before, began] = [await metric('pgrepl_looks_total'), performance.now()];
        for (let round = 0; round < 5; round += 1) {
          const got = await Promise.all(Array.from({ length: 200 }, async () => await fetch(`${url}/nodes/node1/primary`).then(async (response) => { await response.text(); return response.status; })));
          expect(got.filter((one) => one !== 200)).toEqual([]);
        }
        expect(await Promise.all(['node1', 'node2', 'node3'].map(async (node) => await sessions(m, node)))).toEqual(['1', '1', '1']);
        expect((await metric('pgrepl_looks_total')) - before).toBeLessThanOrEqual((performance.now() - began) / 500 + 1);

        await freeze(m, 'node2');
        try {
          await becomes('/nodes/node2/replica', 503);
          expect(await status('/nodes/node1/primary')).toBe(200);
          expect(await status('/nodes/node3/replica?lag=10MB')).toBe(200);
        } finally {
          await thaw(m, 'node2');
        }
        await becomes('/nodes/node2/replica?lag=10MB', 200);

        await m.ok(['switchover', 'node2', '--yes']);
        await becomes('/nodes/node2/primary', 200);
        await becomes('/nodes/node1/replica?lag=10MB', 200);
        expect(await status('/nodes/node1/primary')).toBe(503);
      });
      expect(await sessions(m, 'node2')).toBe('0');
    });
  });

  once('serve refuses what would be open to others, and the page shows the cluster in a real browser', async () => {
    await trio(async (m) => {
      const refused = await m.pgrepl(['serve', '--listen', '0.0.0.0:0', '--json']);
      expect([refused.exit, errorOf(refused).code]).toEqual([3, 'serve-open']);
      expect(errorOf(refused).message).toMatch(/--token-file, and --tls-cert and --tls-key/);
      if (!existsSync(CHROMIUM)) return;
      await serving(m, async ({ url }) => {
        const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
        try {
          const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
          const complaints: string[] = [];
          page.on('console', (message) => complaints.push(message.text()));
          page.on('pageerror', (error) => complaints.push(error.message));
          await page.goto(url);
          await page.getByRole('row', { name: 'node3' }).waitFor();
          expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('main');
          expect(await page.getByRole('status').textContent()).toBe('ok');
          expect(await page.locator('#topology g.node').count()).toBe(3);
          expect(await page.getByText('Nothing is wrong.').isVisible()).toBe(true);
          for (const width of [390, 1280]) {
            await page.setViewportSize({ width, height: 844 });
            expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
          }
          // By the keyboard alone: the first stop leads to the findings, the chart is read out with the arrows.
          await page.keyboard.press('Tab');
          expect(await page.evaluate('document.activeElement.textContent')).toBe('To the findings');
          await page.locator('#lag').focus();
          await page.keyboard.press('Home');
          expect(await page.locator('#lag .legend').textContent()).toMatch(/node2.*node3.*\d/s);
          await m.stopServer('node3');
          await page.locator('#list li:not(.none)').first().waitFor();
          // Stopped by now, or about to be.
          await page.locator('#topology g.node.critical').waitFor();
          expect(await page.getByRole('status').textContent()).not.toBe('ok');
          expect(await page.locator('#topology g.node.critical .name').allTextContents()).toEqual(['node3']);
          const shots = process.env['PGREPL_SHOTS'];
          if (shots !== undefined) await page.screenshot({ path: join(shots, 'page.png'), fullPage: true });
          await m.startServer('node3');
          await page.getByText('Nothing is wrong.').waitFor();
          expect(complaints).toEqual([]);
        } finally {
          await browser.close();
        }
      });
    });
  });
});

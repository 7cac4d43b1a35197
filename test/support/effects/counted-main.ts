// pgrepl with a counter at the few doors through which it changes anything, and with a death that comes just before or after one of them.
// This program is built for tests alone: the shipped one knows nothing of it.
import { AsyncLocalStorage } from 'node:async_hooks';
import { appendFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import pg from 'pg';
import type { Command, Host } from '../../../src/host/host.ts';
import { PosixHost } from '../../../src/host/posix-host.ts';
import { descendantsOf } from '../process-tree.ts';

/** Which effect is the last one, counted from 1; 0 for none. */
const LAST = Number(process.env['EFFECTS_LAST'] ?? '0');
const BEFORE = process.env['EFFECTS_WHEN'] === 'before';
const WITH_CHILDREN = process.env['EFFECTS_CHILDREN'] === 'killed';
const LOG = process.env['EFFECTS_LOG'];

/** Statements that change a server; the others ask, or are about the session itself. */
const CHANGES = /^\s*(?:CREATE|ALTER|DROP|GRANT|REVOKE|CHECKPOINT|SELECT pg_(?:create_physical_replication_slot|drop_replication_slot|reload_conf|promote|logical_emit_message|switch_wal))/;

/** A verb of a host is one effect, whatever programs it is made of. */
const within = new AsyncLocalStorage<true>();
let count = 0;

async function effect<T>(what: string, act: () => Promise<T>): Promise<T> {
  if (within.getStore() === true) return await act();
  count += 1;
  const mine = count;
  if (LOG !== undefined) appendFileSync(LOG, `${mine} ${what}\n`);
  if (mine === LAST && BEFORE) die();
  const result = await within.run(true, act);
  if (mine === LAST) die();
  return result;
}

function die(): never {
  if (WITH_CHILDREN) for (const { pid } of descendantsOf(process.pid)) process.kill(pid, 'SIGKILL');
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way; nothing more may happen meanwhile.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
}

const host = PosixHost.prototype as Host;
const { run } = host;
host.run = async function (this: Host, command: Command) {
  const act = async () => await run.call(this, command);
  return command.effect === 'changes' ? await effect(`${this.label}: ${command.argv.slice(0, 4).join(' ').replaceAll(/\s+/g, ' ').slice(0, 120)}`, act) : await act();
};
for (const verb of ['writeText', 'makeDirectory', 'setMode', 'rename', 'removeFile', 'removeTree'] as const) {
  const original = host[verb] as (...words: unknown[]) => Promise<void>;
  (host as unknown as Record<string, unknown>)[verb] = async function (this: Host, ...words: unknown[]) {
    await effect(`${this.label}: ${verb} ${String(words[0])}`, async () => { await original.apply(this, words); });
  };
}

const client = pg.Client.prototype as unknown as { query: (...words: unknown[]) => Promise<unknown> };
const { query } = client;
client.query = async function (this: unknown, ...words: unknown[]) {
  const [config] = words;
  const text = typeof config === 'string' ? config : ((config as { readonly text?: string } | undefined)?.text ?? '');
  const act = async (): Promise<unknown> => await query.apply(this, words);
  return CHANGES.test(text) ? await effect(`sql: ${text.replaceAll(/PASSWORD '.*/g, 'PASSWORD …').slice(0, 120)}`, act) : await act();
};

// The operator's own file: written beside it and renamed over it.
const { rename } = fs;
fs.rename = async (from, to) => {
  const act = async (): Promise<void> => { await rename(from, to); };
  await (String(to).endsWith('pgrepl.yaml') ? effect(`cluster file: rename over ${String(to)}`, act) : act());
};
syncBuiltinESMExports();

await import('../../../src/cli/main.ts');

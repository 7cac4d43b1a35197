import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './cluster.ts';
import { cutNoMore, cutOff } from './roles.ts';

/** What rejoins have kept beside the data directory of this node. */
export async function keptOf(m: Machine, node: string): Promise<readonly string[]> {
  const holder = `${(await m.place(node)).pgdata}.pgrepl-kept`;
  return existsSync(holder) ? readdirSync(holder).map((name) => join(holder, name)) : [];
}

/** node1 has committed three rows that nobody received, and is gone; node2 has taken over. */
export async function fallenWithThreeRows(m: Machine, how: 'crashed' | 'stopped' = 'crashed'): Promise<void> {
  await m.sql('node1', 'CREATE TABLE orders (n int); INSERT INTO orders VALUES (0)');
  for (const name of ['node2', 'node3']) await m.eventually(name, 'SELECT count(*) FROM orders', '1');
  for (const name of ['node2', 'node3']) await cutOff(m, name);
  for (const n of [1, 2, 3]) await m.sql('node1', `INSERT INTO orders VALUES (${n})`);
  if (how === 'crashed') await m.killServer('node1');
  else await m.stopServer('node1');
  for (const name of ['node2', 'node3']) await cutNoMore(m, name);
  await m.ok(['promote', 'node2', '--accept-loss', '1GB', '--yes']);
}

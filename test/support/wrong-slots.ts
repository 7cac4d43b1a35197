import { readdir } from 'node:fs/promises';
import type { Machine } from './cluster.ts';

/** Slots that no running standby streams with, and running standbys without their one slot: on every server that runs. */
export async function wrongSlots(m: Machine): Promise<readonly string[]> {
  const places = await Promise.all((await nodesOf(m)).map(async (name) => await m.place(name)));
  const seen = await Promise.all(places.map(async ({ name, port }) => {
    const [receivers, slots] = await Promise.all([m.rows(name, `SELECT sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'`), m.rows(name, 'SELECT slot_name FROM pg_replication_slots WHERE NOT temporary ORDER BY 1')]);
    return { name, port, upstream: receivers[0]?.[0] ?? null, slots: slots.map(([slot]) => slot) };
  }));
  return seen.flatMap(({ name, port, slots }) => {
    const wanted = seen.filter(({ upstream }) => upstream === String(port)).map((one) => one.name);
    const same = JSON.stringify([...wanted].sort()) === JSON.stringify([...slots].sort());
    return same ? [] : [`slots on ${name}: ${slots.join(', ') || 'none'}; streaming from it: ${wanted.join(', ') || 'nobody'}`];
  });
}

/** Names of the running servers of the machine, as their directories are called. */
async function nodesOf(m: Machine): Promise<readonly string[]> {
  const names = (await readdir(m.root)).filter((name) => /^node[0-9]+$/.test(name));
  const running = await Promise.all(names.map(async (name) => ({ name, pid: await m.postmaster(name) })));
  return running.filter(({ pid }) => pid !== null).map(({ name }) => name).sort();
}

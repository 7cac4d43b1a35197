import type { Chance } from './chance.ts';
import type { Machine } from './cluster.ts';
import { crash, freeze, thaw } from './freeze.ts';
import type { Truth } from './status-truth.ts';

/** One thing that may befall a cluster. */
export interface Move {
  readonly says: string;
  make(): Promise<void>;
}

async function alter(m: Machine, node: string, name: string, value: string | null): Promise<void> {
  await m.sql(node, value === null ? `ALTER SYSTEM RESET ${name}` : `ALTER SYSTEM SET ${name} = '${value}'`);
  await m.sql(node, 'SELECT pg_reload_conf()');
}

/** Everything that may befall this cluster as it is now, by chance one of it. */
export function nextMove(m: Machine, all: readonly Truth[], chance: Chance): Move {
  const moves: Move[] = [];
  // What brings back weighs as much as what breaks, or the walk would end in a heap of stopped servers.
  const add = (says: string, make: () => Promise<void>, weight = 1): void => {
    for (let index = 0; index < weight; index += 1) moves.push({ says, make });
  };
  for (const { name, process: runs, asked } of all) {
    if (runs === 'none') add(`start ${name}`, async () => { await m.startServer(name); }, 4);
    if (runs === 'frozen' || runs === 'stopping' || runs === 'starting') add(`thaw ${name}`, async () => { await thaw(m, name); }, 4);
    if (asked === null) continue;
    add(`stop ${name}`, async () => { await m.program('pg_ctl', ['stop', '-w', '-t', '6', '-m', 'fast', '-D', (await m.place(name)).pgdata]); });
    add(`crash ${name}`, async () => { await crash(m, name); });
    if (chance.below(3) === 0) add(`freeze ${name}`, async () => { await freeze(m, name); });
    add(`a forgotten slot on ${name}`, async () => { await m.sql(name, `SELECT pg_create_physical_replication_slot('forgotten_${chance.below(1_000)}', true) WHERE (SELECT count(*) FROM pg_replication_slots) < 8`); });
    for (const slot of asked.slots) if (!slot.active) add(`drop slot ${slot.name} on ${name}`, async () => { await m.sql(name, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${slot.name}' AND NOT active`).catch(() => ''); });
    if (asked.recovery) {
      add(asked.paused ? `resume ${name}` : `pause ${name}`, async () => { await m.sql(name, asked.paused ? 'SELECT pg_wal_replay_resume()' : 'SELECT pg_wal_replay_pause()'); }, 2);
      add(`end the receiver of ${name}`, async () => { await m.sql(name, 'SELECT pg_terminate_backend(pid) FROM pg_stat_wal_receiver'); });
      add(`freeze the receiver of ${name}`, async () => { await freeze(m, name, /walreceiver/); });
      add(`freeze the replay of ${name}`, async () => { await freeze(m, name, /startup/); });
      add(`thaw what is frozen in ${name}`, async () => { await thaw(m, name); });
      if (asked.slotName === name) add(`a slot that is not there for ${name}`, async () => { await alter(m, name, 'primary_slot_name', 'nowhere'); });
      else add(`its own slot for ${name}`, async () => { await alter(m, name, 'primary_slot_name', null); }, 3);
      add(`promote ${name} by hand`, async () => { await m.sql(name, 'SELECT pg_promote(true, 20)'); });
    } else {
      add(`write on ${name}`, async () => { await m.sql(name, `SET synchronous_commit = local; CREATE TABLE IF NOT EXISTS walked (n int); INSERT INTO walked SELECT generate_series(1, ${1 + chance.below(5_000)})`); }, 3);
      add(`another segment on ${name}`, async () => { await m.sql(name, 'SELECT pg_switch_wal()'); });
      const wish = chance.pick(['node2', 'node3', 'ANY 1 (node2, node3)', 'nobody']);
      if (asked.syncNames === '') add(`synchronous with ${wish}`, async () => { await alter(m, name, 'synchronous_standby_names', wish); });
      else add(`asynchronous ${name}`, async () => { await alter(m, name, 'synchronous_standby_names', null); }, 2);
      for (const sender of asked.senders) add(`end the sender of ${sender.name}`, async () => { await m.sql(name, `SELECT pg_terminate_backend(${sender.pid})`); });
    }
  }
  return chance.pick(moves);
}

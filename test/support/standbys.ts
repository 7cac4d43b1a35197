import { rm, writeFile, readFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Machine, Ran } from './cluster.ts';

/** `pgrepl add-standby NAME` with events on stdout. */
export async function add(m: Machine, name: string, more: readonly string[] = [], options: Parameters<Machine['pgrepl']>[1] = {}): Promise<Ran> {
  return await m.pgrepl(['add-standby', ...(await m.at(name)), '--yes', '--json', ...more], options);
}

/** A primary that pgrepl made, with something in it. */
export async function primary(m: Machine, ...more: readonly string[]): Promise<void> {
  await m.ok(['init-primary', ...(await m.at('node1')), '--yes', ...more]);
  await m.sql('node1', 'CREATE TABLE kept AS SELECT g AS n FROM generate_series(1, 1000) g');
}

/** Fails unless this standby is attached as it should be: seen by its upstream, one slot in use, in recovery, rows arriving. */
export async function attached(m: Machine, name: string, upstream = 'node1', root = 'node1'): Promise<void> {
  expect(await m.rows(upstream, `SELECT application_name, state FROM pg_stat_replication WHERE application_name = '${name}'`)).toEqual([[name, 'streaming']]);
  expect(await m.rows(upstream, `SELECT slot_name, slot_type, active::text FROM pg_replication_slots WHERE slot_name = '${name}'`)).toEqual([[name, 'physical', 'true']]);
  expect(await m.sql(name, 'SELECT pg_is_in_recovery()::text')).toBe('true');
  const stamp = String(process.hrtime.bigint());
  await m.sql(root, `CREATE TABLE IF NOT EXISTS stamps (t text); INSERT INTO stamps VALUES ('${stamp}')`);
  await m.eventually(name, `SELECT t FROM stamps WHERE t = '${stamp}'`, stamp);
}

/** Names of all slots of a node. */
export async function slots(m: Machine, node = 'node1'): Promise<readonly string[]> {
  return (await m.rows(node, 'SELECT slot_name FROM pg_replication_slots ORDER BY 1')).map(([name]) => name ?? '');
}

/** As if this standby had never been added: server, directory, slot and its entry in the cluster file are gone. */
export async function forget(m: Machine, name: string, clusterFile: string, upstream = 'node1'): Promise<void> {
  if ((await m.postmaster(name)) !== null) await m.stopServer(name, 'immediate');
  await m.settled();
  await m.eventually(upstream, `SELECT count(*) FROM pg_replication_slots WHERE slot_name = '${name}' AND active`, '0');
  await m.sql(upstream, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${name}'`);
  await rm((await m.place(name)).pgdata, { recursive: true, force: true });
  await writeFile(m.clusterFile, clusterFile);
}

/** The cluster file as it is now. */
export async function clusterFileOf(m: Machine): Promise<string> {
  return await readFile(m.clusterFile, 'utf8');
}

/** Runs a story with a small file system mounted at a new directory; false where none can be mounted. */
export async function withSmallDisk(path: string, size: string, owner: { readonly uid: number; readonly gid: number }, told: () => Promise<void>, options = ''): Promise<boolean> {
  spawnSync('mkdir', ['-p', path]);
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},uid=${owner.uid},gid=${owner.gid},mode=700${options}`, 'tmpfs', path]);
  if (status !== 0) return false;
  try {
    await told();
  } finally {
    spawnSync('umount', ['-l', path]);
  }
  return true;
}

/** Processes of pg_basebackup that work for this directory: the program itself first, then its child that streams WAL. */
export function copiers(directory: string): readonly { readonly pid: number; readonly parent: number }[] {
  const found = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).flatMap((name) => {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      if (words[0]?.endsWith('/pg_basebackup') !== true || !words.some((word) => word.includes(directory))) return [];
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      return [{ pid: Number(name), parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) }];
    } catch {
      return [];
    }
  });
  const pids = new Set(found.map(({ pid }) => pid));
  return [...found].sort((a, b) => Number(pids.has(a.parent)) - Number(pids.has(b.parent)));
}

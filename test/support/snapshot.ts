import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from './cluster.ts';

const CONFIGURATION = /\.conf(\.|$)|\.signal$/;

/** Everything that a refusal must leave alone: files with owner and mode, roles, slots, settings in force, the cluster file, the passfiles. */
export async function snapshot(m: Machine, ...nodes: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const seen: Record<string, unknown> = { 'cluster file': await readFile(m.clusterFile, 'utf8') };
  for (const name of await readdir(join(m.root, 'pass'))) seen[`pass/${name}`] = await fileAs(join(m.root, 'pass', name));
  seen['directories'] = (await readdir(m.root)).filter((name) => !/^(state|cache)$|\.log$/.test(name));
  for (const node of nodes) {
    const { pgdata } = await m.place(node);
    for (const name of (await readdir(pgdata)).filter((entry) => CONFIGURATION.test(entry))) seen[`${node}/${name}`] = await fileAs(join(pgdata, name));
    seen[`${node} names`] = (await readdir(pgdata)).filter((name) => !/^(postmaster\.pid|current_logfiles)$/.test(name)).sort();
    if ((await m.postmaster(node)) === null) continue;
    seen[`${node} roles`] = await m.rows(node, 'SELECT rolname, rolpassword, rolreplication, rolsuper FROM pg_authid ORDER BY 1');
    seen[`${node} slots`] = await m.rows(node, 'SELECT slot_name, active FROM pg_replication_slots ORDER BY 1');
    seen[`${node} settings`] = await m.rows(node, `SELECT name, setting, pending_restart FROM pg_settings WHERE source NOT IN ('client', 'session') AND name <> 'in_hot_standby' ORDER BY 1`);
    seen[`${node} postmaster`] = await m.postmaster(node);
  }
  return seen;
}

/** The bytes, mode and owner of one file, and where it leads when it is a link. */
export async function fileAs(path: string): Promise<string> {
  const stat = await lstat(path);
  const what = stat.isSymbolicLink() ? `-> ${await readlink(path)} ` : '';
  return `${what}${stat.mode.toString(8)} ${stat.uid} ${(await readFile(path)).toString('latin1')}`;
}

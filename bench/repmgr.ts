import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { postmasterOf } from '../test/support/oracle.ts';
import type { Machine } from '../test/support/machine.ts';
import type { Shell } from './shell.ts';

/** Where the nodes are asked instead: at the end of wires, with a password. */
export interface Far {
  readonly ports: readonly number[];
  readonly passfile: string;
}

/** Whether repmgr is installed beside these programs. */
export function hasRepmgr(m: Machine): boolean {
  return existsSync(join(m.installation.binDir, 'repmgr'));
}

/**
 * Makes the nodes known to repmgr, beside pgrepl, and returns the words of its `cluster show`; null where it is not installed. It takes a
 * primary, that is the first of them, and its running standbys.
 */
export async function repmgrClusterShow(m: Machine, nodes: readonly string[], far?: Far): Promise<readonly string[] | null> {
  if (!hasRepmgr(m)) return null;
  await registerWithRepmgr(m, nodes, far);
  return [join(m.installation.binDir, 'repmgr'), '-f', confOf(m, nodes.at(-1) ?? ''), 'cluster', 'show'];
}

/** Makes the nodes known to repmgr: the first is the primary, the others are its running standbys. */
export async function registerWithRepmgr(m: Machine, nodes: readonly string[], far?: Far): Promise<void> {
  const [primary = ''] = nodes;
  if (far === undefined) await m.sql(primary, 'CREATE DATABASE repmgr');
  for (const [index, name] of nodes.entries()) {
    const { pgdata } = await m.place(name);
    const at = far === undefined ? await addressOf(m, name) : `host=127.0.0.1 port=${far.ports[index] ?? 0} passfile=${far.passfile}`;
    const conninfo = `${at} user=postgres dbname=repmgr connect_timeout=5`;
    writeFileSync(confOf(m, name), `node_id=${index + 1}\nnode_name='${name}'\nconninfo='${conninfo}'\ndata_directory='${pgdata}'\npg_bindir='${m.installation.binDir}'\nconfig_archive_dir='${m.root}'\n`);
    if (index > 0) await m.eventually(name, "SELECT count(*) FROM pg_database WHERE datname = 'repmgr'", '1');
    await m.program('repmgr', ['-f', confOf(m, name), ...(index === 0 ? ['primary', 'register', '--force'] : ['standby', 'register', '--upstream-node-id=1', '--force'])]);
  }
}

/**
 * Leaves a cluster of pgrepl's to repmgr alone: its standbys stream by what `ALTER SYSTEM` says, as repmgr writes it, and without slots. With a
 * synchronous set every node names all of them, itself included, so that nothing has to be changed in a change of roles.
 */
export async function leaveToRepmgr(m: Machine, nodes: readonly string[], shell: Shell, isSynchronous: boolean): Promise<void> {
  const [primary = ''] = nodes;
  if (isSynchronous) await m.ok(['sync', 'off', '--yes']);
  for (const name of nodes) {
    if (name !== primary) await m.sql(name, `ALTER SYSTEM SET primary_conninfo = '${await addressOf(m, primary)} user=postgres application_name=${name}'`);
    await shell.run(`: > ${(await m.place(name)).pgdata}/pgrepl.standby.conf`);
    if (isSynchronous) await m.sql(name, `ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (${nodes.join(', ')})'`);
    await m.sql(name, 'SELECT pg_reload_conf()');
  }
  await m.eventually(primary, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND usename = 'postgres'", String(nodes.length - 1));
  for (const [slot] of await m.rows(primary, 'SELECT slot_name FROM pg_replication_slots')) await m.sql(primary, `SELECT pg_drop_replication_slot('${slot ?? ''}')`);
}

/**
 * The words of a repmgr that acts as this node. It goes to other nodes through ssh; all of them are on this machine, and a shell takes the place
 * of ssh, which is in its favour.
 */
export function repmgrAs(m: Machine, node: string, words: string): string {
  const folder = join(m.root, 'in-place-of-ssh');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'ssh'), '#!/bin/sh\nwhile :; do case "$1" in -o|-p|-i|-l|-F) shift 2;; -*) shift;; *) break;; esac; done\nshift\nexec sh -c "$*"\n', { mode: 0o755 });
  return `PATH=${folder}:$PATH repmgr -f ${confOf(m, node)} ${words} 2>&1`;
}

/** How repmgr is told where a node is: by its socket directory and port. */
export async function addressOf(m: Machine, node: string): Promise<string> {
  const server = await postmasterOf((await m.place(node)).pgdata);
  return `host=${server?.socketDir ?? ''} port=${server?.port ?? 0}`;
}

function confOf(m: Machine, node: string): string {
  return join(m.root, `repmgr-${node}.conf`);
}

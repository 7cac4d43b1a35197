import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { postmasterOf } from '../test/support/oracle.ts';
import type { Machine } from '../test/support/machine.ts';

/** Where the nodes are asked instead: at the end of wires, with a password. */
export interface Far {
  readonly ports: readonly number[];
  readonly passfile: string;
}

/**
 * Makes the nodes known to repmgr, beside pgrepl, and returns the words of its `cluster show`; null where it is not installed. It takes a
 * primary, that is the first of them, and its running standbys.
 */
export async function repmgrClusterShow(m: Machine, nodes: readonly string[], far?: Far): Promise<readonly string[] | null> {
  const program = join(m.installation.binDir, 'repmgr');
  const [primary] = nodes;
  if (!existsSync(program) || primary === undefined) return null;
  if (far === undefined) await m.sql(primary, 'CREATE DATABASE repmgr');
  for (const [index, name] of nodes.entries()) {
    const { pgdata } = await m.place(name);
    const server = await postmasterOf(pgdata);
    const at = far === undefined ? `host=${server?.socketDir ?? ''} port=${server?.port ?? 0}` : `host=127.0.0.1 port=${far.ports[index] ?? 0} passfile=${far.passfile}`;
    const conninfo = `${at} user=postgres dbname=repmgr connect_timeout=5`;
    writeFileSync(confOf(m, name), `node_id=${index + 1}\nnode_name='${name}'\nconninfo='${conninfo}'\ndata_directory='${pgdata}'\npg_bindir='${m.installation.binDir}'\n`);
    if (index > 0) await m.eventually(name, "SELECT count(*) FROM pg_database WHERE datname = 'repmgr'", '1');
    await m.program('repmgr', ['-f', confOf(m, name), ...(index === 0 ? ['primary', 'register', '--force'] : ['standby', 'register', '--upstream-node-id=1', '--force'])]);
  }
  return [program, '-f', confOf(m, nodes.at(-1) ?? primary), 'cluster', 'show'];
}

function confOf(m: Machine, node: string): string {
  return join(m.root, `repmgr-${node}.conf`);
}

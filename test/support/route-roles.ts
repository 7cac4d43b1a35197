import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './cluster.ts';
import { TRIO } from './trio.ts';

/** Roles that a rendered text speaks of, let in from this machine without a password; they may insert into `clients`. */
export async function letIn(m: Machine, ...roles: readonly string[]): Promise<void> {
  for (const role of roles) await m.sql('node1', `CREATE ROLE ${role} LOGIN; GRANT pg_monitor TO ${role}`);
  await m.sql('node1', 'CREATE TABLE clients (n bigint); GRANT INSERT ON clients TO PUBLIC');
  for (const name of TRIO) {
    const path = join((await m.place(name)).pgdata, 'pg_hba.conf');
    writeFileSync(path, `${roles.map((role) => `host postgres ${role} 127.0.0.0/8 trust\n`).join('')}${readFileSync(path, 'utf8')}`);
    await m.sql(name, 'SELECT pg_reload_conf()');
    await m.eventually(name, `SELECT count(*) FROM pg_roles WHERE rolname IN (${roles.map((role) => `'${role}'`).join(', ')})`, String(roles.length));
  }
}

export async function portOf(m: Machine, name: string): Promise<string> {
  return String((await m.place(name)).port);
}

import { PgreplError } from '../errors.ts';
import { parseConf } from '../postgres/conf-file.ts';
import { configFileOf } from '../postgres/service.ts';
import type { NodeWorld } from '../steps/world.ts';
import type { NodeFacts } from './facts.ts';

/** Our two files, next to the user's postgresql.conf. */
export const OWNED_CONF = 'pgrepl.conf';
export const STANDBY_CONF = 'pgrepl.standby.conf';

/** The configuration files of one node as they are now. `null`: there is no such file. */
export interface ConfigFacts {
  /** Where postgresql.conf is. */
  readonly folder: string;
  readonly confFile: string;
  readonly conf: string | null;
  readonly owned: string | null;
  readonly standby: string | null;
  readonly auto: string | null;
  readonly hbaFile: string;
  readonly hba: string | null;
  readonly identFile: string;
  readonly ident: string | null;
  /** Size of the file system that holds pg_wal, and what is free on it. */
  readonly walSpace: { readonly totalBytes: number; readonly freeBytes: number };
}

/** Reads them where the running server says they are, else where whoever starts it has them. Changes nothing. */
export async function readConfig(node: NodeWorld, facts: NodeFacts): Promise<ConfigFacts> {
  const { host, place } = node;
  const confFile = facts.server?.configFile ?? configFileOf(await node.service()) ?? `${place.pgdata}/postgresql.conf`;
  const folder = folderOf(confFile);
  // Debian keeps all three side by side.
  const hbaFile = facts.server?.hbaFile ?? `${folder}/pg_hba.conf`;
  const identFile = facts.server?.identFile ?? `${folder}/pg_ident.conf`;
  const [conf, owned, standby, auto, hba, ident, walSpace] = await Promise.all([
    host.readText(confFile),
    host.readText(`${folder}/${OWNED_CONF}`),
    host.readText(`${folder}/${STANDBY_CONF}`),
    host.readText(`${place.pgdata}/postgresql.auto.conf`),
    host.readText(hbaFile),
    host.readText(identFile),
    host.space(`${place.pgdata}/pg_wal`),
  ]);
  return { folder, confFile, conf, owned, standby, auto, hbaFile, hba, identFile, ident, walSpace };
}

/** postgresql.conf for `pg_ctl`, when it is not in the data directory; `null` when it is. */
export function outsideConfig(config: ConfigFacts, pgdata: string): string | null {
  return folderOf(config.confFile) === pgdata ? null : config.confFile;
}

/** Last value of each name in a configuration text; names in lower case. */
export function valuesOf(text: string | null): ReadonlyMap<string, string> {
  return new Map(text === null ? [] : parseConf(text).map((entry) => [entry.name, entry.value] as const));
}

/** Everything up to the last slash. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  if (slash <= 0) throw new PgreplError('bug', 'path-relative', `"${path}" is not an absolute path`);
  return path.slice(0, slash);
}

import { dirname, resolve } from 'node:path/posix';
import type { Reason } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { parseConf } from '../postgres/conf-file.ts';
import { OWNED_CONF, type ConfigFacts } from './config.ts';

/** A directive by which a configuration file takes in another one, or all of a directory. */
export interface Include {
  readonly directive: 'include' | 'include_if_exists' | 'include_dir';
  /** As it is written there. */
  readonly value: string;
  /** The file that has it, and the line. */
  readonly file: string;
  readonly line: number;
  /** What it leads to; relative paths are taken from the file that has them (guc-file.l, AbsoluteConfigLocation). */
  readonly path: string;
  readonly exists: boolean;
  /** What the same line leads to in a copy whose postgresql.conf is in its data directory. */
  readonly pathInCopy: string;
}

/** A postgresql.conf with everything that it includes. */
export interface WholeConfiguration {
  /** All of them in one text, in the order in which the server reads them; only our own include is left as it is. */
  readonly text: string;
  /** In the order in which they are read, nested ones too. */
  readonly includes: readonly Include[];
}

/** The server gives up at the eleventh level (CONF_FILE_MAX_DEPTH of guc.h). */
const MAX_DEPTH = 10;

/** Follows every include of a postgresql.conf on its machine; `copy` is the data directory that a copy will have. Reads only. */
export async function readIncludes(host: Host, { confFile, conf }: Pick<ConfigFacts, 'confFile' | 'conf'>, copy: string): Promise<WholeConfiguration> {
  const includes: Include[] = [];
  const inOne = async (file: string, fileInCopy: string, text: string, depth: number): Promise<string> => {
    let all = '';
    let from = 0;
    for (const { name, value, line, start, end } of parseConf(text)) {
      if ((name !== 'include' && name !== 'include_if_exists' && name !== 'include_dir') || value === OWNED_CONF || depth === MAX_DEPTH) continue;
      const [path, pathInCopy] = [resolve(dirname(file), value), resolve(dirname(fileInCopy), value)];
      // The server takes the names that end in .conf and do not start with a dot, in the order of their bytes.
      const names = name === 'include_dir' ? await host.list(path) : [''];
      const found = (names ?? []).filter((entry) => name !== 'include_dir' || (entry.endsWith('.conf') && !entry.startsWith('.'))).sort(byBytes);
      const parts = await Promise.all(found.map(async (entry) => ({ entry, content: await host.readText(entry === '' ? path : `${path}/${entry}`) })));
      const exists = name === 'include_dir' ? names !== null : parts[0]?.content !== null;
      includes.push({ directive: name, value, file, line, path, exists, pathInCopy });
      // What must be there and is not would keep the server from starting; that is for the server to say.
      if (!exists && name !== 'include_if_exists') continue;
      all += text.slice(from, start);
      for (const { entry, content } of parts) {
        if (content === null) continue;
        const [inner, innerInCopy] = entry === '' ? [path, pathInCopy] : [`${path}/${entry}`, `${pathInCopy}/${entry}`];
        all += `# from ${inner}\n${ended(await inOne(inner, innerInCopy, content, depth + 1))}`;
      }
      from = end;
    }
    return all + text.slice(from);
  };
  const text = await inOne(confFile, `${copy}/postgresql.conf`, conf ?? '', 0);
  return { text, includes };
}

/** Where a copy goes, and where it comes from. */
interface Copied {
  readonly upstream: { readonly name: string; readonly pgdata: string; readonly via: string };
  readonly standby: { readonly name: string; readonly pgdata: string; readonly via: string };
}

/**
 * What a copy will not find although its upstream does (hazard B23): without an included file its server does not start, and without one that
 * is included "if it exists" settings are silently absent. `host` is the machine of the copy. Reads only.
 */
export async function includesMissing(host: Host, includes: readonly Include[], { upstream, standby }: Copied): Promise<{ readonly reasons: readonly Reason[]; readonly notices: readonly string[] }> {
  const reasons: Reason[] = [];
  const notices: string[] = [];
  for (const { directive, value, file, path, exists, pathInCopy } of includes) {
    const what = `${directive} '${value}' in ${file} of ${upstream.name}`;
    const comesAlong = inside(path, upstream.pgdata) && inside(pathInCopy, standby.pgdata);
    if (comesAlong || !exists) continue;
    if (upstream.via === standby.via && inside(pathInCopy, upstream.pgdata)) {
      notices.push(`${what} is an absolute path: ${standby.name} reads that very file in the data directory of ${upstream.name}`);
      continue;
    }
    if ((await host.stat(pathInCopy)) !== null) continue;
    if (directive === 'include_if_exists') notices.push(`${what} finds nothing on ${standby.name}, where it is ${pathInCopy}: those settings will be absent there`);
    else reasons.push({ code: 'include-missing', node: standby.name, message: `${what} leads to ${pathInCopy} on ${standby.name}, which is not there, and no server starts without it`, hint: `A base backup takes along only what is in the data directory. Put it there, or its settings under set: of ${upstream.name} in the cluster file.` });
  }
  return { reasons, notices };
}

function inside(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

function ended(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

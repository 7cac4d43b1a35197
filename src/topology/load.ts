import { readFile } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import type { Document, Node as YamlNode, Pair } from 'yaml';
import { usageError, type Reason } from '../errors.ts';
import { errnoCode, whyUnreadable } from '../host/io-error.ts';
import { printable } from '../postgres/names.ts';
import { cacheFor } from './cache.ts';
import { didYouMean } from './did-you-mean.ts';
import { flawsOfNodes, topologyOf, type ClusterWords, type LoadedTopology } from './merge.ts';
import type { ClusterFile, Flaw } from './schema.ts';

/**
 * The wanted topology. A missing file is an empty one (`exists: false`). A wrong file is one usage error with every
 * complaint in its `reasons`, each with line and column.
 */
export async function loadTopology(file: string, words: ClusterWords = {}, env: Readonly<Record<string, string | undefined>> = process.env): Promise<LoadedTopology> {
  const path = isAbsolute(file) ? file : resolve(file);
  const text = await readClusterText(path);
  if (text === null) return topologyOf({}, path, false, words);
  const cache = cacheFor(path, text, env);
  const known = await cache.get();
  const content = known ?? (await parseClusterText(text, path));
  if (known === null) await cache.put(content);
  contradicts(path, 'cluster', content.cluster, words.cluster);
  contradicts(path, 'replication user', content.replication?.user, words.replicationUser);
  contradicts(path, 'authentication of the standbys', content.replication?.auth, words.auth);
  return topologyOf(content, path, true, words);
}

/** The file's text; `null` when there is none. */
export async function readClusterText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return null;
    throw usageError('cluster-file-unreadable', `the cluster file ${path} cannot be read: ${whyUnreadable(error)}`, { cause: error });
  }
}

function contradicts(path: string, what: string, inFile: string | undefined, typed: string | undefined): void {
  if (inFile === undefined || typed === undefined || inFile === typed) return;
  throw usageError('cluster-file-contradicts', `the ${what} is "${typed}" on the command line and "${inFile}" in ${path}`, {
    hint: 'Leave the option out, or name another cluster file with --file.',
  });
}

/** Parses and validates the text of a cluster file. Loads the YAML parser and the validator, which is why the answer is cached. */
export async function parseClusterText(text: string, path: string): Promise<ClusterFile> {
  const [{ parseDocument, LineCounter, isMap, isScalar }, { checkClusterFile, KNOWN_KEYS }] = await Promise.all([import('./yaml.ts'), import('./schema.ts')]);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw wrongFile(path, document.errors.map((error) => ({ offset: error.pos[0], code: 'yaml-invalid', says: `not YAML: ${firstLine(error.message)}` })), lines);
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw wrongFile(path, [{ offset: 0, code: 'yaml-invalid', says: `not YAML that can be used: ${firstLine((error as Error).message)}` }], lines);
  }
  const checked = checkClusterFile(value);
  const flaws = 'flaws' in checked ? checked.flaws : flawsOfNodes(checked.file);
  if ('file' in checked && flaws.length === 0) return checked.file;

  throw wrongFile(path, flaws.map((flaw) => ({ offset: offsetOf(flaw), code: flaw.unknownKey === null ? 'value-invalid' : 'key-unknown', says: sayFlaw(flaw, value, KNOWN_KEYS) })), lines);

  function offsetOf(flaw: Flaw): number {
    let at: unknown = (document as Document).contents;
    let offset = (at as YamlNode | null)?.range?.[0] ?? 0;
    for (const [depth, part] of flaw.path.entries()) {
      if (isMap(at)) {
        const pair: Pair | undefined = at.items.find((item) => (isScalar(item.key) ? String(item.key.value) : String(item.key)) === String(part));
        if (pair === undefined) break;
        const key = pair.key as YamlNode | null;
        const last = depth === flaw.path.length - 1;
        // A mistake in a value is shown at the value, one in a whole node at its name.
        const shown = last && flaw.unknownKey === null && isScalar(pair.value) ? pair.value : key;
        offset = shown?.range?.[0] ?? offset;
        at = pair.value;
      } else {
        const items = (at as { readonly items?: readonly unknown[] } | null)?.items;
        at = typeof part === 'number' ? items?.[part] : undefined;
        offset = (at as YamlNode | undefined)?.range?.[0] ?? offset;
      }
    }
    return offset;
  }
}

function sayFlaw(flaw: Flaw, value: unknown, known: { readonly top: readonly string[]; readonly replication: readonly string[]; readonly archive: readonly string[]; readonly node: readonly string[] }): string {
  const where = flaw.path.map(String).map(printable);
  if (flaw.unknownKey !== null) {
    const parent = flaw.path.slice(0, -1);
    const keys = parent.length === 0 ? known.top : parent[0] === 'replication' ? known.replication : parent[0] === 'archive' ? known.archive : known.node;
    const meant = didYouMean(flaw.unknownKey, keys);
    const inside = parent.length === 0 ? '' : ` in ${parent.map(String).map(printable).join('.')}`;
    return `"${printable(flaw.unknownKey)}" is not a known key${inside}${meant === null ? '' : `; did you mean "${meant}"?`}`;
  }
  if (where.length === 0) return `the file ${flaw.says}`;
  const name = where[0] === 'nodes' && where.length > 1 ? where.slice(1).join('.') : where.join('.');
  return `${name} ${flaw.says}${flaw.says.startsWith('must') ? shown(at(value, flaw.path)) : ''}`;
}

function at(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((inside, part) => (typeof inside === 'object' && inside !== null ? (inside as Record<string | number, unknown>)[part] : undefined), value);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `, not "${printable(value.length > 60 ? `${value.slice(0, 60)}…` : value)}"`;
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return `, not ${String(value)}`;
  return '';
}

function wrongFile(
  path: string,
  complaints: readonly { readonly offset: number; readonly code: string; readonly says: string }[],
  lines: { linePos(offset: number): { readonly line: number; readonly col: number } },
): Error {
  const reasons: readonly Reason[] = [...complaints]
    .sort((a, b) => a.offset - b.offset)
    .map(({ offset, code, says }) => {
      const { line, col } = lines.linePos(offset);
      return { code, message: `${path}:${Math.max(1, line)}:${Math.max(1, col)}: ${says}` };
    });
  const count = reasons.length === 1 ? 'a mistake' : `${reasons.length} mistakes`;
  return usageError('cluster-file-invalid', `the cluster file ${path} has ${count}`, { reasons, hint: 'Nothing was touched. Correct the file, then run the same command again.' });
}

function firstLine(text: string): string {
  return printable(text.split('\n')[0] ?? text).replace(/\.$/, '');
}

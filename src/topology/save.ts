import { randomBytes } from 'node:crypto';
import { chown, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Document } from 'yaml';
import { PgreplError } from '../errors.ts';
import { parseClusterText, readClusterText } from './load.ts';
import { DEFAULT_PORT } from './merge.ts';
import type { ClusterFile, NodeEntry } from './schema.ts';
import type { NodeSpec, Topology, TopologyEdit } from './topology.ts';

const HEADER = ' yaml-language-server: $schema=./node_modules/pgrepl/schema/cluster.schema.json';

/**
 * Writes the edits into the cluster file: every other byte of meaning, comments and order included, is kept. The file is read
 * again right before, checked before it replaces the old one, and replaced in one rename. True when that changed it.
 */
export async function saveTopology(topology: Topology, edits: readonly TopologyEdit[]): Promise<boolean> {
  if (edits.length === 0) return false;
  const path = await realpath(topology.file).catch(() => topology.file);
  const before = await readClusterText(path);
  const after = await editClusterText(before, path, topology, edits);
  if (after === before) return false;
  await replaceFile(path, after);
  return true;
}

/** The text of the cluster file after the edits. Throws when what comes out would not be a right cluster file. */
export async function editClusterText(before: string | null, path: string, topology: Topology, edits: readonly TopologyEdit[]): Promise<string> {
  const { parseDocument } = await import('./yaml.ts');
  const content = before === null ? {} : await parseClusterText(before, path);
  const isNew = before === null || before.trim() === '';
  const document: Document = parseDocument(isNew ? '{}' : before);
  if (isNew) {
    document.contents = document.createNode({});
    document.commentBefore = HEADER;
  } else if (document.contents === null) {
    // Comments alone: they stay on top.
    document.contents = document.createNode({});
  }
  let changes = 0;
  const set = (keys: readonly string[], value: unknown): void => {
    if (sameValue(document.getIn(keys), value, document)) return;
    document.setIn(keys, typeof value === 'object' ? document.createNode(value, { flow: true }) : value);
    changes += 1;
  };
  const remove = (keys: readonly string[]): void => {
    if (document.hasIn(keys) && document.deleteIn(keys)) changes += 1;
  };
  for (const edit of edits) applyEdit(edit, { content, topology, document, set, remove });
  if (changes === 0 && before !== null) return before;
  const rendered = document.toString({ lineWidth: 0 });
  const after = await parseClusterText(rendered, path);
  const kept = keepSpacing(before ?? '', rendered);
  // Spacing is only taken back where that says the very same.
  const same = await parseClusterText(kept, path).then(
    (content) => JSON.stringify(content) === JSON.stringify(after),
    () => false,
  );
  return same ? kept : rendered;
}

/** Lines that differ from one of the old text in inner spaces alone are taken from there: a rewrite is no reason to re-align what others wrote. */
function keepSpacing(before: string, after: string): string {
  const written = new Map<string, string[]>();
  const bare = (line: string): string => `${/^ */.exec(line)?.[0] ?? ''}${line.replace(/\s+/g, '')}`;
  for (const line of before.split('\n')) written.set(bare(line), [...(written.get(bare(line)) ?? []), line]);
  return after
    .split('\n')
    .map((line) => written.get(bare(line))?.shift() ?? line)
    .join('\n');
}

interface Editing {
  readonly content: ClusterFile;
  readonly topology: Topology;
  readonly document: Document;
  set(keys: readonly string[], value: unknown): void;
  remove(keys: readonly string[]): void;
}

function applyEdit(edit: TopologyEdit, { content, topology, document, set, remove }: Editing): void {
  switch (edit.edit) {
    case 'set-cluster':
      if (content.cluster !== edit.cluster) set(['cluster'], edit.cluster);
      if (content.replication?.user !== edit.replicationUser) ensureMap(document, ['replication'], () => {
        set(['replication', 'user'], edit.replicationUser);
      });
      if (edit.auth !== undefined && (content.replication?.auth ?? 'password') !== edit.auth) ensureMap(document, ['replication'], () => {
        set(['replication', 'auth'], edit.auth);
      });
      return;
    case 'put-node': {
      const { name } = edit.node;
      const isKnown = content.nodes?.[name] !== undefined;
      const inFile: NodeEntry = { ...content.defaults, ...content.nodes?.[name] };
      const known = topology.nodes.find((node) => node.name === name);
      ensureMap(document, ['nodes'], () => {
        ensureMap(document, ['nodes', name], () => {
          for (const [key, value, builtIn] of entriesOf(edit.node)) {
            const always = !isKnown && (key === 'host' || key === 'port' || key === 'pgdata');
            if (value === undefined) {
              // Only what was there when the command began: what somebody wrote meanwhile is theirs.
              const wasThere = known !== undefined && entriesOf(known).some(([other, had]) => other === key && had !== undefined);
              if (wasThere) remove(['nodes', name, key]);
            } else if (always || !sameText(inFile[key] ?? builtIn, value)) {
              set(['nodes', name, key], value);
            }
          }
        });
      });
      return;
    }
    case 'remove-node':
      remove(['nodes', edit.name]);
      for (const [other, entry] of Object.entries(content.nodes ?? {})) if (entry?.upstream === edit.name) remove(['nodes', other, 'upstream']);
      return;
    case 'set-upstream':
      setOrRemove('upstream', edit.name, edit.upstream);
      return;
    case 'set-fence':
      setOrRemove('fenced', edit.name, edit.fenced);
      return;
    case 'set-archive': {
      const { archive } = edit;
      const [key, value] = archive.kind === 'dir' ? ['dir', archive.dir] : archive.kind === 'command' ? ['command', archive.command] : ['pgbackrest', archive.stanza];
      ensureMap(document, ['archive'], () => {
        for (const other of ['dir', 'command', 'pgbackrest']) if (other !== key) remove(['archive', other]);
        set(['archive', key], value);
      });
      return;
    }
    case 'set-sync':
      if ((content.replication?.sync ?? 'off') === edit.sync) return;
      ensureMap(document, ['replication'], () => {
        set(['replication', 'sync'], edit.sync);
      });
      return;
    default:
      edit satisfies never;
  }

  function setOrRemove(key: string, name: string, value: string | null): void {
    if (content.nodes?.[name] === undefined && !document.hasIn(['nodes', name])) return;
    if (value === null) remove(['nodes', name, key]);
    else ensureMap(document, ['nodes', name], () => {
      set(['nodes', name, key], value);
    });
  }
}

/** Makes the mapping where there is none yet (or an empty key), in block style, then goes on. */
function ensureMap(document: Document, keys: readonly string[], then: () => void): void {
  const there = document.getIn(keys);
  if (typeof there !== 'object' || there === null) document.setIn(keys, document.createNode({}));
  const node = document.getIn(keys) as { items?: readonly unknown[]; flow?: boolean };
  if (node.items?.length === 0) node.flow = false;
  then();
}

/** Key of the file, value, and what it is when nobody says. The order is that of a new entry. */
function entriesOf(node: NodeSpec): readonly (readonly [keyof NodeEntry, unknown, unknown])[] {
  return [
    ['host', node.host, node.via === 'local' ? '127.0.0.1' : undefined],
    ['port', node.port, DEFAULT_PORT],
    ['pgdata', node.pgdata, undefined],
    ['via', node.via, 'local'],
    ['connect', node.connect, undefined],
    ['service', node.service, undefined],
    ['os-user', node.osUser, undefined],
    ['admin-user', node.adminUser, undefined],
    ['bin-dir', node.binDir, undefined],
    ['passfile', node.passfile, undefined],
    ['tls', node.tls, undefined],
    ['allow', node.allow, undefined],
    ['set', node.set, undefined],
    ['delay', node.delay, undefined],
    ['restore-command', node.restoreCommand, undefined],
    ['waldir', node.waldir, undefined],
    ['tablespaces', node.tablespaces, undefined],
    ['upstream', node.upstream, undefined],
    ['fenced', node.fenced, undefined],
  ];
}

/** Equal as settings: `on` and YAML's true, `200` and 200. */
function sameText(a: unknown, b: unknown): boolean {
  return JSON.stringify(asText(a)) === JSON.stringify(asText(b));
}

function asText(value: unknown): unknown {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.map(asText);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, inside]) => [key, asText(inside)]));
  return value;
}

function sameValue(there: unknown, value: unknown, document: Document): boolean {
  if (there === undefined) return false;
  const plain = typeof there === 'object' && there !== null && 'toJS' in there ? (there as { toJS(document: Document): unknown }).toJS(document) : there;
  return sameText(plain, value);
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const old = await stat(path).catch(() => null);
    const handle = await open(temporary, 'wx', old === null ? 0o644 : old.mode & 0o777);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // Run as root on a user's file: it stays theirs.
    if (old !== null && process.getuid?.() === 0) await chown(temporary, old.uid, old.gid);
    await rename(temporary, path);
    const folder = await open(dirname(path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new PgreplError('unfinished', 'cluster-file-unwritable', `the cluster file ${path} cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, { cause: error });
  }
}

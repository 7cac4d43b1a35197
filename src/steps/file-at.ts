import { configFileOf } from '../postgres/service.ts';
import { currentDirectory, type Staging } from './staging.ts';
import type { World } from './world.ts';

/** A file of a node. With `staging`, `path` is relative to the directory that is being made, wherever that is at the moment. */
export interface FileAt {
  readonly node: string;
  readonly path: string;
  readonly staging: Staging | null;
  /** A server runs that reads it: reload after every change, and prove that it could be read. */
  readonly reload: boolean;
}

/** Its absolute path now, and its text (`null` when missing). */
export async function fileAt(at: FileAt, world: World): Promise<{ readonly path: string; readonly text: string | null }> {
  const node = world.node(at.node);
  const { host } = node;
  if (at.staging === null) return { path: at.path, text: await host.readText(at.path) };
  const directory = await currentDirectory(host, at.staging);
  const path = `${directory}/${at.path}`;
  const text = await host.readText(path);
  // Of a directory that has become half of a Debian pair, the configuration has gone to the other half.
  const outside = text === null && directory === at.staging.pgdata ? configFileOf(await node.service()) : null;
  if (outside === null) return { path, text };
  const there = `${outside.slice(0, outside.lastIndexOf('/'))}/${at.path}`;
  return { path: there, text: await host.readText(there) };
}

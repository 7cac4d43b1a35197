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
  const { host } = world.node(at.node);
  const path = at.staging === null ? at.path : `${await currentDirectory(host, at.staging)}/${at.path}`;
  return { path, text: await host.readText(path) };
}

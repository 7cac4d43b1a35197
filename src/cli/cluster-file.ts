import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { usageError } from '../errors.ts';

/** Throws before anything is done when the cluster file could not be written at the end. */
export async function mustBeWritable(file: string): Promise<void> {
  const path = await realpath(file).catch(() => file);
  const folder = dirname(path);
  const found = await stat(path).catch(() => null);
  if (found !== null && !found.isFile()) throw usageError('cluster-file-unwritable', `the cluster file ${file} is not a file`);
  try {
    // It is replaced by a rename, and so its directory is what has to be writable.
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw usageError('cluster-file-unwritable', `the cluster file ${file} could not be written: ${(error as NodeJS.ErrnoException).code ?? String(error)} for ${folder}`, {
      hint: 'Run pgrepl where you may write, or name another file with --file.',
      cause: error,
    });
  }
}

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Every file under a directory with the hash of its content; what a running server rewrites by itself is left out. */
export function hashTree(root: string, leaveOut: RegExp = /^(?:pg_stat_tmp|pg_stat|pg_subtrans|pg_notify)\//): Readonly<Record<string, string>> {
  const names = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  return Object.fromEntries(names.filter((name) => !leaveOut.test(name)).sort().map((name) => [name, createHash('sha256').update(readFileSync(join(root, name))).digest('hex')]));
}

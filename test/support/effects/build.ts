import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const HERE = dirname(fileURLToPath(import.meta.url));

/** The program with counted effects, in a directory of its own that goes with `remove`. */
export interface CountedProgram {
  readonly path: string;
  remove(): void;
}

/** Builds `counted-main.ts`, with the whole product in it. */
export async function buildCounted(): Promise<CountedProgram> {
  const folder = mkdtempSync(join(tmpdir(), 'pgrepl-counted-'));
  const { version } = JSON.parse(readFileSync(join(HERE, '..', '..', '..', 'package.json'), 'utf8')) as { readonly version: string };
  const path = join(folder, 'counted.mjs');
  await build({
    entryPoints: [join(HERE, 'counted-main.ts')],
    outfile: path,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['pg-native'],
    define: { __PGREPL_VERSION__: JSON.stringify(version), __PGREPL_PROGRAM__: '"counted"' },
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'silent',
  });
  return { path, remove: () => { rmSync(folder, { recursive: true, force: true }); } };
}

import { chmod } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { postmasterOf } from '../../test/support/oracle.ts';
import { PGREPL } from '../../test/support/run-pgrepl.ts';
import { asServer } from '../../test/support/server-account.ts';
import { interleave, result, timeProgram, type Case, type Result } from '../measure.ts';
import { withThreeNodes } from '../three-nodes.ts';

const HERE = dirname(fileURLToPath(import.meta.url));

/** One look at three local nodes, next to the least that has to be done for it. */
export const status: Case = {
  name: 'status',
  run: async (bench) => {
    const results: Result[] = [];
    await withThreeNodes(bench, async (m) => {
      const script = join(m.root, 'bare-status.mjs');
      await build({
        entryPoints: [join(HERE, '..', 'bare-status.ts')],
        outfile: script,
        bundle: true,
        format: 'esm',
        platform: 'node',
        target: 'node20',
        minify: true,
        external: ['pg-native'],
        banner: { js: "import { createRequire as __r } from 'node:module'; const require = __r(import.meta.url);" },
        logLevel: 'error',
      });
      await chmod(script, 0o644);
      const servers = await Promise.all(['node1', 'node2', 'node3'].map(async (name) => {
        const server = await postmasterOf((await m.place(name)).pgdata);
        return `${server?.socketDir ?? ''}:${server?.port ?? 0}`;
      }));
      const node = process.execPath;
      const [bare = [], pgrepl = [], nothing = [], json = []] = await interleave(bench.short ? 11 : 41, [
        async () => await timeProgram([node, script, ...servers], { env: bench.env, cwd: '/', ...asServer() }),
        async () => await timeProgram([node, PGREPL, 'status'], { env: m.env, cwd: m.root }),
        async () => await timeProgram([node, '-e', '0'], { env: bench.env }),
        async () => await timeProgram([node, PGREPL, 'status', '--json'], { env: m.env, cwd: m.root }),
      ], 3);
      results.push(
        result({ what: 'pgrepl status, 3 nodes', reference: 'a bundled script with pg alone', unit: 'ms', budget: 1.2 }, pgrepl, bare),
        result({ what: 'pgrepl status --json', reference: 'a bundled script with pg alone', unit: 'ms', budget: 1.2 }, json, bare),
        result({ what: 'pgrepl status, 3 nodes', reference: 'node -e 0', unit: 'ms', budget: null, wished: 2.2 }, pgrepl, nothing),
      );
    });
    return results;
  },
};

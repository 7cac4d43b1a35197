import { chownSync, cpSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { postmasterOf } from '../../test/support/oracle.ts';
import { PGREPL } from '../../test/support/run-pgrepl.ts';
import { asServer, serverAccount } from '../../test/support/server-account.ts';
import type { Machine } from '../../test/support/machine.ts';
import { interleave, result, timeProgram, type Bench, type Case, type Result, type Timed } from '../measure.ts';
import { repmgrClusterShow } from '../repmgr.ts';
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
      const owner = installForOwner(m);
      const [bare = [], pgrepl = [], nothing = [], json = [], asRoot = []] = await interleave(bench.short ? 11 : 41, [
        async () => await timeProgram([node, script, ...servers], { env: bench.env, cwd: '/', ...asServer() }),
        async () => await timeProgram([node, owner.program, 'status'], { env: owner.env, cwd: m.root, ...asServer() }),
        async () => await timeProgram([node, '-e', '0'], { env: bench.env }),
        async () => await timeProgram([node, owner.program, 'status', '--json'], { env: owner.env, cwd: m.root, ...asServer() }),
        ...(serverAccount().drop ? [async () => await timeProgram([node, PGREPL, 'status'], { env: m.env, cwd: m.root })] : []),
      ], 3);
      const reference = 'a bundled script with pg alone, as the same user';
      results.push(
        result({ what: 'pgrepl status, 3 nodes', reference, unit: 'ms', budget: 1.2 }, pgrepl, bare),
        result({ what: 'pgrepl status --json', reference, unit: 'ms', budget: 1.2 }, json, bare),
        result({ what: 'pgrepl status, 3 nodes', reference: 'node -e 0', unit: 'ms', budget: null, wished: 2.2 }, pgrepl, nothing),
        ...(await nextToRepmgr(m, bench, async () => await timeProgram([node, owner.program, 'status'], { env: owner.env, cwd: m.root, ...asServer() }))),
        ...(asRoot.length === 0 ? [] : [result({ what: 'pgrepl status by root', reference: "the same script as the servers' user", unit: 'ms', budget: null, note: "root becomes the servers' user for every connection" }, asRoot, bare)]),
      );
    });
    return results;
  },
};

/** The same three nodes as repmgr sees them, where it is installed: its way to ask for what `status` says. */
async function nextToRepmgr(m: Machine, bench: Bench, look: Timed): Promise<readonly Result[]> {
  const words = await repmgrClusterShow(m, ['node1', 'node2', 'node3']);
  if (words === null) return [];
  const [pgrepl = [], repmgr = []] = await interleave(bench.short ? 11 : 41, [look, async () => await timeProgram(words, { env: bench.env, cwd: '/', ...asServer() })]);
  return [result({ what: 'pgrepl status, 3 nodes', reference: 'repmgr cluster show', unit: 'ms', budget: null }, pgrepl, repmgr)];
}

/** The program where the servers' user can read it, and a home that is theirs: as root, this checkout and the machine's home are ours alone. */
function installForOwner(m: Machine): { readonly program: string; readonly env: Readonly<Record<string, string>> } {
  const home = join(m.root, 'owner');
  for (const part of ['bin', 'dist', 'package.json']) cpSync(join(dirname(dirname(PGREPL)), part), join(home, part), { recursive: true });
  const { drop, uid, gid } = serverAccount();
  if (drop) chownSync(home, uid, gid);
  return { program: join(home, 'bin', 'pgrepl.js'), env: { ...m.env, HOME: home, XDG_STATE_HOME: join(home, 'state'), XDG_CACHE_HOME: join(home, 'cache') } };
}

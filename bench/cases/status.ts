import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, cpSync, writeFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { postmasterOf } from '../../test/support/oracle.ts';
import { openRelay } from '../../test/support/relay.ts';
import { PGREPL } from '../../test/support/run-pgrepl.ts';
import { asServer, serverAccount } from '../../test/support/server-account.ts';
import type { Machine } from '../../test/support/machine.ts';
import { interleave, result, timeProgram, type Bench, type Case, type Result } from '../measure.ts';
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
        ...(await doctorNextToStatus(m, bench, owner)),
        result({ what: 'pgrepl status, 3 nodes', reference: 'node -e 0', unit: 'ms', budget: null, wished: 2.2 }, pgrepl, nothing),
        ...(await nextToRepmgr(m, bench, owner)),
        ...(asRoot.length === 0 ? [] : [result({ what: 'pgrepl status by root', reference: "the same script as the servers' user", unit: 'ms', budget: null, note: "root becomes the servers' user for every connection" }, asRoot, bare)]),
      );
    });
    return results;
  },
};

/** All that the doctor looks at, next to what the status does; and where it waits for rates, because a slot that nobody uses keeps WAL. */
async function doctorNextToStatus(m: Machine, bench: Bench, owner: Installed): Promise<readonly Result[]> {
  const take = (...words: readonly string[]) => async () => await timeProgram([process.execPath, owner.program, ...words], { env: owner.env, cwd: m.root, ...asServer(), codes: [0, 7, 8] });
  const rounds = bench.short ? 7 : 21;
  const [doctor = [], status = []] = await interleave(rounds, [take('doctor'), take('status')]);
  await m.sql('node1', `SELECT pg_create_physical_replication_slot('forgotten', true)`);
  const [waiting = [], beside = []] = await interleave(rounds, [take('doctor'), take('status')]);
  await m.sql('node1', `SELECT pg_drop_replication_slot('forgotten')`);
  return [
    result({ what: 'pgrepl doctor, 3 nodes', reference: 'pgrepl status', unit: 'ms', budget: 3 }, doctor, status),
    result({ what: 'pgrepl doctor that measures a rate', reference: 'pgrepl status', unit: 'ms', budget: null, note: 'waits for up to one second of progress' }, waiting, beside),
  ];
}

/** The same three nodes as repmgr sees them, where it is installed: beside each other, and at the end of wires with 20 ms there and back. */
async function nextToRepmgr(m: Machine, bench: Bench, owner: Installed): Promise<readonly Result[]> {
  const nodes = ['node1', 'node2', 'node3'];
  const near = await repmgrClusterShow(m, nodes);
  if (near === null) return [];
  const rounds = bench.short ? 11 : 41;
  const take = (words: readonly string[], env: Readonly<Record<string, string>>) => async () => await timeProgram(words, { env, cwd: m.root, ...asServer(), codes: [0, 8] });
  const status = [process.execPath, owner.program, 'status'];
  const [pgrepl = [], repmgr = []] = await interleave(rounds, [take(status, owner.env), take(near, bench.env)]);

  const servers = await Promise.all(nodes.map(async (name) => await postmasterOf((await m.place(name)).pgdata)));
  const relays = await Promise.all(servers.map(async (server) => await openRelay({ host: '127.0.0.1', port: server?.port ?? 0 })));
  try {
    const password = randomBytes(12).toString('hex');
    const passfile = join(m.root, 'owner', 'passfile');
    writeForOwner(passfile, `*:*:*:postgres:${password}\n`);
    await m.sql('node1', `ALTER ROLE postgres PASSWORD '${password}'`);
    for (const node of ['node2', 'node3']) await m.eventually(node, `SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = 'postgres'`, 't');
    const file = join(m.root, 'owner', 'far.yaml');
    const places = await Promise.all(nodes.map(async (name, index) => `  ${name}: { host: 127.0.0.1, port: ${relays[index]?.port ?? 0}, pgdata: ${(await m.place(name)).pgdata}, connect: tcp }\n`));
    writeForOwner(file, `cluster: far\ndefaults: { bin-dir: ${m.installation.binDir} }\nnodes:\n${places.join('')}`);
    const far = (await repmgrClusterShow(m, nodes, { ports: relays.map(({ port }) => port), passfile })) ?? [];
    const { stdout: seen } = await promisify(execFile)(process.execPath, [owner.program, 'status', '-f', file], { env: { ...owner.env, PGPASSFILE: passfile }, cwd: m.root, ...asServer() });
    if (seen.match(/ streaming /g)?.length !== 2) throw new Error(`status does not see the far standbys stream:\n${seen}`);
    for (const relay of relays) relay.set({ delayMs: 10 });
    const [farPgrepl = [], farRepmgr = []] = await interleave(rounds, [take([...status, '-f', file], { ...owner.env, PGPASSFILE: passfile }), take(far, bench.env)]);
    return [
      result({ what: 'pgrepl status, 3 nodes', reference: 'repmgr cluster show', unit: 'ms', budget: null }, pgrepl, repmgr),
      result({ what: 'pgrepl status, 3 nodes at 20 ms', reference: 'repmgr cluster show, over the same wires', unit: 'ms', budget: null }, farPgrepl, farRepmgr),
    ];
  } finally {
    await Promise.all(relays.map(async (relay) => { await relay.close(); }));
  }
}

function writeForOwner(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
  const { drop, uid, gid } = serverAccount();
  if (drop) chownSync(path, uid, gid);
}

interface Installed {
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The program where the servers' user can read it, and a home that is theirs: as root, this checkout and the machine's home are ours alone. */
function installForOwner(m: Machine): Installed {
  const home = join(m.root, 'owner');
  for (const part of ['bin', 'dist', 'package.json']) cpSync(join(dirname(dirname(PGREPL)), part), join(home, part), { recursive: true });
  const { drop, uid, gid } = serverAccount();
  if (drop) chownSync(home, uid, gid);
  return { program: join(home, 'bin', 'pgrepl.js'), env: { ...m.env, HOME: home, XDG_STATE_HOME: join(home, 'state'), XDG_CACHE_HOME: join(home, 'cache') } };
}

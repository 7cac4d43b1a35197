import { PgreplError } from '../errors.ts';
import { parseConf, quoteConf, withoutSettings } from '../postgres/conf-file.ts';
import { configFolderOf, type DebianPair } from '../postgres/service.ts';
import { showsCommand, type Kind } from './kind.ts';
import type { World } from './world.ts';

/**
 * Makes a finished data directory half of a Debian pair: `pg_createcluster` takes its configuration over to /etc/postgresql/VERSION/NAME,
 * and from then on the machine knows it (`pg_lsclusters`, its unit, start.conf). What `postgresql.conf` includes goes along (hazards D32, M04).
 */
export interface CreatePair {
  readonly kind: 'create-pair';
  readonly node: string;
  readonly directory: string;
  readonly port: number;
  readonly pair: Pick<DebianPair, 'version' | 'name'>;
  /** Files beside postgresql.conf that it includes; the one that it names itself last. */
  readonly files: readonly string[];
}

/** What pg_createcluster takes over by itself. */
const TAKEN_OVER = ['postgresql.conf', 'pg_hba.conf', 'pg_ident.conf'];
/** What it sets itself in the first of them. */
const SET_ANEW = ['data_directory', 'hba_file', 'ident_file', 'external_pid_file', 'port'];

export const createPair: Kind<CreatePair, null> = {
  title: (step) => `make it the cluster ${step.pair.version} ${step.pair.name} of this machine: its configuration in ${configFolderOf(step.pair)}`,

  preview: async (step) => await Promise.resolve(showsCommand(wordsOf(step), ...step.files.map((file) => ['mv', `${step.directory}/${file}`, `${configFolderOf(step.pair)}/`]))),

  look: async (step, world) => {
    const { host } = world.node(step.node);
    const names = (await host.list(configFolderOf(step.pair))) ?? [];
    const left = ((await host.list(step.directory)) ?? []).filter((name) => step.files.includes(name));
    return left.length === 0 && [...TAKEN_OVER, ...step.files].every((name) => names.includes(name)) ? { already: true } : { already: false, before: null };
  },

  apply: async (step, world) => {
    const node = world.node(step.node);
    const folder = configFolderOf(step.pair);
    // Ours come last: with one of them there pg_createcluster has come to its end. One that did not would not go on by itself.
    if (!((await node.host.list(folder)) ?? []).some((name) => step.files.includes(name))) {
      await takeBack(step, world);
      await nameDirectory(step, world);
      const exit = await node.host.run({ argv: wordsOf(step), effect: 'changes', deadlineMs: 60_000 });
      if (exit.code !== 0) {
        throw new PgreplError('undone', 'pair-failed', `pg_createcluster ended with ${exit.code ?? exit.signal ?? 'a signal'}`, { node: step.node, details: exit.stderr.split('\n').filter((line) => line !== '').slice(-5) });
      }
    }
    // Two file systems, so none is renamed; the last of them is what `look` waits for.
    for (const file of step.files) {
      await moveFile(world, step.node, `${step.directory}/${file}`, `${folder}/${file}`);
    }
    await node.service({ again: true });
  },

  // Only inside the run that made it: the folder was not there before.
  undo: async (step, _before, world) => {
    const node = world.node(step.node);
    await takeBack(step, world);
    await node.service({ again: true });
  },
};

/** The configuration back in the data directory, and nothing left of the pair; fine when there is none. Throws `pair-failed` for that of another directory. */
async function takeBack(step: CreatePair, world: World): Promise<void> {
  const { host } = world.node(step.node);
  const folder = configFolderOf(step.pair);
  if ((await host.list(folder)) === null) return;
  const conf = await host.readText(`${folder}/postgresql.conf`);
  const named = parseConf(conf ?? '').findLast((entry) => entry.name === 'data_directory')?.value ?? step.directory;
  if (named !== step.directory) throw new PgreplError('undone', 'pair-failed', `${folder} is the configuration of ${named}`, { node: step.node, next: [`pg_lsclusters ${step.pair.version} ${step.pair.name}`] });
  if ((await host.list(step.directory)) !== null) {
    for (const file of [...step.files, ...TAKEN_OVER]) {
      // What is still there is whole; the other may have been cut off while it was copied.
      if ((await host.stat(`${step.directory}/${file}`)) === null) await moveFile(world, step.node, `${folder}/${file}`, `${step.directory}/${file}`);
    }
  }
  await host.removeTree(folder);
}

/** Said before it is moved: so the configuration is known to belong to this directory from the first moment on. */
async function nameDirectory(step: CreatePair, world: World): Promise<void> {
  const { host } = world.node(step.node);
  const file = `${step.directory}/postgresql.conf`;
  const text = withoutSettings((await host.readText(file)) ?? '', SET_ANEW).text;
  await host.writeText(file, `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}data_directory = ${quoteConf(step.directory)}\n`);
}

function wordsOf(step: CreatePair): [string, ...string[]] {
  return ['pg_createcluster', '--datadir', step.directory, '--port', String(step.port), step.pair.version, step.pair.name];
}

async function moveFile(world: World, name: string, from: string, to: string): Promise<void> {
  const { host } = world.node(name);
  const text = await host.readText(from);
  if (text === null) return;
  await host.writeText(to, text, { mode: 0o600 });
  await host.removeFile(from);
}

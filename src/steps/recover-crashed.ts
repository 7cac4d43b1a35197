import { PgreplError } from '../errors.ts';
import { showsCommand, type Kind } from './kind.ts';
import { hasKeptFlag, setKeptFlag, type KeptPlace } from './kept.ts';
import { LOCKED_MODE } from './staging.ts';

/** Single-user crash recovery of a server that was not shut down: pg_rewind takes only one that was (hazards J12, J13, J28). */
export interface RecoverCrashed {
  readonly kind: 'recover-crashed';
  readonly node: string;
  readonly directory: string;
  readonly configFile: string | null;
  readonly place: KeptPlace;
}

/**
 * While the recovery runs the directory must have a mode that lets a server start. Whatever else would start it in that time or after a power
 * cut ends at once with this line: a postmaster refuses it (PostmasterMain wants it below max_connections, which has the same maximum), and
 * the recovery overrides it on its command line. postgresql.auto.conf is read last, so the line wins over every file.
 */
const GUARD = '# pgrepl: no server may start from here until the rejoin is finished\nsuperuser_reserved_connections = 262143\n';

export const recoverCrashed: Kind<RecoverCrashed, null> = {
  title: (step) => `crash recovery of ${step.node}, which was not shut down (no server is started)`,
  preview: async (step, world) => showsCommand((await world.node(step.node).programs()).words.recoverCrashed(step.directory, step.configFile)),

  look: async (step, world) => {
    // Once pg_rewind has begun, its own copy of pg_control counts.
    if (await hasKeptFlag(world, step.node, step.place, 'begun')) return { already: true };
    const { host, programs } = world.node(step.node);
    const control = await (await programs()).controlData(step.directory);
    const clean = control?.state === 'shut down' || control?.state === 'shut down in recovery';
    const tidy = (await host.stat(step.directory))?.mode === LOCKED_MODE && !((await host.readText(autoConf(step))) ?? '').endsWith(GUARD);
    return clean && tidy ? { already: true } : { already: false, before: null };
  },

  apply: async (step, world, tell) => {
    const { host, programs } = world.node(step.node);
    const tools = await programs();
    const alive = await tools.processes(step.directory);
    if (alive.length > 0) throw new PgreplError('undone', 'old-primary-alive', `${step.node} runs again (process ${alive[0]?.pid ?? '?'})`, { node: step.node, next: ['pgrepl status'] });
    await tell.noReturn(`${step.node} is recovered from its crash, to be rewound`);
    await setKeptFlag(world, step.node, step.place, 'recovering');
    // Single-user mode refuses to run as a standby (hazard J28); the rejoin makes the file again at its end.
    await host.removeFile(`${step.directory}/standby.signal`);
    const own = (await host.readText(`${step.place.folder}/own/postgresql.auto.conf`)) ?? '';
    await host.writeText(autoConf(step), `${own}${own === '' || own.endsWith('\n') ? '' : '\n'}${GUARD}`, { mode: 0o600 });
    const control = await tools.controlData(step.directory);
    if (control?.state !== 'shut down' && control?.state !== 'shut down in recovery') {
      tell.progress({ phase: 'crash recovery' });
      await host.setMode(step.directory, 0o700);
      try {
        await tools.recoverCrashed(step.directory, step.configFile, world.signal);
      } finally {
        await host.setMode(step.directory, LOCKED_MODE);
      }
    }
    await host.setMode(step.directory, LOCKED_MODE);
    await host.writeText(autoConf(step), own);
    const after = await tools.controlData(step.directory);
    if (after?.state !== 'shut down') throw new PgreplError('unfinished', 'recovery-failed', `${step.node} is ${after?.state ?? 'without a readable pg_control'} after its crash recovery`, { node: step.node });
  },

  undo: async (step, _before, world) => {
    if (await hasKeptFlag(world, step.node, step.place, 'recovering')) throw new PgreplError('unfinished', 'recovered', `${step.directory} has had its crash recovery, or a part of it`, { node: step.node });
  },
};

function autoConf(step: RecoverCrashed): string {
  return `${step.directory}/postgresql.auto.conf`;
}

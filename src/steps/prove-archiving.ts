import { PgreplError } from '../errors.ts';
import { serviceLog } from '../postgres/service.ts';
import { serverLog } from './start-server.ts';
import { showsSql, type Kind } from './kind.ts';
import type { World } from './world.ts';

/** The proof that a server archives: a segment that is finished now is taken by its archiver. That the settings are in force proves nothing. */
export interface ProveArchiving {
  readonly kind: 'prove-archiving';
  readonly node: string;
}

/** As long as a slow archive may take for one segment; what waits before it counts in. */
const DEADLINE_MS = 120_000;
/** The archiver tries a file three times in a row, a second apart, before it rests for a minute (pgarch.c, NUM_ARCHIVE_RETRIES). */
const TRIES = 3;
const LOG_LINES = 400;
const SHOWN_LINES = 4;

export const proveArchiving: Kind<ProveArchiving, null> = {
  title: () => 'prove that a finished WAL file is archived',
  preview: async () => await Promise.resolve(showsSql('SELECT pg_switch_wal()', 'SELECT last_archived_wal, failed_count, last_failed_wal FROM pg_stat_archiver')),

  // An archiver that took something since it knows its command is as good a proof.
  look: async (step, world) => {
    const seen = await (await world.node(step.node).server()).archiver();
    return seen.mode !== 'off' && seen.failing === null && seen.archivedSinceLoad ? { already: true } : { already: false, before: null };
  },

  apply: async (step, world, tell) => {
    const server = await world.node(step.node).server();
    const before = await server.archiver();
    // A segment with nothing in it is not switched.
    await server.writeMarker();
    const file = await server.switchWal();
    await world.waitFor(
      `${file} of ${step.node} to be archived`,
      async (say) => {
        if (!(await server.waitsForArchive(file))) return true;
        const now = await server.archiver();
        const failures = now.failedCount - before.failedCount;
        if (now.failing !== null && failures >= TRIES) throw await failed(step, world, now.failing, failures, now.logFile);
        say(`${now.ready} ${now.ready === 1 ? 'file waits' : 'files wait'}${now.failing === null ? '' : `, and ${now.failing} fails`}`);
        tell.progress({ phase: `${now.ready} ${now.ready === 1 ? 'file waits' : 'files wait'} for the archive` });
        return null;
      },
      { deadlineMs: DEADLINE_MS, everyMs: 50 },
    );
  },

  undo: 'nothing',
};

async function failed(step: ProveArchiving, world: World, file: string, failures: number, logFile: string | null): Promise<PgreplError> {
  const { place, host, service } = world.node(step.node);
  const own = logFile === null ? null : logFile.startsWith('/') ? logFile : `${place.pgdata}/${logFile}`;
  const log = own ?? serviceLog(await service(), serverLog(place.pgdata, step.node));
  const exit = await host.run({ argv: ['sh', '-c', 'tail -n "$2" "$1" 2>/dev/null | grep -F "$3" | tail -n "$4"', 'sh', log, String(LOG_LINES), file, String(SHOWN_LINES)], effect: 'reads' });
  return new PgreplError('undone', 'archive-fails', `${step.node} does not archive: ${file} failed ${failures} times`, {
    node: step.node,
    details: exit.stdout.split('\n').filter((line) => line.trim() !== ''),
    hint: `Its log is ${log}. A file of that name with other content in the archive is a sign of a second primary: look for one first.`,
    next: ['pgrepl doctor --only wal'],
  });
}

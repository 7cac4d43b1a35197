import { PgreplError } from '../errors.ts';
import { knownBugsOf } from '../postgres/known-bugs.ts';
import { majorOf } from '../postgres/version.ts';
import type { World } from '../steps/world.ts';
import type { NodeView } from './cluster.ts';
import type { LeftBehind } from './old-primary.ts';

/** What will not be on the new primary as it was on the old one, though no row of it is lost. */
export interface Fragile {
  /** `database.schema.table` of unlogged tables; what a standby has of them is empty (hazard H16). */
  readonly unloggedTables: readonly string[];
  /** Databases whose text is sorted otherwise there (hazard D27). */
  readonly collations: readonly string[];
  /** Why its archive_command cannot run, in words; `null`: nothing speaks against it. */
  readonly archive: string | null;
}

/** Asks the candidate, for notices only: whoever cannot be asked is found out by the steps. Changes nothing. */
export async function seeFragile(world: World, candidate: NodeView, asks: { readonly tables: boolean }): Promise<Fragile> {
  const { name } = candidate.spec;
  const orNothing = async <T>(nothing: T, ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof PgreplError) || error.kind === 'bug' || error.kind === 'interrupted') throw error;
      return nothing;
    }
  };
  const [unloggedTables, collations, archive] = await Promise.all([
    asks.tables ? orNothing<readonly string[]>([], async () => await (await world.node(name).server()).unloggedTables()) : [],
    orNothing<readonly string[]>([], async () => await (await world.node(name).server()).collationMismatches()),
    orNothing(null, async () => await archiveTrouble(world, candidate)),
  ]);
  return { unloggedTables, collations, archive };
}

/** A standby does not archive (archive_mode = on), so nobody has seen yet whether its own command can run (hazard H17). */
async function archiveTrouble(world: World, { spec: { name }, facts: { server } }: NodeView): Promise<string | null> {
  const setting = (one: string): string => server?.settings[one]?.value ?? '';
  if (setting('archive_mode') === 'off' || setting('archive_mode') === '' || setting('archive_library') !== '') return null;
  const command = setting('archive_command').trim();
  // The server shows `(disabled)` while the mode is off.
  if (command === '' || command === '(disabled)') return `archive_mode of ${name} is ${setting('archive_mode')}, and it has no archive_command: WAL will pile up there`;
  const [program = ''] = command.split(/\s/, 1);
  if (!/^[A-Za-z0-9_./-]+$/.test(program)) return null;
  const exit = await world.node(name).host.run({ argv: ['sh', '-c', 'command -v -- "$1" > /dev/null', 'sh', program], effect: 'reads' });
  return exit.code === 0 ? null : `archive_command of ${name} runs ${program}, which is not on its machine: nothing will be archived, and WAL piles up there`;
}

/** What a promotion itself can do to a server of an old minor (hazard H22). Pure. */
function promotionBug({ spec: { name }, facts: { server } }: NodeView): readonly string[] {
  const bug = server === null ? undefined : knownBugsOf(server.versionNumber).find(({ hazard }) => hazard === 'H22');
  const major = majorOf(server?.versionNumber ?? 0);
  return bug === undefined || server === null ? [] : [`${name} runs PostgreSQL ${server.version}: ${bug.says}; ${major}.${bug.fixed[major] ?? '?'} has that mended`];
}

/** In words, for the plan. `left`: what the directory of a dead primary holds. Pure. */
export function describeFragile(candidate: NodeView, { collations, archive }: Fragile, left: LeftBehind | null): readonly string[] {
  const { name } = candidate.spec;
  const archives = (candidate.facts.server?.settings['archive_mode']?.value ?? 'off') !== 'off';
  const synced = new Set((candidate.facts.server?.slots ?? []).map((slot) => slot.name));
  const slots = (left?.slots ?? []).filter((slot) => !synced.has(slot));
  return [
    ...promotionBug(candidate),
    ...(slots.length === 0 ? [] : [`slots of the old primary that no node of the cluster file owns stay behind, and whoever uses them stops (subscribers, archivers): ${slots.join(', ')}`]),
    ...(left === null || left.preparedTransactions === 0 ? [] : [`${left.preparedTransactions} prepared ${left.preparedTransactions === 1 ? 'transaction lies' : 'transactions lie'} in the directory of the old primary: what of that is on ${name} comes alive there with its locks, in pg_prepared_xacts`]),
    ...(left?.archived === true && !archives ? [`nothing will be archived: the old primary archived its WAL, archive_mode of ${name} is off, and a restart is needed to turn it on`] : []),
    ...(archive === null ? [] : [archive]),
    ...(collations.length === 0 ? [] : [`the machine of ${name} sorts text otherwise than the one where these databases were made, and their indexes on text cannot be trusted (REINDEX, then ALTER DATABASE … REFRESH COLLATION VERSION): ${collations.join(', ')}`]),
  ];
}

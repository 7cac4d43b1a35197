import type { Reason } from '../errors.ts';
import { archiveCommandOf, excessOfCommand, restoreCommandOf, type Archive } from '../postgres/archive.ts';
import type { Setting } from '../postgres/server-facts.ts';
import type { NodePlace, World } from '../steps/world.ts';
import { valuesOf, type ConfigFacts } from './config.ts';
import { judgeStanza } from './judge-stanza.ts';
import { ARCHIVE_WHY, type Effective } from './settings.ts';
import { readsAsOff } from '../postgres/sql-text.ts';

/** Settings that say how a server archives. */
export const ARCHIVE_SETTINGS = ['archive_mode', 'archive_command', 'archive_library'] as const;

/** What the archive of the cluster file makes of the settings of a node, whatever its role. Pure. */
export function archiveLines(archive: Archive): readonly { readonly name: string; readonly value: string; readonly why: string }[] {
  return [
    { name: 'archive_mode', value: 'on', why: ARCHIVE_WHY },
    { name: 'archive_command', value: archiveCommandOf(archive), why: ARCHIVE_WHY },
  ];
}

/** True when what the server archives with now is the user's own, and neither that of the cluster file nor a line of ours. Pure. */
export function archivesOtherwise(archive: Archive, effective: Effective, config: ConfigFacts | null): { readonly name: string; readonly setting: Setting } | null {
  const mine = valuesOf(config?.owned ?? null);
  for (const name of ['archive_library', 'archive_command'] as const) {
    const setting = effective[name];
    const value = setting?.value ?? '';
    // A server that runs without archive_mode shows its command as (disabled).
    if (setting === undefined || value === '' || value === '(disabled)' || mine.has(name) || value === archiveCommandOf(archive)) continue;
    return { name, setting };
  }
  return null;
}

/** What stands against the archive that is wished for, before anything is touched. Reads only. */
export async function archiveTrouble(world: World, place: NodePlace, archive: Archive, input: { readonly effective: Effective; readonly config: ConfigFacts | null; readonly set: Readonly<Record<string, string>>; readonly replace: boolean; readonly systemIdentifier: string | null }): Promise<readonly Reason[]> {
  const other = input.replace ? null : archivesOtherwise(archive, input.effective, input.config);
  const twice = ARCHIVE_SETTINGS.filter((name) => name !== 'archive_mode' && name in input.set);
  const excess = Math.max(excessOfCommand(archiveCommandOf(archive)), excessOfCommand(restoreCommandOf(archive) ?? ''));
  return [
    ...(other === null ? [] : [{ code: 'archives-already', node: place.name, message: `${place.name} archives already: ${other.name} = ${other.setting.value}${placeOf(other.setting)}`, hint: 'What is archived there is not looked at; whoever reads it would find nothing new. --replace-archive takes the one of the command line instead.', next: ['--replace-archive'] }]),
    ...twice.map((name) => ({ code: 'setting-owned', node: place.name, message: `${name} is written by pgrepl itself where the cluster file has an archive, and cannot be set`, hint: 'It is archive: in the cluster file.' })),
    ...(readsAsOff(input.set['archive_mode'] ?? '') ? [{ code: 'setting-breaks', node: place.name, message: 'archive_mode = off, and the cluster file has an archive', hint: 'One of the two goes.' }] : []),
    ...(excess > 0 ? [{ code: 'archive-command-long', node: place.name, message: `the command for this archive is ${excess} bytes too long: PostgreSQL until 15 cuts it at 1024`, hint: 'A shorter path, or a script with a short name.' }] : []),
    ...(archive.kind === 'dir' ? await directoryTrouble(world, place, archive.dir) : []),
    ...(archive.kind === 'pgbackrest' ? await judgeStanza(world, place, archive.stanza, input.systemIdentifier) : []),
  ];
}

function placeOf({ file, line }: Setting): string {
  return file === null ? '' : ` (${file}:${line ?? '?'})`;
}

/** A directory that is not there is mostly a file system that is not mounted: to make it would fill the disk of the server. */
async function directoryTrouble(world: World, place: NodePlace, dir: string): Promise<readonly Reason[]> {
  const { host } = world.node(place.name);
  const real = await host.realPath(dir);
  const [stat, inside] = [await host.stat(real), await host.realPath(place.pgdata)];
  if (stat?.kind !== 'directory') {
    return [{ code: 'archive-missing', node: place.name, message: stat === null ? `the archive ${dir} is not there on ${place.name}` : `the archive ${dir} is no directory`, hint: 'pgrepl does not make it: a file system that is not mounted would look the same.', next: [`install -d -o ${place.osUser} -m 0700 ${dir}`] }];
  }
  if (real === inside || real.startsWith(`${inside}/`)) return [{ code: 'archive-inside', node: place.name, message: `the archive ${dir} is inside the data directory of ${place.name}`, hint: 'A copy would take it along, and it would die with the server. Another file system, best on another machine.' }];
  if (!(await host.canWrite(real))) return [{ code: 'archive-unwritable', node: place.name, message: `${place.osUser} may not write into the archive ${dir}`, next: [`chown ${place.osUser} ${dir}`] }];
  return [];
}

/** What a person should know of an archive that works. Reads only. */
export async function archiveNotices(world: World, place: NodePlace, archive: Archive): Promise<readonly string[]> {
  if (archive.kind !== 'dir') return [];
  const { host } = world.node(place.name);
  const [its, data] = [await host.stat(await host.realPath(archive.dir)), await host.stat(await host.realPath(place.pgdata))];
  return [
    `nothing in ${archive.dir} is ever removed by pgrepl: it grows by what is written`,
    ...(its !== null && its.device === data?.device ? [`the archive ${archive.dir} is on the file system of the data directory: it is lost with it, and fills it`] : []),
  ];
}

/** What a standby cannot do where the archive is not at hand; never a reason against it, as it streams. Reads only. */
export async function archiveNotAtHand(world: World, place: NodePlace, archive: Archive): Promise<readonly string[]> {
  const { host } = world.node(place.name);
  if (archive.kind === 'dir') {
    const troubles = await directoryTrouble(world, place, archive.dir);
    return troubles.map(({ message }) => `${message}: ${place.name} streams without it, but cannot catch up from it, and promoted would archive nothing`);
  }
  const [program] = archiveCommandOf(archive).trim().split(/\s+/);
  if (program === undefined || !/^[A-Za-z0-9_./-]+$/.test(program)) return [];
  const exit = await host.run({ argv: ['sh', '-c', 'command -v "$1"', 'sh', program], effect: 'reads' });
  return exit.code === 0 ? [] : [`${program} is not on the machine of ${place.name}: promoted, it would archive nothing`];
}

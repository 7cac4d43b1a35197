import type { Reason } from '../errors.ts';
import { REQUIRED_PARAMETERS } from '../postgres/control-data.ts';
import type { NodePlace, World } from '../steps/world.ts';
import { listenOn, RECOVERY_SETTINGS, type Effective } from './settings.ts';
import { readsAsOff } from '../postgres/sql-text.ts';

type Wishes = Readonly<Record<string, string>>;

/** What a copy needs on its upstream: two senders, and one to spare (hazard A07). */
const SENDERS = 3;

/** Settings that pgrepl writes itself, with what to say instead. */
const OWNED: ReadonlyMap<string, string> = new Map([
  ['port', 'The port of a node is --port, or port: in the cluster file.'],
  ['cluster_name', 'It is the name of the node.'],
  ['data_directory', 'The data directory of a node is --pgdata.'],
  ['config_file', 'postgresql.conf stays where it is.'],
  ['hba_file', 'pg_hba.conf stays where it is; pgrepl has one block in it.'],
  ['ident_file', 'pg_ident.conf stays where it is.'],
  ['recovery_min_apply_delay', 'The delay of a standby is --delay, or delay: in the cluster file.'],
  ['restore_command', 'It is --restore-command, or restore-command: in the cluster file.'],
  ['primary_conninfo', 'Where a node streams from is --upstream, and for a standby that runs: pgrepl follow.'],
  ['primary_slot_name', 'The slot of a standby has its name.'],
]);

/**
 * What is wrong with the settings that the operator wants for a node (`--set`, `set:`), before anything is touched: those that are
 * pgrepl's own, those without which no standby works, and those that the installed server itself does not take. The server is asked with
 * an empty configuration, so that it makes no difference whether there is a data directory. Names with a dot belong to extensions, whose
 * code alone knows them. Reads only.
 */
export async function wishTrouble(world: World, place: NodePlace, wishes: Wishes): Promise<readonly Reason[]> {
  const names = Object.keys(wishes).sort();
  if (names.length === 0) return [];
  const known = misplaced(place, wishes);
  const programs = await world.node(place.name).programs();
  const complaints = await Promise.all(
    names
      .filter((name) => !name.includes('.') && !known.some((reason) => reason.setting === name))
      .map(async (name): Promise<readonly Reason[]> => {
        const complaint = await programs.settingComplaint(name, wishes[name] ?? '');
        return complaint === null ? [] : [{ code: 'setting-invalid', node: place.name, message: `${name} = ${wishes[name] ?? ''} is not taken by the server: ${complaint}`, hint: 'It comes from --set, or from set: in the cluster file.' }];
      }),
  );
  return [...known.map(({ setting: _, ...reason }) => reason), ...complaints.flat()];
}

/** Wishes for a standby that are lower than what its primary runs with, so that it would not start (hazard A01). Pure. */
export function tooLow(place: NodePlace, wishes: Wishes, primary: { readonly name: string; readonly settings: Effective }): readonly Reason[] {
  return REQUIRED_PARAMETERS.flatMap((name) => {
    const [wished, needed] = [wishes[name], primary.settings[name]?.value];
    if (wished === undefined || needed === undefined || !(Number(wished) < Number(needed))) return [];
    return [{ code: 'setting-breaks', node: place.name, message: `${name} = ${wished} is lower than the ${needed} of the primary ${primary.name}, and a standby with less does not start`, hint: 'Raise it on the standby first, lower it on the primary first.' }];
  });
}

/** Wishes that contradict what pgrepl does, or what a standby needs (hazards A05, A07, C20). Pure. */
export function misplaced(place: NodePlace, wishes: Wishes): readonly (Reason & { readonly setting: string })[] {
  return Object.entries(wishes).flatMap(([setting, value]) => {
    const because = (code: string, message: string, hint: string): readonly (Reason & { readonly setting: string })[] => [{ setting, code, node: place.name, message, hint }];
    const instead = OWNED.get(setting);
    if (instead !== undefined) return because('setting-owned', `${setting} is written by pgrepl itself, and cannot be set`, instead);
    if (RECOVERY_SETTINGS.includes(setting)) return because('setting-owned', `${setting} is written by pgrepl itself, and cannot be set`, 'It would stop or redirect a standby.');
    const off = readsAsOff(value);
    if (setting === 'hot_standby' && off) return because('setting-breaks', 'hot_standby = off would let nobody into a standby, pgrepl included', 'Leave it out.');
    if (setting === 'wal_level' && /^minimal$/i.test(value)) return because('setting-breaks', 'wal_level = minimal writes too little for a standby', 'replica or logical is needed.');
    if (setting === 'max_wal_senders' && Number(value) < SENDERS) return because('setting-breaks', `max_wal_senders = ${value} is not enough: a copy takes two, and one must be to spare`, `At least ${SENDERS} are needed; without the setting it is 10.`);
    if (setting === 'max_replication_slots' && Number(value) < 1) return because('setting-breaks', `max_replication_slots = ${value} leaves no slot for a standby`, 'Each standby needs one; without the setting it is 10.');
    if (setting === 'listen_addresses' && listenOn(place.host, value) !== value) return because('setting-breaks', `listen_addresses = ${value} leaves out ${place.host}, where the other nodes reach ${place.name}`, `Add ${place.host}, or leave the setting out: pgrepl then adds it.`);
    return [];
  });
}

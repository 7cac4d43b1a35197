import type { Setting } from '../postgres/server-facts.ts';
import type { Programs } from '../postgres/tools.ts';
import type { NodeFacts } from './facts.ts';

const NAMES = ['wal_level', 'max_wal_senders', 'max_replication_slots', 'hot_standby', 'wal_log_hints', 'listen_addresses', 'port', 'cluster_name', 'restore_command', 'archive_mode', 'archive_command'];
const SIZES = ['wal_keep_size', 'max_slot_wal_keep_size'];

/** What the files give the settings of a server at its next start, asked of the installed server itself (`postgres -C`), in the shape of pg_settings. */
export async function offlineSettings(programs: Programs, facts: NodeFacts, configFile: string | null): Promise<Readonly<Record<string, Setting>>> {
  const settings: Record<string, Setting> = {};
  const put = (name: string, value: string, unit: string | null): void => {
    settings[name] = { value, unit, source: 'configuration file', file: null, line: null, pendingRestart: false };
  };
  const ask = async (name: string): Promise<string | null> => await programs.settingValue(facts.place.pgdata, configFile, name);
  await Promise.all([
    ...NAMES.map(async (name) => {
      const value = await ask(name);
      if (value !== null) put(name, value, null);
    }),
    ...SIZES.map(async (name) => {
      const value = await ask(name);
      // -C prints the bare number in the unit of the setting (GetConfigOption in guc.c), not what SHOW would.
      if (value !== null) put(name, value, 'MB');
    }),
  ]);
  if (facts.control !== null) put('data_checksums', facts.control.checksums ? 'on' : 'off', null);
  return settings;
}

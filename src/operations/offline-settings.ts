import type { Setting } from '../postgres/server.ts';
import type { Programs } from '../postgres/tools.ts';
import { parseBytes } from '../postgres/units.ts';
import type { NodeFacts } from './facts.ts';

const NAMES = ['wal_level', 'max_wal_senders', 'max_replication_slots', 'hot_standby', 'wal_log_hints', 'listen_addresses', 'port', 'cluster_name'];
const SIZES = ['wal_keep_size', 'max_slot_wal_keep_size'];
const MB = 1024 * 1024;

/** What the files of a stopped server give its settings, asked of the installed server itself (`postgres -C`), in the shape of pg_settings. */
export async function offlineSettings(programs: Programs, facts: NodeFacts, configFile: string | null): Promise<Readonly<Record<string, Setting>>> {
  const settings: Record<string, Setting> = {};
  const put = (name: string, value: string, unit: string | null): void => {
    settings[name] = { value, unit, source: 'configuration file', file: null, line: null, pendingRestart: false };
  };
  for (const name of NAMES) {
    const value = await programs.settingValue(facts.place.pgdata, configFile, name);
    if (value !== null) put(name, value, null);
  }
  for (const name of SIZES) {
    const value = await programs.settingValue(facts.place.pgdata, configFile, name);
    // -C prints what SHOW would: `-1`, or a number with its unit.
    if (value !== null) put(name, value === '-1' ? value : String(parseBytes(value) / MB), 'MB');
  }
  if (facts.control !== null) put('data_checksums', facts.control.checksums ? 'on' : 'off', null);
  return settings;
}

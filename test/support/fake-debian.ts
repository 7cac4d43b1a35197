import { parseConf, quoteConf } from '../../src/postgres/conf-file.ts';
import type { Command, Exit, Host } from '../../src/host/host.ts';
import { configFolderOf, PG_CTL, type Service } from '../../src/postgres/service.ts';
import type { Disk } from './fake-disk.ts';

/** Where a cluster of Debian has its configuration: the folder whose postgresql.conf names this data directory; `null`: in no such folder. */
export function pairFolderOf(disk: Disk, directory: string): { readonly version: string; readonly name: string; readonly folder: string } | null {
  for (const version of disk.list('/etc/postgresql') ?? []) {
    for (const name of disk.list(`/etc/postgresql/${version}`) ?? []) {
      const folder = configFolderOf({ version, name });
      if (settingIn(disk.text(`${folder}/postgresql.conf`), 'data_directory') === directory) return { version, name, folder };
    }
  }
  return null;
}

/** Who starts the server of this directory on a machine without systemd. */
export function fakeService(disk: Disk, directory: string): Service {
  const found = pairFolderOf(disk, directory);
  if (found === null) return PG_CTL;
  const { version, name, folder } = found;
  return { manager: 'debian', pair: { version, name, start: disk.text(`${folder}/start.conf`)?.trim() ?? 'auto' } };
}

/** Where that service has the server read its configuration. */
export function configFileFor(disk: Disk, directory: string, configFile: string | null): string {
  const pair = pairFolderOf(disk, directory);
  return configFile ?? (pair === null ? `${directory}/postgresql.conf` : `${pair.folder}/postgresql.conf`);
}

/** pg_hba.conf or pg_ident.conf, where the configuration has it. */
export function fileOf(disk: Disk, directory: string, configFile: string, setting: 'hba_file' | 'ident_file'): string {
  return settingIn(disk.text(configFile), setting) ?? `${directory}/${setting === 'hba_file' ? 'pg_hba.conf' : 'pg_ident.conf'}`;
}

/**
 * The programs of postgresql-common, on a machine that has them. `null`: it is none of them. `pg_createcluster` on a finished data
 * directory, in the order of the real one, each of its acts a change of its own: it can die between any two of them.
 */
export async function runDebian(host: Host, { argv }: Command): Promise<Exit | null> {
  const ended = (code: number, stderr = ''): Exit => ({ code, signal: null, stdout: '', stderr });
  if (argv[0] === 'sh' && argv[2]?.includes('command -v pg_createcluster') === true) return ended(0);
  if (argv[0] !== 'pg_createcluster') return null;
  const [, , directory = '', , port = '', version = '', name = ''] = argv;
  const folder = configFolderOf({ version, name });
  if ((await host.stat(`${folder}/postgresql.conf`)) !== null || (await host.stat(`${folder}/pg_hba.conf`)) !== null) return ended(1, 'Error: cluster configuration already exists');
  await host.makeDirectory(folder, 0o755);
  await host.writeText(`${folder}/start.conf`, 'auto\n', { mode: 0o644 });
  const set = async (setting: string, value: string): Promise<void> => {
    const file = `${folder}/postgresql.conf`;
    await host.writeText(file, withSetting((await host.readText(file)) ?? '', setting, value));
  };
  for (const [file, setting] of [['postgresql.conf', null], ['pg_hba.conf', 'hba_file'], ['pg_ident.conf', 'ident_file']] as const) {
    const text = await host.readText(`${directory}/${file}`);
    if (text === null) return ended(1, `Error: move_conffile: required configuration file ${directory}/${file} does not exist`);
    await host.writeText(`${folder}/${file}`, text, { mode: 0o640 });
    await host.removeFile(`${directory}/${file}`);
    if (setting !== null) await set(setting, `${folder}/${file}`);
  }
  await set('data_directory', directory);
  await set('port', port);
  return ended(0);
}

function settingIn(text: string | null, setting: string): string | null {
  return parseConf(text ?? '').findLast((entry) => entry.name === setting)?.value ?? null;
}

/** In the place of the line that there is, else at the end (PgCommon::set_conffile_value). */
function withSetting(text: string, setting: string, value: string): string {
  const line = `${setting} = ${quoteConf(value)}\n`;
  const found = parseConf(text).find((entry) => entry.name === setting);
  return found === undefined ? text + line : text.slice(0, found.start) + line + text.slice(found.end);
}

import { renderConninfo } from './conninfo.ts';
import { features } from './features.ts';
import type { FoundPrograms } from './layout.ts';
import { serviceStart, serviceStop } from './service.ts';
import type { BaseBackupOptions, Programs, RewindOptions } from './tools.ts';

/** The argument lists of every program: the dry run prints them, the verbs run them. */
export function programWords({ binDir, versionNumber, locale }: FoundPrograms): Programs['words'] {
  const can = features(versionNumber);
  return {
    initDatabase: ({ directory, superuser }) => [
      `${binDir}/initdb`,
      '--pgdata',
      directory,
      `--username=${superuser}`,
      '--auth-local=peer',
      '--auth-host=scram-sha-256',
      '--data-checksums',
      '--encoding=UTF8',
      `--locale=${locale}`,
    ],
    baseBackup: (options) => [
      `${binDir}/pg_basebackup`,
      '--pgdata',
      options.directory,
      '--format=plain',
      '--wal-method=stream',
      `--slot=${options.slot}`,
      `--checkpoint=${options.checkpoint}`,
      '--no-password',
      '--progress',
      '--manifest-checksums=CRC32C',
      ...(options.compress === 'none' || !can.basebackupServerCompression ? [] : [`--compress=server-${options.compress}`]),
      ...(options.maxRate === null ? [] : [`--max-rate=${options.maxRate}`]),
      ...(options.waldir === null ? [] : [`--waldir=${options.waldir}`]),
      ...options.tablespaces.map(({ from, to }) => `--tablespace-mapping=${escapeMapping(from)}=${escapeMapping(to)}`),
      `--dbname=${upstreamOf(options)}`,
    ],
    verifyBackup: (directory) => [`${binDir}/pg_verifybackup`, directory],
    start: ({ directory, configFile, logFile, service }) => serviceStart(service) ?? [
      `${binDir}/pg_ctl`,
      'start',
      '--no-wait',
      '-D',
      directory,
      '--log',
      logFile,
      ...(configFile === null ? [] : ['--options', `-c config_file=${shellWord(configFile)}`]),
    ],
    // What is done is the same, without pg_ctl's waiting: SIGINT to the postmaster is a fast shutdown.
    rewind: (options, how) => [
      `${binDir}/pg_rewind`,
      ...(how === 'dry' ? ['--dry-run'] : ['--progress']),
      '--target-pgdata',
      options.directory,
      '--no-ensure-shutdown',
      ...(options.restoreTargetWal ? ['--restore-target-wal'] : []),
      ...(options.configFile === null || !can.rewindConfigFile ? [] : [`--config-file=${options.configFile}`]),
      `--source-server=${sourceOf(options)}`,
    ],
    recoverCrashed: (directory, configFile) => [
      `${binDir}/postgres`,
      '--single',
      '-D',
      directory,
      ...(configFile === null ? [] : ['-c', `config_file=${configFile}`]),
      // Undoes, for this run alone, the line that keeps a server from starting meanwhile.
      '-c',
      'superuser_reserved_connections=3',
      // pg_rewind needs the log from the last common checkpoint on, which the checkpoint at the end would remove.
      '-c',
      'wal_keep_size=2147483647',
      '-c',
      'archive_mode=off',
      'template1',
    ],
    stop: (directory, service) => serviceStop(service) ?? [`${binDir}/pg_ctl`, 'stop', '--mode=fast', '--no-wait', '-D', directory],
  };
}

/** Passwords are in the passfile alone: with PGPASSWORD or a password here they would be written down on the way (hazard C02). */
function upstreamOf({ host, port, user, passfile, applicationName, ssl }: BaseBackupOptions): string {
  return renderConninfo({ host, port: String(port), user, passfile, application_name: applicationName, ...ssl });
}

/** It reads the functions of pg_rewind in the database `postgres`, where they are granted. */
function sourceOf({ host, port, user, passfile, ssl }: RewindOptions): string {
  return renderConninfo({ host, port: String(port), user, dbname: 'postgres', passfile, application_name: 'pgrepl_rewind', ...ssl });
}

/** pg_basebackup splits the mapping at the first `=` that has no backslash. */
function escapeMapping(path: string): string {
  return path.replaceAll('=', '\\=');
}

/** pg_ctl hands the text of `--options` to a shell. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

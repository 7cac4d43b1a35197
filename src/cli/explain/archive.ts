import type { Explanations } from './explanation.ts';

/** The archive of finished WAL. */
export const ARCHIVE: Explanations = {
  'archive-behind': {
    means: 'Many finished WAL files wait for the archive, which does not fail.',
    why: 'They stay in pg_wal until it takes them, and a shutdown waits for it: so does a switchover.',
    remedy: 'Look at what archive_command waits for: a slow disk, a slow link, a compression with one process.',
  },
  'archive-command-invalid': {
    means: 'The archive command is empty, or not one line.',
    why: 'It becomes one line of pgrepl.conf.',
    remedy: 'Put a longer one into a script, and name that.',
  },
  'archive-command-long': {
    means: 'The command for this archive is longer than servers until 15 can run.',
    why: 'They cut it at 1024 bytes without a word, and what is left fails or does something else.',
    remedy: 'A shorter path (a symbolic link to it), or a script with a short name.',
  },
  'archive-failing': {
    means: 'The archive_command of a server fails for a WAL file.',
    why: 'The file, and all that come after it, stay in pg_wal until that is full, and the server then stops.',
    remedy: 'The log of the server has what the command printed. A file of that name with other content in the archive is a sign of a second primary: look for one first.',
  },
  'archive-fails': {
    means: 'A server was told to archive, and its first file failed three times.',
    why: 'That the settings are in force proves nothing; a file that arrives does.',
    remedy: 'The lines under the error are those of its log. Mend that, and run the same command again.',
  },
  'archive-inside': {
    means: 'The archive is inside the data directory.',
    why: 'Every copy would take it along, and it would be lost with the server.',
    remedy: 'Another file system, best one of another machine.',
  },
  'archive-missing': {
    means: 'The directory of the archive is not there.',
    why: 'A file system that is not mounted looks the same, and WAL would fill the disk below it: so pgrepl does not make it.',
    remedy: "Mount it, or make it for the server's owner: install -d -o postgres -m 0700 DIR.",
  },
  'archive-twice': {
    means: 'The command line names two archives.',
    why: 'A server has one archive_command.',
    remedy: 'Choose one of --archive-dir, --archive-command and --pgbackrest.',
  },
  'archive-unwritable': {
    means: "The server's owner may not write into the archive.",
    why: 'Every file would fail.',
    remedy: 'Give it to that user (chown).',
  },
  'archives-already': {
    means: 'The server has an archive_command or archive_library that pgrepl did not write.',
    why: 'Whoever reads that archive would find nothing new in it, without a word.',
    remedy: 'Leave the archive out, name that very command with --archive-command, or accept with --replace-archive that it goes.',
  },
  'pgbackrest-fails': {
    means: 'pgbackrest cannot read its repository.',
    why: 'What it cannot read it can hardly write.',
    remedy: 'pgbackrest --stanza=STANZA info, as the owner of the server, says more. Its configuration is yours.',
  },
  'pgbackrest-missing': {
    means: 'pgbackrest is not on the machine.',
    why: 'The server itself runs it, for every WAL file.',
    remedy: 'Install its package there, with the configuration of the cluster.',
  },
  'restore-failed': {
    means: 'pgbackrest could not restore the backup.',
    why: 'Nothing is started on a part of a backup.',
    remedy: 'The lines under the error are its own; pgbackrest --stanza=STANZA check looks at the repository.',
  },
  'source-and-waldir': {
    means: '--source pgbackrest and --waldir were given together.',
    why: 'pgbackrest restores pg_wal where the backup had it.',
    remedy: 'Leave one of the two out.',
  },
  'source-without-stanza': {
    means: '--source pgbackrest was given, and the archive of the cluster file is another one, or none.',
    why: 'A backup is of no use without the WAL that was written during and after it.',
    remedy: 'pgrepl init-primary NAME --pgbackrest STANZA first, or leave --source out.',
  },
  'stanza-invalid': {
    means: 'This cannot be the name of a stanza.',
    why: 'It stands in a command of the server.',
    remedy: 'Letters, digits, _, . and -.',
  },
  'stanza-missing': {
    means: 'The repository of pgbackrest has no such stanza.',
    why: 'Without it no file can be archived.',
    remedy: 'pgbackrest --stanza=STANZA stanza-create, as the owner of the running server.',
  },
  'stanza-needs-server': {
    means: '--pgbackrest was given for a server that does not exist yet.',
    why: 'A stanza is made for a running server, and holds its system identifier.',
    remedy: 'Make the server without it, then the stanza, then run init-primary again with it.',
  },
  'stanza-of-another': {
    means: 'The stanza is of another cluster: it has another system identifier.',
    why: 'pgbackrest refuses every file of a server with another one.',
    remedy: 'A stanza of its own for this cluster, or the one that belongs to it.',
  },
  'stanza-without-backup': {
    means: 'The stanza has no backup.',
    why: 'There is nothing to restore.',
    remedy: 'pgbackrest --stanza=STANZA backup, where the repository is.',
  },
};

/** Standbys that replay late on purpose. */
export const DELAY: Explanations = {
  'delay-needs-space': {
    means: 'The WAL of a delay would not fit on the disk of the standby.',
    why: 'What is received and not replayed stays there for the whole delay; a standby with a full disk stops.',
    remedy: 'A shorter delay, or more room for pg_wal (--waldir). The rate is that of the WAL files that the primary still has.',
  },
  'only-delayed': {
    means: 'The only standbys that could take over replay late on purpose.',
    why: 'A promotion replays all that such a standby holds back, and the time to undo a mistake is gone: so it is never taken unasked.',
    remedy: 'pgrepl promote NAME, if that is what is wanted.',
  },
};

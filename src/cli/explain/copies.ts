import type { Explanations } from './explanation.ts';

/** Copies, slots and directories. */
export const COPIES: Explanations = {
  'base-backup-failed': {
    means: 'pg_basebackup failed.',
    why: 'What it said is in the details; the half copy and the slot were taken back.',
    remedy: 'Mend what it names, then run the same command again.',
  },
  compress: {
    means: 'The server cannot compress a copy itself.',
    why: 'That came with PostgreSQL 15.',
    remedy: '--compress none, or auto.',
  },
  'copied-another-cluster': {
    means: 'The copy is of another cluster than the upstream.',
    why: 'The address in the cluster file led somewhere else.',
    remedy: 'Correct host and port of the upstream; they must lead to it from every machine.',
  },
  'copy-failed': {
    means: 'Files could not be copied on the machine.',
    why: 'Nothing goes on before they are safe.',
    remedy: 'The details name the file; disk space and rights are the usual causes.',
  },
  'demo-failed': {
    means: 'A command of the demo failed.',
    why: 'Its servers are removed.',
    remedy: 'What it printed is above; pgrepl demo runs it again.',
  },
  'demo-interrupted': {
    means: 'The demo was interrupted.',
    why: 'Its servers are removed.',
    remedy: 'pgrepl demo runs it again.',
  },
  'demo-stuck': {
    means: 'The client of the demo could not write for 30 seconds.',
    why: 'Something on this machine is too slow or stands.',
    remedy: 'Run it again on a quieter machine; report it if it stays.',
  },
  'directory-changed': {
    means: 'The directory is not the one that was looked at.',
    why: 'Somebody has moved another one there meanwhile.',
    remedy: 'pgrepl status, then run the same command again.',
  },
  'directory-in-use': {
    means: 'A server runs in the directory.',
    why: 'It must not be moved or replaced under it.',
    remedy: 'Stop it first; pgrepl status shows which it is.',
  },
  'directory-inside': {
    means: 'The new data directory lies inside that of another node.',
    why: 'It would be copied with it, again and again.',
    remedy: 'Choose another directory.',
  },
  'directory-missing': {
    means: 'The data directory is gone.',
    why: 'Somebody has moved or removed it meanwhile.',
    remedy: 'Look for it; pgrepl never deletes one, and moves them aside beside their place.',
  },
  'directory-not-empty': {
    means: 'The target directory is not empty.',
    why: 'pgrepl never writes over what is there.',
    remedy: 'Choose another directory, or move away what is in it. A file system root with lost+found wants a subdirectory.',
  },
  'directory-of-other': {
    means: 'The directory is the data directory of another node.',
    why: 'A standby needs one of its own.',
    remedy: 'Choose another with -D.',
  },
  'directory-was-removed': {
    means: 'A server still runs in a directory that was removed under it.',
    why: 'It holds the port and the memory, and writes nowhere.',
    remedy: 'It ends by itself within a minute; kill -QUIT PID ends it now.',
  },
  'full-page-writes': {
    means: 'full_page_writes is off.',
    why: 'A copy of a standby, and a rewind, need it on the primary.',
    remedy: 'Turn it on and reload, or copy from the primary.',
  },
  'initdb-failed': {
    means: 'initdb failed.',
    why: 'What it said is in the details; the directory was taken back.',
    remedy: 'Mend what it names: locale, rights, disk.',
  },
  leftovers: {
    means: 'Processes of an earlier, interrupted run still write into the directory.',
    why: 'Two writers in one directory destroy it.',
    remedy: 'They are listed; wait for them or end them, then run the same command again.',
  },
  'link-failed': {
    means: 'A link of a tablespace could not be made.',
    why: 'The copy would write into the tablespace of another server.',
    remedy: 'The details have the reason of the system.',
  },
  'major-differs': {
    means: 'The programs on the machine are of another major than the server.',
    why: 'Physical replication works within one major only.',
    remedy: 'Install the right one, or name it with --bin-dir.',
  },
  'no-server-user': {
    means: 'PostgreSQL does not run as root, and there is no other user to run it.',
    why: 'The demo needs an unprivileged one.',
    remedy: 'Run it as an ordinary user.',
  },
  'other-upstream': {
    means: 'The standby streams from another node than the one that was named.',
    why: 'A running standby is not re-pointed by the way.',
    remedy: 'pgrepl follow NAME --upstream NODE, or correct upstream: in the cluster file.',
  },
  'pair-failed': {
    means: "Debian's pg_createcluster failed.",
    why: 'On Debian a server is known to the system by that pair of directories.',
    remedy: 'The details have what it said; pg_lsclusters shows what is there.',
  },
  'pair-left': {
    means: "Debian's configuration directory of this name is there already.",
    why: 'It belongs to another or a former data directory.',
    remedy: 'Take it away if nobody needs it (pg_dropcluster), or choose another directory.',
  },
  published: {
    means: 'The copy is complete and at its place, and stays there.',
    why: 'It is not taken back after that: it may be in use.',
    remedy: 'Run the same command again; it goes on with the start.',
  },
  'recovery-conf': {
    means: 'The data directory has a recovery.conf.',
    why: 'No server starts with one since PostgreSQL 12.',
    remedy: 'Move it away, once what it says is known.',
  },
  senders: {
    means: 'Too few WAL senders are free.',
    why: 'A copy takes two and each standby one.',
    remedy: 'Raise max_wal_senders; it needs a restart.',
  },
  'server-runs': {
    means: 'A server runs in the target directory.',
    why: 'pgrepl does not replace what is there.',
    remedy: 'Choose another directory; init-primary adopts a running primary.',
  },
  'signal-missing': {
    means: 'The copy has no standby.signal.',
    why: 'Started as it is it would be a second primary.',
    remedy: 'Run the same command again; if it stays so, report it.',
  },
  'signal-present': {
    means: 'The directory has a standby.signal, and is to be started as a primary.',
    why: 'It would come up as a standby.',
    remedy: 'pgrepl status shows what the node is.',
  },
  'slot-active': {
    means: 'The replication slot is in use.',
    why: 'Another standby streams under this name.',
    remedy: 'Choose another name, or stop the other one.',
  },
  'slot-exists': {
    means: 'The replication slot exists already.',
    why: 'It may belong to somebody else.',
    remedy: 'pgrepl status shows who uses it.',
  },
  'slot-foreign': {
    means: 'There is a slot of this name, and nothing shows that it is ours.',
    why: 'A slot of somebody else is never used or dropped.',
    remedy: "Take another name, or drop it if nobody needs it: SELECT pg_drop_replication_slot('NAME').",
  },
  'slot-left': {
    means: 'A slot of an unfinished run is still there.',
    why: 'The marker beside the data directory proves that it is ours.',
    remedy: 'Run the same command again, or pgrepl undo.',
  },
  slots: {
    means: 'No replication slot is free.',
    why: 'Every standby has one of its own.',
    remedy: 'Raise max_replication_slots (it needs a restart), or drop what nobody needs.',
  },
  'staging-foreign': {
    means: 'A directory is in the way that was not made by pgrepl.',
    why: 'What is not ours is never removed.',
    remedy: 'Look into it, and move it away if nobody needs it.',
  },
  'tablespace-claimed': {
    means: 'A tablespace still belongs to a copy that is not finished.',
    why: 'It goes with that copy.',
    remedy: 'Finish or take back that run first.',
  },
  'tablespace-unknown': {
    means: 'The upstream has no tablespace at this place.',
    why: 'A mapping that fits nothing is a mistake.',
    remedy: 'The hint lists its tablespaces.',
  },
  'tablespace-unmapped': {
    means: 'A tablespace has no place of its own on the same machine.',
    why: 'The copy would write into that of the upstream.',
    remedy: '--tablespace OLD=NEW, or tablespaces: in the cluster file.',
  },
  'unfinished-copy': {
    means: 'The directory is being made by another, unfinished command.',
    why: 'Two copies into one directory destroy each other.',
    remedy: 'Finish that one, or take it back with pgrepl undo.',
  },
  'unfinished-run': {
    means: 'A command on this node was begun and has not finished.',
    why: 'What it made is in staging, or partly in place.',
    remedy: 'The same command goes on where it stopped; pgrepl undo takes it back.',
  },
  'upstream-detached': {
    means: 'The upstream is a standby that receives nothing.',
    why: 'A standby behind it would receive nothing either.',
    remedy: 'Attach it first; pgrepl status says why it is not.',
  },
  'upstream-disk-low': {
    means: 'The disk with the WAL of the upstream ran low during the copy, and the copy was stopped.',
    why: 'The slot keeps WAL there; a full disk would stop the primary.',
    remedy: 'Make room, or let the copy be faster (--max-rate higher, --compress).',
  },
  'upstream-down': {
    means: 'The upstream does not answer.',
    why: 'There is nothing to copy from or to follow.',
    remedy: 'pgrepl status.',
  },
  'verify-failed': {
    means: 'pg_verifybackup says that the copy is not what the upstream sent.',
    why: 'A disk or the way to it changed bytes. Such a copy is never started.',
    remedy: 'Look at the system log of the machine; try again, and do not use --no-verify to get around it.',
  },
};

import type { Explanations } from './explanation.ts';

/** Rejoin. */
export const REJOIN: Explanations = {
  'cannot-move-aside': {
    means: 'The data directory cannot be moved aside as a whole.',
    why: 'It is a mount point, or its parent is not writable; and nothing is deleted.',
    remedy: 'Take the node out and add it anew with another directory.',
  },
  'control-unreadable': {
    means: 'pg_control of the node cannot be read.',
    why: 'Nothing can be said about what it has.',
    remedy: 'pgrepl rejoin NAME --copy moves the directory aside and copies anew.',
  },
  'directory-foreign': {
    means: 'What is at the place of the node is no data directory.',
    why: 'pgrepl does not replace what is there.',
    remedy: 'Look into it, correct pgdata: or move it away.',
  },
  'foreign-file': {
    means: 'A file in the data directory belongs to another owner or is on another file system.',
    why: 'pg_rewind would fail at it half way.',
    remedy: 'Move it out for the time of the rewind.',
  },
  'half-rewound': {
    means: 'The directory is rewound, whole or half, and is locked.',
    why: 'It must not be started as it is.',
    remedy: 'Run the same rejoin again; it finishes.',
  },
  'history-missing': {
    means: "The history file of the node's timeline is not there.",
    why: 'Without it nobody can tell where its history leaves that of the primary.',
    remedy: 'Put it back from an archive, or pgrepl rejoin NAME --copy.',
  },
  'history-unreadable': {
    means: 'A timeline history cannot be read.',
    why: 'Where histories part is decided by it.',
    remedy: 'Look at the file; pgrepl rejoin NAME --copy needs none.',
  },
  'kept-foreign': {
    means: 'The place where a rejoin keeps what only the node has is taken.',
    why: 'An earlier rejoin has kept something of the same fork there.',
    remedy: 'Move it away first.',
  },
  'kept-needed': {
    means: 'What was kept aside is needed to finish the rejoin.',
    why: 'It is the way back.',
    remedy: 'Run the same rejoin again.',
  },
  'no-hints': {
    means: 'The node has neither checksums nor wal_log_hints.',
    why: 'Changes of hint bits are not in its log, and pg_rewind would miss blocks.',
    remedy: 'pgrepl rejoin NAME --copy. init-primary sets wal_log_hints for the next time.',
  },
  'node-not-stopped': {
    means: 'The node has a living server that cannot be asked.',
    why: 'What it has can be judged only of one that answers or is stopped.',
    remedy: 'Stop it on its machine.',
  },
  'node-unreachable': {
    means: 'The node cannot be reached.',
    why: 'Whether it runs, and what it has, is not known. It may still take writes.',
    remedy: 'Reach its machine.',
  },
  'not-consistent': {
    means: 'The directory has never come to the end of the copy or rewind that made it.',
    why: 'It cannot be rewound again.',
    remedy: 'pgrepl rejoin NAME --copy.',
  },
  'not-locked': {
    means: 'The directory could be started while it is rewound.',
    why: 'A half-rewound server destroys itself.',
    remedy: 'Run the same command again; look at who changes its mode.',
  },
  'other-history': {
    means: 'The node has another history than the primary under the same numbers.',
    why: 'pg_rewind would find nothing to do, and the standby would look well and hold other rows.',
    remedy: 'Only a copy anew brings it back: pgrepl rejoin NAME --copy. Its directory is kept aside.',
  },
  recovered: {
    means: 'The crash recovery of the node was done, or a part of it.',
    why: 'That is not taken back.',
    remedy: 'Run the same rejoin again.',
  },
  'recovery-failed': {
    means: 'The crash recovery of the node failed.',
    why: 'A rewind needs a cleanly stopped server.',
    remedy: 'The details have its log; pgrepl rejoin NAME --copy needs none.',
  },
  'rewind-did-nothing': {
    means: 'pg_rewind found nothing to do, although the histories differ.',
    why: 'It believes the number of the timeline.',
    remedy: 'pgrepl rejoin NAME --copy.',
  },
  'rewind-failed': {
    means: 'pg_rewind failed, perhaps half way.',
    why: 'The directory is locked and is not started as it is.',
    remedy: 'Mend what it says and run the same rejoin again, or rejoin with --copy.',
  },
  'tablespace-new': {
    means: 'The primary has a tablespace that the node does not have.',
    why: 'pg_rewind would make a link to that very place.',
    remedy: 'pgrepl rejoin NAME --copy gives it a place of its own.',
  },
  'tablespace-not-movable': {
    means: 'A tablespace of the node cannot be moved aside.',
    why: 'Nothing is deleted, so there must be room beside it.',
    remedy: 'Let its owner write there for the time of the copy.',
  },
  'wal-gone': {
    means: 'WAL that a rewind needs is no longer there.',
    why: 'It begins at the last checkpoint that both have.',
    remedy: 'pgrepl rejoin NAME --copy. wal_keep_size keeps more for the next time.',
  },
  'wal-unreadable': {
    means: 'The log of the node cannot be read to its end.',
    why: 'What only it has could not be counted.',
    remedy: 'Are pg_waldump and the WAL files there? pgrepl rejoin NAME --copy needs neither, and keeps the directory.',
  },
  'would-discard': {
    means: 'The node has what the primary does not have.',
    why: 'It would no longer be in a database. It is counted, and kept aside where it can be read.',
    remedy: 'Look at what it is; then --discard, as the command under next says.',
  },
};

import type { Explanations } from './explanation.ts';

/** Findings of status. */
export const STATUS_FINDINGS: Explanations = {
  'attachment-unproved': {
    means: 'A standby says that it streams, and its upstream could not be asked or is no node of the file.',
    why: 'What a standby says of itself proves nothing; only the upstream does.',
    remedy: 'Write the address of that upstream into the cluster file, or reach it.',
  },
  'clock-skew': {
    means: 'Clocks of two machines differ.',
    why: 'Lags in seconds and times in logs are off by that much. pgrepl decides nothing by clocks.',
    remedy: 'Let both synchronise their clocks (chrony, systemd-timesyncd).',
  },
  'commits-slow': {
    means: 'Commits wait long, although the synchronous standbys are there.',
    why: 'The slowest that they need decides.',
    remedy: 'Look at the disk of that standby and the link to it; remote_apply also waits for replay.',
  },
  fenced: {
    means: 'The node is an old primary that was locked by a failover.',
    why: 'Its directory cannot be started until it has rejoined; its WAL is untouched.',
    remedy: 'pgrepl rejoin NAME.',
  },
  'foreign-system-identifier': {
    means: 'The node is of another cluster.',
    why: 'It can never follow the primary of this one.',
    remedy: 'Correct its port and data directory in the cluster file.',
  },
  'node-closed': {
    means: 'The server runs and does not let pgrepl in.',
    why: 'What it is cannot be seen.',
    remedy: 'pgrepl doctor NODE names the rule that decided.',
  },
  'node-full': {
    means: 'The server takes no more sessions.',
    why: 'It runs; do not take it for dead.',
    remedy: 'End some sessions, or use a pooler.',
  },
  'node-silent': {
    means: 'The server has processes and does not answer.',
    why: 'A frozen server can go on at any moment.',
    remedy: 'Look at the machine; stop the server there before anything takes its place.',
  },
  'node-starting': {
    means: 'The server is starting up.',
    why: 'It lets nobody in until it has recovered.',
    remedy: 'Wait, and look again.',
  },
  'node-stopping': {
    means: 'The server is shutting down.',
    why: 'It waits for its clients and standbys.',
    remedy: 'Wait, and look again.',
  },
  'not-attached': {
    means: 'The standby runs and receives nothing.',
    why: 'It falls further behind, and what it needs may be removed.',
    remedy: 'The finding says why: no slot, no login, no route, another history. pgrepl doctor looks closer.',
  },
  'open-fence': {
    means: 'An old primary was taken for shut off by a statement only, and has not come back as a standby.',
    why: 'Nobody has proved that it takes no writes.',
    remedy: 'Reach it: a promote of the present primary locks it, rejoin brings it back.',
  },
  'parameter-lower': {
    means: 'A standby has lower settings than its primary.',
    why: 'At its next start it stops or stands still.',
    remedy: 'Raise them on the standby and restart it.',
  },
  'password-in-conninfo': {
    means: 'primary_conninfo has a password in it.',
    why: 'Whoever may read settings, files or backups reads it.',
    remedy: 'pgrepl follow writes it anew with a passfile.',
  },
  'paused-by-hand': {
    means: 'Replay is paused by hand.',
    why: 'The standby falls behind in what it shows, and WAL gathers on its disk.',
    remedy: 'SELECT pg_wal_replay_resume() goes on.',
  },
  'pending-restart': {
    means: 'Settings wait for a restart.',
    why: 'The next restart changes them, also an unplanned one.',
    remedy: 'Restart at a time of your choice.',
  },
  'self-following': {
    means: 'The standby streams from itself.',
    why: 'No write of the primary ever arrives, and its own lag reads 0.',
    remedy: 'pgrepl follow NAME --upstream PRIMARY; correct host and port in the cluster file.',
  },
  'slot-inactive': {
    means: 'A slot is used by nobody and keeps WAL.',
    why: 'It keeps more and more, up to the limit or the end of the disk.',
    remedy: 'Bring its standby back, or remove-standby, or drop it if nobody needs it.',
  },
  'slot-lost': {
    means: 'The WAL that a slot kept for its standby was removed.',
    why: 'The standby cannot go on from there.',
    remedy: 'An archive (restore_command), or pgrepl rejoin NAME copies it anew.',
  },
  'slot-no-limit': {
    means: 'Slots may keep WAL without a limit.',
    why: 'A standby that stays away fills the disk, and the primary stops.',
    remedy: 'pgrepl init-primary NODE sets max_slot_wal_keep_size; -1 under set: says that it is meant.',
  },
  'slot-retention': {
    means: 'A slot has nearly used what it may keep.',
    why: 'After that its standby must be copied anew.',
    remedy: 'Bring the standby back, or raise max_slot_wal_keep_size while there is room.',
  },
  'sync-differs': {
    means: 'The cluster file and the primary say two things about synchronous commits.',
    why: 'The next role change would take one of them along.',
    remedy: 'Whichever is meant: the command under next sets both.',
  },
  'sync-duplicate': {
    means: 'Several connections of one name acknowledge commits.',
    why: 'One of them may be no standby at all.',
    remedy: 'Give the other an application_name of its own.',
  },
  'sync-member-away': {
    means: 'A standby of the synchronous set does not stream.',
    why: 'If more go away, every commit waits.',
    remedy: 'Bring it back, or choose another set with pgrepl sync.',
  },
  'sync-not-waited': {
    means: 'synchronous_commit is off or local: commits do not wait, although a set is named.',
    why: 'A failover may lose what a client was told is done.',
    remedy: 'SET synchronous_commit = on, in the file or for the role.',
  },
  'sync-remote-write': {
    means: 'A commit waits until the standby has written it, not until it is on its disk.',
    why: 'It survives a crash of the server there, not one of the machine.',
    remedy: 'synchronous_commit = on waits for the disk.',
  },
  'sync-slow': {
    means: 'A standby of the synchronous set takes long to flush.',
    why: 'Commits wait for it.',
    remedy: 'Look at its disk and the link.',
  },
  'unknown-standby': {
    means: 'Something streams that the cluster file does not name.',
    why: 'It is not looked at, and no role change takes it along.',
    remedy: 'pgrepl add-standby for a standby; pg_receivewal and backups are no nodes.',
  },
};

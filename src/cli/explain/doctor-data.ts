import type { Explanations } from './explanation.ts';

/** What the doctor finds in slots, WAL, replay, vacuum and on disks. */
export const DOCTOR_DATA: Explanations = {
  'commits-wait-for-replay': {
    means: 'Commits wait for the replay of a standby that is late or paused.',
    why: 'Every one of them takes as long.',
    remedy: 'synchronous_commit = on, or take that standby out of the set.',
  },
  'delayed-feedback': {
    means: 'A delayed standby sends feedback.',
    why: 'Its primary keeps dead rows for all of that time.',
    remedy: 'hot_standby_feedback = off on the delayed one.',
  },
  'delayed-standby': {
    means: 'The standby replays late on purpose.',
    why: 'The WAL of that time stays on its disk.',
    remedy: 'Nothing to do; give its disk room.',
  },
  'feedback-holds-xmin': {
    means: 'A standby keeps vacuum of the primary back by its feedback.',
    why: 'Tables grow.',
    remedy: 'End the long query there, or set old queries a limit.',
  },
  'logical-slot-not-synced': {
    means: 'A standby lacks logical slots of the primary.',
    why: 'Promoted, it could not serve the subscribers.',
    remedy: 'From 17 on: sync_replication_slots, hot_standby_feedback and dbname in primary_conninfo.',
  },
  'logical-slot-stays': {
    means: 'Logical slots are on the primary alone.',
    why: 'After a change of roles the subscribers lose changes.',
    remedy: 'From 17 on failover slots; before that a new initial copy.',
  },
  'multixact-age': {
    means: 'The oldest multixact of a database is old.',
    why: 'Near the limit the server takes no more writes.',
    remedy: 'VACUUM FREEZE there, and look at what holds it back.',
  },
  'nothing-kept': {
    means: 'Nothing keeps WAL for a standby: no slot, no wal_keep_size, no archive.',
    why: 'After a short pause it must be copied anew.',
    remedy: 'pgrepl add-standby gives it a slot.',
  },
  'prepared-forgotten': {
    means: 'A prepared transaction is neither committed nor rolled back.',
    why: 'It holds its locks and keeps vacuum back; it outlives restarts and promotions.',
    remedy: 'COMMIT PREPARED or ROLLBACK PREPARED, once it is known whose it is.',
  },
  'readers-wait-for-replay': {
    means: 'Sessions of a standby wait for a table that replay has locked.',
    why: 'The primary holds that lock exclusively.',
    remedy: 'End the long transaction on the primary; ALTER TABLE with lock_timeout.',
  },
  'replay-waits-without-limit': {
    means: 'Replay waits for queries without a limit.',
    why: 'The standby falls behind for as long as a query runs.',
    remedy: 'max_standby_streaming_delay with a value.',
  },
  'replication-conflicts': {
    means: 'Replay has cancelled queries.',
    why: 'Readers of the standby see errors.',
    remedy: 'hot_standby_feedback, or a longer max_standby_streaming_delay: each has its price.',
  },
  'rewind-refused': {
    means: 'The node has neither checksums nor wal_log_hints.',
    why: 'After a failover it could not be rewound, only copied anew.',
    remedy: 'wal_log_hints = on, with a restart.',
  },
  'rewind-without-wal': {
    means: 'The node keeps no old WAL.',
    why: 'A rewind after a failover may lack what it needs.',
    remedy: 'pgrepl init-primary NODE sets wal_keep_size.',
  },
  'session-holds-xmin': {
    means: 'A session keeps vacuum back.',
    why: 'Tables grow.',
    remedy: 'End it; idle_in_transaction_session_timeout ends such sessions.',
  },
  'slot-holds-xmin': {
    means: 'A slot that nobody uses keeps vacuum back.',
    why: 'Tables grow; in the end transaction ids run out.',
    remedy: 'Bring its standby back, or drop the slot.',
  },
  'slot-idle-timeout': {
    means: 'A slot is unused and will be given up after idle_replication_slot_timeout.',
    why: 'Its standby must be copied anew then.',
    remedy: 'Bring it back, or raise the limit.',
  },
  'slot-limit-over-space': {
    means: 'Slots may keep more WAL than the disk has room for.',
    why: 'A standby that stays away fills it before the limit helps.',
    remedy: 'A lower max_slot_wal_keep_size, or a larger disk.',
  },
  'slot-of-long-backup': {
    means: 'A temporary slot is held by a session for long.',
    why: 'A backup that hangs: its WAL is kept until the session ends.',
    remedy: 'Look at it, and end it.',
  },
  'slot-on-standby': {
    means: 'A slot on a standby is used by nobody.',
    why: 'It keeps WAL there, and nobody moves it.',
    remedy: 'Drop it.',
  },
  'slot-running-out': {
    means: 'A slot may be lost soon, at the rate at which WAL is written.',
    why: 'After that its standby must be copied anew.',
    remedy: 'Bring the standby back, or raise max_slot_wal_keep_size.',
  },
  'slot-shared': {
    means: 'Two standbys use one slot.',
    why: 'Only one of them can stream.',
    remedy: 'Give each its own: pgrepl follow NAME --upstream NODE.',
  },
  'slot-without-position': {
    means: 'A slot has no position.',
    why: 'It keeps no WAL for whoever will use it.',
    remedy: 'Drop it, and make it with immediate reservation.',
  },
  'slots-few': {
    means: 'All replication slots are in use.',
    why: 'No further standby gets one.',
    remedy: 'Raise max_replication_slots.',
  },
  'slots-over-limit': {
    means: 'The server has more slots than its files allow.',
    why: 'Its next start fails.',
    remedy: 'Raise max_replication_slots again, or drop slots.',
  },
  'space-low': {
    means: 'A file system has little room.',
    why: 'A primary with a full disk stops.',
    remedy: 'Make room, or a larger disk.',
  },
  'standby-slots-away': {
    means: 'synchronized_standby_slots names slots that nobody uses.',
    why: 'Logical replication waits for them, and so does a shutdown.',
    remedy: 'Bring that standby back, or take it off the list.',
  },
  'unlogged-tables': {
    means: 'Tables are unlogged.',
    why: 'After a change of roles they are empty.',
    remedy: 'ALTER TABLE … SET LOGGED for what must be kept.',
  },
  'vacuum-behind': {
    means: 'autovacuum does not keep up with tables.',
    why: 'They grow, and queries slow down.',
    remedy: 'Look at their settings and at what holds vacuum back.',
  },
  'wal-kept': {
    means: 'Something keeps WAL and lets go of none.',
    why: 'The disk fills up.',
    remedy: 'The finding names it: a slot, an archive that fails, or a backup.',
  },
  'wal-level-minimal': {
    means: 'wal_level is minimal.',
    why: 'Its WAL cannot be replicated; older copies are of no use any more.',
    remedy: 'pgrepl init-primary NODE --restart.',
  },
  'xid-age': {
    means: 'The oldest transaction id of a database is old.',
    why: 'Near the limit the server takes no more writes.',
    remedy: 'VACUUM FREEZE there, and look at what holds it back.',
  },
};

import type { Explanations } from './explanation.ts';

/** Changes of roles. */
export const ROLES: Explanations = {
  'ahead-of-switch': {
    means: 'The standby has more of its timeline than its new upstream kept.',
    why: 'It would ask for WAL that does not exist, for ever.',
    remedy: 'pgrepl rejoin NAME.',
  },
  'archive-backlog': {
    means: 'WAL files of the primary wait for archive_command.',
    why: 'A shutdown waits until all of them are archived: the switchover would stand still.',
    remedy: 'Mend the archive; pg_stat_archiver shows what fails.',
  },
  'backup-running': {
    means: 'A base backup of the primary is running.',
    why: 'The stop would break it.',
    remedy: 'Wait for it to end, or end it.',
  },
  'better-candidate': {
    means: 'Another standby has more than the one that was named.',
    why: 'What it has more would be lost, and it could not follow.',
    remedy: 'Promote that one.',
  },
  'candidate-changed': {
    means: 'The candidate is no standby any more.',
    why: 'Somebody else has promoted it meanwhile.',
    remedy: 'pgrepl status before anything else.',
  },
  'candidate-down': {
    means: 'The candidate does not answer.',
    why: 'It could not take over.',
    remedy: 'Start it, or name another.',
  },
  'cannot-prove-stopped': {
    means: 'It is not proved that the old primary takes no writes.',
    why: 'A refused or silent port proves nothing; two primaries cannot be merged by any program.',
    remedy: 'Reach its machine and stop it there. If it cannot be reached: shut it off, and state how with --fenced.',
  },
  'commits-wait': {
    means: 'Commits of the primary wait for a synchronous standby.',
    why: 'A restart makes what waits visible without one; and until a standby is back every commit waits.',
    remedy: 'Bring the synchronous standbys back, or choose another set with pgrepl sync.',
  },
  delayed: {
    means: 'The candidate replays with a delay and cannot be caught up in time.',
    why: 'A delay is there on purpose: as a window to look back.',
    remedy: 'Name another candidate.',
  },
  'fence-contradicted': {
    means: 'The old primary was said to be shut off, and it lives.',
    why: 'It takes writes, whatever was stated.',
    remedy: 'Stop it on its machine; then no statement is needed. If it is healthy, switchover loses nothing.',
  },
  'fence-is-undone': {
    means: 'The container sets the mode of the data directory back when it starts.',
    why: 'After a failover the old primary is locked by that mode; the container would undo it and take writes again.',
    remedy: 'Stop the container, without a restart policy, and promote then.',
  },
  'has-followers': {
    means: 'Others stream from the node that is to be taken out.',
    why: 'They would lose their upstream.',
    remedy: 'Re-point them with pgrepl follow.',
  },
  'is-a-standby': {
    means: 'The node is a standby.',
    why: 'init-primary makes or adopts primaries; a standby becomes one by promote only.',
    remedy: 'pgrepl promote NAME.',
  },
  'is-the-primary': {
    means: 'The node is the primary.',
    why: 'It cannot follow, be taken out, or be its own standby.',
    remedy: 'pgrepl switchover first, where another is to be the primary.',
  },
  lagging: {
    means: 'The candidate is far behind in replay.',
    why: 'Writes would pause until that is replayed.',
    remedy: 'Wait until it has caught up; pgrepl status --watch.',
  },
  loop: {
    means: 'A standby would stream, or streams, from one that streams from it.',
    why: 'No write of a primary ever arrives.',
    remedy: 'pgrepl follow NAME --upstream PRIMARY.',
  },
  loss: {
    means: 'A failover to this standby would lose what the message counts.',
    why: 'Loss is never accepted by the way.',
    remedy: 'If the old primary can be started again, nothing is lost: do that. Else give the number with --accept-loss.',
  },
  'loss-unknown': {
    means: 'How much a failover would lose is not known.',
    why: 'The WAL of the old primary cannot be read.',
    remedy: 'Make its disk readable, or accept it with --accept-loss unknown.',
  },
  'managed-by-other': {
    means: 'The node is managed by another program: Patroni, repmgr, pg_auto_failover, CloudNativePG or the like.',
    why: 'Two managers undo what the other does. Looking is fine.',
    remedy: 'Use that program, or take the node out of its hands first.',
  },
  'mark-failed': {
    means: 'The stopped primary could not be marked as a standby.',
    why: 'Without the mark a reboot could bring it up writable, so nothing is promoted.',
    remedy: 'The old primary is started again. Look at the details: disk and rights.',
  },
  'no-candidate': {
    means: 'No standby can take over.',
    why: 'Each one and why is in the message.',
    remedy: 'pgrepl status; start or attach a standby first.',
  },
  'no-old-primary': {
    means: 'No node of the cluster file was the primary last.',
    why: 'If the primary is a node that the file does not name, it may be running.',
    remedy: 'Correct the cluster file, then look again.',
  },
  'no-primary': {
    means: 'No primary answers.',
    why: 'Without one nobody can be followed, and whatever would be needed to replace it is left alone.',
    remedy: 'pgrepl status says what each node is. Start the primary again, or pgrepl promote.',
  },
  'node-down': {
    means: 'The node is stopped.',
    why: 'It takes no part until it runs; what it was says how it comes back.',
    remedy: 'The command under next: add-standby starts a standby again, rejoin brings back one that fell out.',
  },
  'not-a-standby': {
    means: 'The candidate is no standby.',
    why: 'Only a standby can be promoted.',
    remedy: 'pgrepl status.',
  },
  'not-streaming': {
    means: 'The standby does not stream from the primary.',
    why: 'Only one that does has everything in a switchover, or can let commits wait for it.',
    remedy: 'pgrepl status says why; pgrepl follow NAME --upstream PRIMARY for a cascaded one.',
  },
  'old-primary-alive': {
    means: 'The old primary runs again.',
    why: 'Somebody has started it while it was to stay stopped; a promotion would make a second writer.',
    remedy: 'Find out who starts it (pgrepl doctor, rule services), stop that, then run the same command again.',
  },
  'other-node-unseen': {
    means: 'Another node cannot be seen and may be the primary.',
    why: 'Starting this one could make a second.',
    remedy: 'Reach it first.',
  },
  'parameter-too-low': {
    means: "A setting of the standby is lower than what the primary's WAL demands.",
    why: 'It would stop, or stand still in its replay.',
    remedy: 'Raise it there and restart; standbys are raised first.',
  },
  'primary-changed': {
    means: 'The primary is another one, or on another timeline, than when it was looked at.',
    why: 'Somebody else changed roles meanwhile.',
    remedy: 'pgrepl status, then run the same command again.',
  },
  'primary-down': {
    means: 'The primary does not answer.',
    why: 'What is to be changed there cannot be.',
    remedy: 'pgrepl status.',
  },
  'primary-exists': {
    means: 'The cluster has a primary already.',
    why: 'A second one is a cluster of its own.',
    remedy: 'pgrepl add-standby makes a standby; another cluster wants its own cluster file.',
  },
  'primary-full': {
    means: 'The primary runs and takes no more sessions.',
    why: 'It takes writes, so no other node may.',
    remedy: 'End some of its sessions, then a switchover loses nothing.',
  },
  'primary-not-healthy': {
    means: 'switchover needs a healthy primary.',
    why: 'It is only ever planned.',
    remedy: 'Start the primary again, or pgrepl promote for a failover.',
  },
  'primary-restarted': {
    means: 'Somebody started the old primary again in the middle of the hand-over.',
    why: 'It went back: a service manager or a colleague must not do that during a change of roles.',
    remedy: 'Find who did, then run the same command again.',
  },
  'primary-runs': {
    means: '--failover was given, and the primary runs and takes writes.',
    why: 'A failover would make a second writer.',
    remedy: 'pgrepl switchover loses nothing.',
  },
  'promote-pending': {
    means: 'A node was told to become the primary, and may still do so.',
    why: 'The request stays in force, whoever sent it; a second promotion would make two primaries.',
    remedy: 'Run promote of that same node again, or wait and look at pgrepl status.',
  },
  'promote-running': {
    means: 'Another pgrepl is about to promote this node.',
    why: 'One is enough.',
    remedy: 'Wait for it.',
  },
  'promote-unknown': {
    means: 'The promote request was sent, and its answer is missing (exit 6).',
    why: 'It stays in force in the server.',
    remedy: 'Do not promote another node. pgrepl status, then the same command again.',
  },
  promoted: {
    means: 'The node is the primary now.',
    why: 'That cannot be taken back; the rest goes forward.',
    remedy: 'Run the same command again: it finishes.',
  },
  'receiver-behind': {
    means: 'Something that streams from the primary is far behind.',
    why: 'A shutdown waits for it.',
    remedy: 'Let it catch up, or disconnect it.',
  },
  'replay-paused': {
    means: 'Replay on the standby is paused or stands.',
    why: 'Paused by hand it may guard against a mistake; standing still it lacks a setting. Either way it cannot take over or be re-pointed.',
    remedy: 'SELECT pg_wal_replay_resume(), or raise the setting that the finding names.',
  },
  'second-primary': {
    means: 'Another node runs as the primary of the same system identifier.',
    why: 'Two writers of one cluster cannot be merged.',
    remedy: 'pgrepl status; rejoin brings the old one back.',
  },
  'sibling-parameter-too-low': {
    means: 'A standby has a lower setting than the candidate runs with.',
    why: 'It would stop replaying after the change.',
    remedy: 'Raise it there and restart.',
  },
  'standby-delayed': {
    means: 'Standbys with a delay do not look for the new upstream yet (exit 5).',
    why: 'They do so when they come to the end of what they replay.',
    remedy: 'Wait; the same command finishes it.',
  },
  'standby-file-missing': {
    means: 'The standby settings of the old primary name no upstream.',
    why: 'It would come up as a standby of nobody.',
    remedy: 'Run the same command again.',
  },
  'standby-may-have-more': {
    means: 'A stopped or unseen standby may have more than the candidate.',
    why: 'What it has more would be lost, and it could not follow.',
    remedy: 'Start or reach it, and look again with --dry-run.',
  },
  'standby-paused': {
    means: 'Standbys whose replay is paused do not look for the new upstream (exit 5).',
    why: 'A paused one looks for no other.',
    remedy: 'SELECT pg_wal_replay_resume() there; the same command finishes it.',
  },
  'start-disabled': {
    means: 'start.conf of Debian says "disabled".',
    why: 'Neither pg_ctlcluster nor systemd starts that server, also after a change of roles.',
    remedy: 'echo manual into start.conf: it can be started, and is not at boot; auto does both.',
  },
  'synchronized-slot-inactive': {
    means: 'synchronized_standby_slots names a slot that nobody uses.',
    why: 'A shutdown would wait for it for ever.',
    remedy: 'Bring that standby back, or take it off the list.',
  },
  'two-primaries': {
    means: 'Two nodes take writes.',
    why: 'What the wrong one writes from now on is lost or must be merged by hand. Nothing that writes is run until then.',
    remedy: 'Stop the one that is not meant to write, before anything else. rejoin brings it back and keeps what only it has.',
  },
  'upstream-behind': {
    means: 'The new upstream has less than the standby.',
    why: 'The standby would stand still until it has caught up.',
    remedy: 'Wait, or name another.',
  },
  'upstream-older': {
    means: 'The upstream is on an older timeline.',
    why: 'A standby never goes back.',
    remedy: 'Name the primary; rejoin where the standby fell out.',
  },
  'witness-sees-primary': {
    means: 'A standby still streams from the old primary.',
    why: 'So it lives, whatever was stated.',
    remedy: 'Shut the old primary off; the standby notices at the latest after wal_receiver_timeout.',
  },
  'wrong-role': {
    means: 'A server runs in another role than the one it should have.',
    why: 'Somebody changed it meanwhile, or the signal files do not fit.',
    remedy: 'pgrepl status.',
  },
  'standby-stopped': {
    means: 'The server of a standby ended while the run waited for it to stream, and nobody started it again.',
    why: 'A server that does not run never streams; waiting longer changes nothing.',
    remedy: 'Read the end of its log, start it as ever, and type the same command again.',
  },
};

import type { Explanations } from './explanation.ts';

/** What the doctor finds in settings, files, roles, machines and versions. */
export const DOCTOR_FINDINGS: Explanations = {
  'certificate-expired': {
    means: 'The certificate that a server shows has expired.',
    why: 'Whoever verifies it cannot connect any more; streams that stand go on until they break.',
    remedy: 'Put a new one under the same name and reload the server.',
  },
  'certificate-expires': {
    means: 'The certificate that a server shows expires in less than 30 days.',
    why: 'Nothing is seen of it until a standby reconnects.',
    remedy: 'Put a new one under the same name and reload the server.',
  },
  'certificate-key': {
    means: 'The key of a server has an owner or a mode that PostgreSQL refuses.',
    why: 'A reload goes on with the key that was loaded; the next start fails.',
    remedy: "It belongs to the server's owner with 0600 or less, or to root with 0640 or less.",
  },
  'stream-unverified': {
    means: 'A standby does not verify that it streams from its upstream, although both have certificates.',
    why: 'Whoever answers at that address gets its password exchange, and could send it any WAL.',
    remedy: 'pgrepl add-standby NODE writes its files anew.',
  },
  'tls-not-used': {
    means: 'A server does not show the certificate that the cluster file has for it.',
    why: 'Its standbys would not accept it, or come without TLS.',
    remedy: 'pgrepl init-primary NODE for the primary, pgrepl add-standby NODE for a standby.',
  },
  'alter-system-off': {
    means: 'ALTER SYSTEM is switched off.',
    why: 'Settings change in files only, and what postgresql.auto.conf holds is still read.',
    remedy: 'Nothing to do; know it.',
  },
  'archive-differs': {
    means: 'Archiving is set otherwise on this node than on the primary.',
    why: 'Promoted, it would archive elsewhere or not at all.',
    remedy: 'Give both the same archive_mode and archive_command.',
  },
  'backup-label': {
    means: 'A running primary has a backup_label.',
    why: 'After a crash it may start from the wrong place.',
    remedy: 'End the backup with the function of its major; never start a copy by removing the file.',
  },
  'candidate-too-small': {
    means: 'max_wal_senders or max_replication_slots of a standby is too low for the other nodes.',
    why: 'Promoted, it could not serve all of them.',
    remedy: 'Raise it there and restart that standby.',
  },
  'collation-libraries-differ': {
    means: 'Two nodes sort text by other versions of the library.',
    why: 'Indexes on text that were built on one may miss rows on the other.',
    remedy: 'Give both the same operating system release, or REINDEX after a change of roles.',
  },
  'contents-differ': {
    means: 'A standby has other rows than its primary, although it replays the same log.',
    why: 'It was a primary in between, or its disk is damaged. It streams, and has no lag; nothing else shows it.',
    remedy: 'Do not promote it. pgrepl remove-standby NAME, then pgrepl add-standby NAME makes it anew.',
  },
  'contents-not-compared': {
    means: 'Tables of a standby could not be compared with those of the primary.',
    why: 'They change all the time, or the standby does not replay; the evidence says which.',
    remedy: 'pgrepl doctor --deep again, when less is written.',
  },
  'collation-mismatch': {
    means: 'Databases were made with another version of the collation library.',
    why: 'Indexes on text may miss rows now.',
    remedy: 'REINDEX what is affected, then ALTER DATABASE … REFRESH COLLATION VERSION.',
  },
  'commit-levels': {
    means: 'A role or database has a weaker synchronous_commit than the server.',
    why: 'Its commits do not wait for the set.',
    remedy: 'ALTER ROLE or ALTER DATABASE … RESET synchronous_commit, if it is not meant.',
  },
  'configuration-put-back': {
    means: 'The include of pgrepl, its file or its block is missing from the configuration.',
    why: 'A configuration management may have put an older file back; a restart would lose settings.',
    remedy: 'Let it carry the include and the block. The command under next writes them again.',
  },
  'directory-mode': {
    means: 'The data directory has a mode from which no server starts.',
    why: 'It goes on until it is restarted.',
    remedy: 'chmod 0700.',
  },
  'directory-owner': {
    means: 'The data directory belongs to another user.',
    why: 'A server starts only as the owner.',
    remedy: 'Correct os-user: in the cluster file, or the owner.',
  },
  'extension-versions': {
    means: 'A node has other versions of an extension.',
    why: 'After a change of roles statements may fail, or an update cannot be done.',
    remedy: 'Install the same packages everywhere.',
  },
  'fsync-off': {
    means: 'fsync is off.',
    why: 'A crash of the machine destroys the cluster.',
    remedy: 'ALTER SYSTEM SET fsync = on.',
  },
  'full-page-writes-off': {
    means: 'full_page_writes is off.',
    why: 'A crash may leave torn pages, on standbys too.',
    remedy: 'ALTER SYSTEM SET full_page_writes = on.',
  },
  'hba-hostssl-without-ssl': {
    means: 'Rules of pg_hba.conf are for encrypted connections alone, and ssl is off.',
    why: 'They never match: what looks allowed is not, and what looks rejected may be let in by a later rule.',
    remedy: 'Turn ssl on, or change the rules.',
  },
  'hba-names': {
    means: 'pg_hba.conf lets in by name.',
    why: 'At every login the DNS is asked in both directions; when it does not answer, standbys stay out.',
    remedy: 'Addresses.',
  },
  'hba-quoted-replication': {
    means: 'A rule names a database "replication" in quotes.',
    why: 'It lets no standby in: without quotes it is the keyword.',
    remedy: 'Take the quotes away.',
  },
  'hba-trust': {
    means: 'pg_hba.conf lets in from other machines without a password.',
    why: 'Whoever reaches the port reads or copies everything.',
    remedy: 'scram-sha-256 instead of trust.',
  },
  'log-in-data-directory': {
    means: 'The server writes its log inside the data directory.',
    why: 'Copies and rewinds take it along; one that grows meanwhile may stop a rewind.',
    remedy: 'log_directory outside of it.',
  },
  'machine-unreachable': {
    means: 'A machine cannot be reached.',
    why: 'No role change counts on it, and whether its server runs is not known.',
    remedy: 'The same command by hand, as the hint says.',
  },
  'major-skew': {
    means: 'A standby has another major than its primary.',
    why: 'They cannot replicate.',
    remedy: 'A standby is made anew with the programs of its primary.',
  },
  'manager-nearby': {
    means: 'A program of another cluster manager runs on the machine.',
    why: 'If it is for this server, two would manage it.',
    remedy: 'Let one of the two manage it.',
  },
  'minor-old': {
    means: 'The minor has known bugs of replication.',
    why: 'They are listed, with the minor that mends each.',
    remedy: 'Update: standbys first, the primary last.',
  },
  'minor-skew': {
    means: 'Nodes run different minors.',
    why: 'A primary may write what an older minor cannot replay.',
    remedy: 'Standbys are updated first.',
  },
  'old-primary-may-start': {
    means: 'An old primary is stopped, not locked, and may be started at boot.',
    why: 'It would take writes.',
    remedy: 'pgrepl rejoin NAME.',
  },
  'owner-missing': {
    means: 'The machine has no user of that name.',
    why: 'Nothing could be started there.',
    remedy: 'Correct os-user: in the cluster file.',
  },
  'owner-rights': {
    means: 'pgrepl may not act as the owner on that machine.',
    why: 'It can look and change nothing there.',
    remedy: 'The sudo line in the hint.',
  },
  'parameter-higher': {
    means: 'A standby has higher settings than others that would follow it.',
    why: 'Promoted, it would break their replay.',
    remedy: 'Raise them on the others first.',
  },
  'passfile-mode': {
    means: 'The passfile may be read by others.',
    why: 'libpq overlooks it: the standby has no password.',
    remedy: 'chmod 0600.',
  },
  'password-md5': {
    means: 'A password is kept as MD5.',
    why: 'A rule with scram-sha-256 refuses it, and MD5 goes away.',
    remedy: 'Set it anew with password_encryption = scram-sha-256.',
  },
  'processors-differ': {
    means: 'Machines with other processors replicate each other.',
    why: 'Physical replication copies bytes: between some processors orders of text and numbers differ.',
    remedy: 'One kind of processor in one cluster.',
  },
  'programs-missing': {
    means: 'The server programs of a node were not found.',
    why: 'It can be started, copied and rewound by nobody.',
    remedy: 'Install them, or bin-dir: in the cluster file.',
  },
  'programs-other-major': {
    means: 'The programs found are of another major than the server.',
    why: 'They cannot be used on its directory.',
    remedy: 'bin-dir: in the cluster file.',
  },
  'promote-trigger': {
    means: 'promote_trigger_file is set.',
    why: 'Whoever makes that file promotes the server, and a copy has the setting too.',
    remedy: 'ALTER SYSTEM RESET promote_trigger_file.',
  },
  'recovery-target': {
    means: 'A recovery target is set.',
    why: 'A standby replays up to there and no further; a later start may stop or promote it.',
    remedy: 'ALTER SYSTEM RESET of the names that are listed.',
  },
  'restart-after-update': {
    means: 'The programs were updated and the server was not restarted.',
    why: 'Sessions may load new libraries into the old server.',
    remedy: 'Restart it.',
  },
  'restart-pending': {
    means: 'Settings wait for a restart.',
    why: 'The next restart changes them, also an unplanned one.',
    remedy: 'Restart at a time of your choice, standbys first where they are raised.',
  },
  'same-machine': {
    means: 'Several nodes are on one machine.',
    why: 'What takes it takes all of them.',
    remedy: 'Put them on machines of their own where that matters.',
  },
  'same-machine-id': {
    means: 'Machines have one machine id: they were made from one image.',
    why: 'DHCP and logs may take them for one.',
    remedy: 'Make a new id (systemd-machine-id-setup).',
  },
  'senders-few': {
    means: 'Few WAL senders are free.',
    why: 'A copy takes two, and each standby one.',
    remedy: 'Raise max_wal_senders; standbys first, the primary last.',
  },
  'service-restarts': {
    means: 'systemd starts the server again whenever it ends.',
    why: 'Stopped in another way than through systemd it comes back.',
    remedy: 'Nothing to do; pgrepl goes through systemd.',
  },
  'service-unclear': {
    means: 'Who starts the server is not as it should be.',
    why: 'It may be started by two, or by nobody.',
    remedy: 'The hint says what was found; service: in the cluster file.',
  },
  'settings-differ': {
    means: 'Settings differ from those of the primary.',
    why: 'After a change of roles the node works with its own.',
    remedy: 'What is meant to differ belongs under set: of the node.',
  },
  'signal-in-primary': {
    means: 'A running primary has a standby.signal or recovery.signal.',
    why: 'After the crash of one process it comes back as a standby.',
    remedy: 'Remove the file.',
  },
  'sizes-differ': {
    means: 'Sizes that depend on the machine differ.',
    why: 'Right where the machines differ.',
    remedy: 'Nothing to do where they do.',
  },
  'sync-anybody': {
    means: 'Whatever streams acknowledges commits.',
    why: 'A pg_receivewal is no standby to fail over to.',
    remedy: 'pgrepl sync any 1 names the standbys.',
  },
  'target-timeline': {
    means: 'recovery_target_timeline is not latest.',
    why: 'The standby does not follow a primary that was promoted.',
    remedy: "ALTER SYSTEM SET recovery_target_timeline = 'latest'.",
  },
  'timeout-off': {
    means: 'A time limit of replication is off.',
    why: 'A connection that a firewall dropped stays for good, and with it the use of its slot.',
    remedy: 'ALTER SYSTEM RESET of its name: a minute.',
  },
};

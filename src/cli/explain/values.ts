import type { Explanations } from './explanation.ts';

/** The value of an option or an argument. */
export const VALUES: Explanations = {
  'address-everybody': {
    means: 'The range 0.0.0.0/0 or ::/0 was given as addresses of standbys.',
    why: 'Replication hands out every byte of the cluster, so it is never opened to everybody.',
    remedy: 'Name the networks of the standbys: --allow 10.0.0.0/24, repeatable.',
  },
  'address-invalid': {
    means: 'What was given is not an IP address or a range of them.',
    why: 'pg_hba.conf compares addresses; a name there would ask the DNS at every login.',
    remedy: 'Write 10.0.0.5, 10.0.0.0/24, 2001:db8::5 or 2001:db8::/32.',
  },
  'block-label-invalid': {
    means: 'The label of the block in pg_hba.conf cannot be used.',
    why: 'The label is how pgrepl finds its own lines again.',
    remedy: 'Choose a plain name for the cluster.',
  },
  'budget-invalid': {
    means: '--budget is not a time between one second and one hour.',
    why: 'It is the longest time without a writable primary before a switchover goes back.',
    remedy: 'Write it in seconds: --budget 30.',
  },
  'cluster-invalid': {
    means: 'The name given with --cluster cannot be the name of a cluster.',
    why: 'It becomes a part of file names: the journal and the passfile have it.',
    remedy: 'Letters, digits, _, . and -, at most 63 of them.',
  },
  'commits-invalid': {
    means: 'The number of commits for latency is none, or out of range.',
    why: 'Too few say nothing about the slowest; too many keep the cluster busy.',
    remedy: 'Give a number within the range that the message names.',
  },
  'conninfo-invalid': {
    means: 'A connection string or URI cannot be read.',
    why: 'It is read by the rules of libpq, and a part that is overlooked would lead to another server.',
    remedy: 'Write keywords such as "host=10.0.0.1 port=5432 user=postgres", or postgresql://USER@HOST:5432/DATABASE. For nodes of the cluster file status needs no words.',
  },
  'duration-invalid': {
    means: 'A value is not a duration.',
    why: 'A number without a unit could mean seconds, minutes or milliseconds.',
    remedy: 'Write 30s, 5min or 1h; units are us, ms, s, min, h and d.',
  },
  'fenced-empty': {
    means: '--fenced was given without words.',
    why: 'It is a statement of how the old primary was shut off; it goes into the journal and into every status until it is closed.',
    remedy: 'Say what was done: --fenced "powered off by its management card at 10:12".',
  },
  'file-empty': {
    means: '--file or $PGREPL_FILE is given and empty.',
    why: 'An empty name most often is a variable that was not set.',
    remedy: 'Name the file, or leave the option out for ./pgrepl.yaml.',
  },
  'hba-line-invalid': {
    means: 'A line cannot stand in the block of pg_hba.conf.',
    why: 'It has a line end or a sign that would change the lines after it.',
    remedy: 'Look at allow: and at the name of the replication role in the cluster file.',
  },
  'hba-name-invalid': {
    means: 'A name cannot stand in pg_hba.conf.',
    why: 'It would end the line or mean something else there.',
    remedy: 'Choose a name of letters, digits and _.',
  },
  'host-invalid': {
    means: '--host is not one address or name.',
    why: 'It is the address at which the other nodes and the clients reach this node; lists and ranges are none.',
    remedy: 'Give one: -h 10.0.0.5.',
  },
  'line-invalid': {
    means: '--over-reject wants the number of a line.',
    why: 'It accepts one line of pg_hba.conf that rejects replication, and no other.',
    remedy: 'Take the number from the refusal: --over-reject 92.',
  },
  'loss-invalid': {
    means: '--accept-loss is neither a number of bytes nor the word unknown.',
    why: 'What is accepted must be what the preview named.',
    remedy: 'Look with --dry-run, then give that number, or unknown where nothing can be measured.',
  },
  'lsn-invalid': {
    means: 'A text is not a position in the WAL.',
    why: 'Positions are compared exactly.',
    remedy: 'It looks like 0/5000148.',
  },
  'name-invalid': {
    means: 'The name of a node cannot be used.',
    why: 'It is also the name of its replication slot and its application_name.',
    remedy: 'a to z first, then a to z, 0 to 9 or _, at most 63 characters.',
  },
  'passfile-field-invalid': {
    means: 'A value cannot be a field of a passfile.',
    why: 'A passfile has one line for each password.',
    remedy: 'Choose a host or a role without a line end in it.',
  },
  'path-invalid': {
    means: 'An option that names a path is empty or has characters that no path has.',
    why: 'An empty path most often is a variable that was not set.',
    remedy: 'Give the path.',
  },
  'path-relative': {
    means: 'A path on another machine is not absolute.',
    why: 'There is no current directory on that machine that both sides would mean.',
    remedy: 'Begin it with /.',
  },
  'port-invalid': {
    means: 'A port is not a whole number from 1 to 65535.',
    why: 'A port that is read wrongly leads to another server.',
    remedy: 'Give one, such as -p 5433.',
  },
  'rate-invalid': {
    means: '--max-rate is no transfer rate.',
    why: 'pg_basebackup takes 32 kB to 1024 MB per second.',
    remedy: 'Write 50M or 500k.',
  },
  'restore-command-invalid': {
    means: '--restore-command has a line end in it.',
    why: 'A setting is one line of a file.',
    remedy: 'Write it on one line; a longer one belongs into a script.',
  },
  'role-invalid': {
    means: 'A role name cannot be used.',
    why: 'It is written into pg_hba.conf, where some signs have a meaning, and PostgreSQL reserves names that begin with pg_.',
    remedy: 'Choose another name, such as replicator.',
  },
  'seconds-invalid': {
    means: 'A number of seconds is none, or out of range.',
    why: 'Every wait has an end, and that end must be sensible.',
    remedy: 'Write 5, or 500ms.',
  },
  'setting-invalid': {
    means: 'A setting is not NAME=VALUE, or the server does not take the value.',
    why: 'The installed server itself was asked, so that it is not the next restart that finds out.',
    remedy: 'Correct it in --set or under set: of the cluster file; hints name the part that is wrong.',
  },
  'size-invalid': {
    means: 'A value is not a size.',
    why: 'A number without a unit could be bytes or blocks.',
    remedy: 'Write 512MB; units are B, kB, MB, GB and TB.',
  },
  'sslmode-invalid': {
    means: 'sslmode has a value that PostgreSQL does not know, or that does not go with the rest.',
    why: 'Another value would be less safe than what was asked for.',
    remedy: 'disable, allow, prefer, require, verify-ca or verify-full; sslrootcert=system needs verify-full.',
  },
  'system-identifier-invalid': {
    means: 'A text is not a system identifier.',
    why: 'It is what tells one cluster from another.',
    remedy: 'It is the number that pg_controldata prints first.',
  },
  'tablespace-invalid': {
    means: '--tablespace is not OLD=NEW with two absolute paths.',
    why: 'A tablespace that goes to the wrong place would be that of the other server.',
    remedy: 'Write --tablespace /srv/ts=/srv/standby/ts; a = inside a path is written \\=.',
  },
  'text-invalid': {
    means: 'A value has a line end or a control character in it.',
    why: 'It is written into a file where it would begin another line.',
    remedy: 'Write it on one line.',
  },
  'threshold-invalid': {
    means: '--warn or --crit is neither a size nor a time.',
    why: 'Limits in bytes and in seconds are two things, so the unit says which is meant.',
    remedy: 'Write 64MB or 30s.',
  },
  'via-invalid': {
    means: '--via or via: is no way to a machine.',
    why: 'pgrepl reaches machines in three ways only.',
    remedy: 'local, ssh://[user@]host[:port], docker://container, or ssh://host/docker/container.',
  },
  'wal-file-invalid': {
    means: 'A name is not that of a WAL file.',
    why: 'WAL files are told apart by 24 hexadecimal digits.',
    remedy: 'Report it with what was printed: pgrepl takes such names from the server only.',
  },
};

import type { Explanations } from './explanation.ts';

/** Servers and sessions. */
export const SERVERS: Explanations = {
  'another-cluster': {
    means: 'The server belongs to another cluster: its system identifier differs.',
    why: 'Physical replication works between copies of one cluster only, and what is written to the wrong one is gone.',
    remedy: 'Look at host, port and data directory of the node in the cluster file.',
  },
  'another-server': {
    means: 'Another server answers at the port of this node, with another data directory.',
    why: 'What was found would be the truth about somebody else.',
    remedy: 'Correct port or data directory in the cluster file, or stop the one that is in the way.',
  },
  'connection-lost': {
    means: 'The connection to the server broke.',
    why: 'What was asked may or may not have been done; pgrepl looks again before it goes on.',
    remedy: 'Run the same command again.',
  },
  'database-missing': {
    means: 'The database does not exist on that server.',
    why: "pgrepl's own sessions use postgres.",
    remedy: 'Name another with -d, or make it.',
  },
  'login-refused': {
    means: 'The server refuses the login. As a finding of the doctor: the connection between two nodes is refused, although the server listens.',
    why: 'The rule of pg_hba.conf that decided is named where it can be known; nothing is opened for pgrepl itself. Between nodes it is a firewall, or an address that leads to another machine.',
    remedy: 'Log in as the owner of the server (--os-user), give --username or --admin-password-file, or add a rule; between nodes look at firewall and address.',
  },
  'no-answer': {
    means: 'The machine or the server did not answer in time.',
    why: 'What is not known is not judged.',
    remedy: 'Look at it, or give more time with --timeout.',
  },
  'not-superuser': {
    means: "The role of pgrepl's own sessions is no superuser.",
    why: 'Changes need one; managed services give none and cannot be managed by pgrepl.',
    remedy: '--username ROLE. status works with every role.',
  },
  'port-in-use': {
    means: 'Another program listens at this port.',
    why: 'The server could not start.',
    remedy: 'Choose another one with --port.',
  },
  'process-one': {
    means: 'The server is process 1 of its container, or is watched over by it.',
    why: 'Who stops it stops the container, or has it started again.',
    remedy: 'Use a container whose process 1 is something else, or do the start and stop yourself at the place that the message names.',
  },
  'promote-refused': {
    means: 'The server refused to promote.',
    why: 'It may be no standby any more, or the role may not.',
    remedy: 'pgrepl status; the server log has the reason.',
  },
  'reload-failed': {
    means: 'The server did not take over its configuration.',
    why: 'It goes on with what it had, and the next restart would fail.',
    remedy: 'Mend the lines that are listed, then run the same command again.',
  },
  'restart-needed': {
    means: 'Settings are written that take effect at a restart only.',
    why: 'A running server is not restarted without being told to (exit 5).',
    remedy: 'Run it again with --restart, or restart the server yourself and run the same command again.',
  },
  'root-certificate-missing': {
    means: 'The root certificates that the sslmode needs cannot be read.',
    why: "Without them the server's certificate proves nothing.",
    remedy: 'Name them with sslrootcert=PATH, or use sslrootcert=system with verify-full.',
  },
  'server-closed': {
    means: 'The server runs and does not let pgrepl in.',
    why: 'Without a session nothing can be judged, and what is not judged is not changed.',
    remedy: 'pgrepl doctor NODE names the rule of pg_hba.conf that decided.',
  },
  'server-down': {
    means: 'The server is stopped.',
    why: 'pgrepl starts a stopped server only when it is told to: it may have been stopped on purpose.',
    remedy: 'init-primary --start for a primary, add-standby NAME for a standby, rejoin NAME for one that fell out.',
  },
  'server-not-accepting': {
    means: 'The server runs and accepts no sessions.',
    why: 'It has not reached a consistent state, is about to stop, or hot_standby is off.',
    remedy: 'Wait; its log says what it waits for.',
  },
  'server-silent': {
    means: 'The server has processes and does not answer.',
    why: 'A frozen server can go on at any moment: it is not dead.',
    remedy: 'Look at the machine: disk, memory, SIGSTOP. Stop it there before anything else takes its place.',
  },
  'server-starting': {
    means: 'The server is starting up.',
    why: 'It replays its log and accepts sessions when it is done.',
    remedy: 'Run the command again then.',
  },
  'server-stopping': {
    means: 'The server is shutting down.',
    why: 'It waits for its clients and its standbys.',
    remedy: 'Run the command again when it is down.',
  },
  'service-contradicts': {
    means: 'The cluster file names another service than the one that runs the server.',
    why: 'A server is never started or stopped behind the back of whoever runs it.',
    remedy: 'Correct service:, or leave it out: the one that is found is taken.',
  },
  'service-no-permission': {
    means: 'systemd runs the server, and the user of pgrepl may not use systemctl for it.',
    why: 'Stopped in another way systemd would start it again.',
    remedy: 'Log in as root, or add the sudo line that the hint shows.',
  },
  'spawn-failed': {
    means: 'A program could not be started, for a reason of the operating system.',
    why: 'Limits of processes or memory, most often.',
    remedy: 'Look at the limits of the user; report it when they are not the cause.',
  },
  'sql-failed': {
    means: 'A statement failed on the server.',
    why: 'Its SQLSTATE is in the details.',
    remedy: 'The text of the server says what; then run the same command again.',
  },
  'sql-timeout': {
    means: 'The server did not answer a statement in time.',
    why: 'Every wait has an end.',
    remedy: 'Look at its load and at locks.',
  },
  'start-failed': {
    means: 'The server did not start.',
    why: 'The last lines of its log are printed.',
    remedy: 'Mend what the log says. A directory with mode 0701 is locked by pgrepl: it is incomplete, or that of an old primary, and rejoin or the unfinished command opens it.',
  },
  'start-timeout': {
    means: 'The server did not accept sessions in time.',
    why: 'It was not stopped and may still be recovering.',
    remedy: 'Wait, then run the same command again.',
  },
  'stop-failed': {
    means: 'The server could not be told to stop.',
    why: 'It goes on as it was.',
    remedy: 'The details have what pg_ctl or systemctl said.',
  },
  'stop-timeout': {
    means: 'The server did not stop in time.',
    why: 'The request stays: it stops when its last client and standby are gone.',
    remedy: 'End the sessions that are listed, then run the same command again.',
  },
  'tls-failed': {
    means: 'No encrypted connection could be made.',
    why: 'Less than what was asked for is never taken.',
    remedy: 'The details say why: no TLS on the server, or a certificate that does not fit.',
  },
  'too-many-clients': {
    means: 'The server takes no more connections.',
    why: 'Also those kept for superusers are used.',
    remedy: 'End some sessions, or use a pooler.',
  },
  'version-unreadable': {
    means: 'The version of a PostgreSQL program cannot be read.',
    why: 'What is unknown is not trusted with data.',
    remedy: 'Look at what PROGRAM --version prints; name another --bin-dir.',
  },
  'version-unsupported': {
    means: 'The PostgreSQL major is not supported.',
    why: 'What pgrepl does is proved on the majors that it names.',
    remedy: 'Use 13 to 18, with --bin-dir where several are installed.',
  },
  'server-unknown': {
    means: 'It is not known how the server is.',
    why: 'What is not known is not changed.',
    remedy: 'pgrepl status says what could not be asked, and why.',
  },
};

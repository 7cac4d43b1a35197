import type { Explanations } from './explanation.ts';

/** Logins between nodes, as the doctor finds them. */
export const LOGIN_FINDINGS: Explanations = {
  'login-another-cluster': {
    means: 'The address of a node leads to another cluster.',
    why: 'A standby would never follow there.',
    remedy: 'Correct host and port in the cluster file.',
  },
  'login-another-node': {
    means: 'The address of a node leads to another node.',
    why: 'What is done to the one would be done to the other.',
    remedy: 'Every node needs an address that leads to it from everywhere.',
  },
  'login-connection-lost': {
    means: 'The connection is closed during the login.',
    why: 'A proxy without a server behind it does that, or a server that crashes.',
    remedy: 'Look at both.',
  },
  'login-failed': {
    means: 'The login between two nodes failed in another way.',
    why: 'After a change of roles it could not follow.',
    remedy: 'The evidence has what was said.',
  },
  'login-hba-method': {
    means: 'A node cannot log in to another: the rule that decides wants another way to log in.',
    why: 'A standby has a password and nothing else.',
    remedy: 'A line with scram-sha-256 above it.',
  },
  'login-hba-no-entry': {
    means: 'A node cannot log in to another: no rule of pg_hba.conf lets it in.',
    why: 'After a change of roles it could not follow.',
    remedy: 'pgrepl init-primary writes the block on a primary; else the line in the hint.',
  },
  'login-hba-not-loaded': {
    means: 'A node cannot log in to another, which has not read its pg_hba.conf since it was changed.',
    why: 'What is in the file is not in force.',
    remedy: 'SELECT pg_reload_conf().',
  },
  'login-hba-rejects': {
    means: 'A node cannot log in to another: a rule rejects it.',
    why: 'Somebody wrote it on purpose.',
    remedy: 'A line above it, or --over-reject LINE.',
  },
  'login-login-refused': {
    means: 'A node cannot log in to another, and which rule decided is not known.',
    why: 'After a change of roles it could not follow.',
    remedy: 'Look at the log of that server.',
  },
  'login-name-unknown': {
    means: 'A name does not resolve on the machine of a node.',
    why: 'It is resolved at every reconnect.',
    remedy: 'Addresses in the cluster file.',
  },
  'login-no-password-line': {
    means: 'A node cannot log in to another: no line of its passfile fits.',
    why: 'The host must be written as in primary_conninfo, to the letter.',
    remedy: 'Add the line that the evidence shows; every role change writes those of all nodes.',
  },
  'login-no-route': {
    means: 'There is no route between two machines.',
    why: 'They must reach each other in both directions.',
    remedy: 'The network of the machine.',
  },
  'login-not-listening': {
    means: 'A server does not listen at the address of the cluster file.',
    why: 'Nobody reaches it there.',
    remedy: 'listen_addresses, with a restart.',
  },
  'login-not-postgres': {
    means: 'What answers is no PostgreSQL server.',
    why: 'Host or port are wrong.',
    remedy: 'Correct them in the cluster file.',
  },
  'login-other-port': {
    means: 'A server listens at another port than the one in the cluster file.',
    why: 'Nobody reaches it there.',
    remedy: 'Correct port: or the setting.',
  },
  'login-passfile': {
    means: 'A node cannot log in to another: its passfile is missing, or is one that libpq overlooks.',
    why: 'Its stream lasts until it breaks, then it cannot come back.',
    remedy: "A plain file of the server's owner with mode 0600.",
  },
  'login-role-expired': {
    means: 'A node cannot log in to another: the role is past its VALID UNTIL.',
    why: 'Standbys stay out at the next reconnect.',
    remedy: "ALTER ROLE … VALID UNTIL 'infinity'.",
  },
  'login-role-missing': {
    means: 'A node cannot log in to another: the role does not exist there.',
    why: 'No standby can.',
    remedy: 'pgrepl init-primary makes it on the primary; standbys get it from there.',
  },
  'login-role-rights': {
    means: 'A node cannot log in to another: the role lacks a right.',
    why: 'LOGIN and REPLICATION are needed.',
    remedy: 'ALTER ROLE … LOGIN REPLICATION.',
  },
  'login-self': {
    means: 'The address of a node leads back to the one that asks.',
    why: 'It would stream from itself.',
    remedy: 'Every node needs an address that leads to it from everywhere.',
  },
  'login-silent': {
    means: 'A server takes the connection and says nothing.',
    why: 'It is frozen, or something between lets the first packets through only.',
    remedy: 'Look at the server and at the way to it.',
  },
  'login-timeout': {
    means: 'No answer comes between two nodes.',
    why: 'A firewall drops the packets, or the address leads nowhere.',
    remedy: 'Open the port in both directions.',
  },
  'login-too-many-clients': {
    means: 'A node cannot log in to another: all connections are in use.',
    why: 'It could not follow.',
    remedy: 'End some, or use a pooler.',
  },
  'login-wal-senders': {
    means: 'A node cannot log in to another: all WAL senders are in use.',
    why: 'It could not follow.',
    remedy: 'Raise max_wal_senders.',
  },
  'login-wrong-password': {
    means: 'A node cannot log in to another: the password is wrong.',
    why: 'Somebody changed it on one side.',
    remedy: 'The passfile of a node that gets in has the right one.',
  },
  'login-tls': {
    means: 'A node does not accept the certificate of another one, or is shown none.',
    why: 'Where both have certificates a standby verifies its upstream: it could not connect.',
    remedy: 'Look at the names, the dates and the authorities of the certificate; pgrepl doctor --only tls says which run out.',
  },
};

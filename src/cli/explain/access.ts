import type { Explanations } from './explanation.ts';

/** pg_hba.conf, roles and addresses. */
export const ACCESS: Explanations = {
  'address-not-allowed': {
    means: 'The address of a node is in none of the allowed ranges.',
    why: 'pg_hba.conf would refuse its standby.',
    remedy: 'Add it to allow: in the cluster file, or give --allow.',
  },
  'block-damaged': {
    means: 'The block of pgrepl in pg_hba.conf has no end.',
    why: 'What belongs to it cannot be told from what is yours.',
    remedy: 'Put the end line back that the hint shows.',
  },
  'file-has-bom': {
    means: 'A configuration file begins with a byte-order mark.',
    why: 'The server reads it as a part of the first word.',
    remedy: 'Save it as UTF-8 without one.',
  },
  'file-missing': {
    means: 'A file that was there before is gone.',
    why: 'Somebody else works on the same directory.',
    remedy: 'Run the same command again; it looks anew.',
  },
  'hba-broken': {
    means: 'A line of pg_hba.conf cannot be read by the server.',
    why: 'It keeps the old rules as long as it runs; the next restart fails.',
    remedy: 'Mend that line, then SELECT pg_reload_conf().',
  },
  'hba-entry-lost': {
    means: 'The block of pgrepl in pg_hba.conf has a line that the cluster file does not ask for.',
    why: 'Rendering it anew would shut somebody out.',
    remedy: 'Add its range to allow: in the cluster file, or take the line out of the block.',
  },
  'hba-missing': {
    means: 'The server has no pg_hba.conf at its place.',
    why: 'No rules, no logins: the next start fails.',
    remedy: 'Put it back; SHOW hba_file names the place.',
  },
  'hba-rejects': {
    means: 'A line of pg_hba.conf rejects replication for an address that must get in.',
    why: 'Somebody wrote it on purpose, and the block of pgrepl would stand above it and win.',
    remedy: 'Take the line out, or accept it with --over-reject LINE.',
  },
  'passfile-no-place': {
    means: 'The owner of the server cannot make its passfile.',
    why: 'The replication password must live somewhere that survives a restart, and outside of the data directory.',
    remedy: 'Name another place with passfile: in the cluster file.',
  },
  'role-expired': {
    means: 'The replication role is past its VALID UNTIL.',
    why: 'Nobody can log in with it: standbys stay out at the next reconnect.',
    remedy: "ALTER ROLE … VALID UNTIL 'infinity', or a new date.",
  },
  'role-limit': {
    means: 'The replication role may have too few connections.',
    why: 'A copy needs two.',
    remedy: 'ALTER ROLE … CONNECTION LIMIT -1.',
  },
  'role-missing': {
    means: 'The replication role does not exist on the primary.',
    why: 'No standby can log in.',
    remedy: 'pgrepl init-primary NODE makes it.',
  },
  'role-rights': {
    means: 'The replication role lacks LOGIN or REPLICATION.',
    why: 'No standby can log in with it. An existing role of somebody else is not changed.',
    remedy: 'ALTER ROLE … LOGIN REPLICATION, or another --replication-user.',
  },
  'role-superuser': {
    means: 'The replication role is a superuser.',
    why: 'Its password lies on every standby; LOGIN and REPLICATION are enough.',
    remedy: 'ALTER ROLE … NOSUPERUSER.',
  },
  'upstream-unreachable': {
    means: 'The upstream cannot be reached from the machine of the new node.',
    why: 'The standby could not either.',
    remedy: 'listen_addresses, a firewall, or host and port of the upstream in the cluster file.',
  },
};

import type { Explanations } from './explanation.ts';

/** What leads clients to the right node. */
export const ROUTES: Explanations = {
  'route-unknown': {
    means: 'The word after route is none of libpq, haproxy and pgbouncer.',
    why: 'Each of them has a configuration of its own.',
    remedy: 'pgrepl route --help.',
  },
  'database-invalid': {
    means: 'The name given with --dbname is empty, or has a control character in it.',
    why: 'It could not be written into a configuration file.',
    remedy: 'Give the name of the database as it is.',
  },
  'database-several': {
    means: 'Several databases were given to something that takes one.',
    why: 'Only PgBouncer has a line for each database.',
    remedy: 'Give one, or run the command once for each.',
  },
  'libpq-invalid': {
    means: '--libpq is no major version.',
    why: 'It decides which parameters the oldest client understands.',
    remedy: 'For example --libpq 14.',
  },
  'bind-invalid': {
    means: '--bind or --serve-at is no address.',
    why: 'HAProxy would not start with it.',
    remedy: 'An address of its machine, or * for all of them.',
  },
  'check-needs-file': {
    means: '--check was given without a file.',
    why: 'There is nothing to compare with.',
    remedy: '--check FILE.',
  },
  'option-needs-write': {
    means: '--replace-edits was given without --write.',
    why: 'Nothing is replaced then.',
    remedy: 'Add --write FILE, or leave it out.',
  },
  'not-written-by-pgrepl': {
    means: 'The file to write is there, and pgrepl did not write it.',
    why: 'What is in it would be gone.',
    remedy: 'Another file that yours includes, or --replace-edits, which keeps a dated copy.',
  },
  'nothing-answered': {
    means: 'Not one node answered.',
    why: 'What the cluster looks like now is not known, and clients would be led by a guess.',
    remedy: 'pgrepl status says why each of them is silent.',
  },
  'pgbouncer-invalid': {
    means: '--pgbouncer names no host, or no port.',
    why: 'It is where the admin console answers.',
    remedy: '--pgbouncer postgresql://ADMIN@HOST:6432/pgbouncer.',
  },
  'pgbouncer-password': {
    means: 'There is a password in --pgbouncer.',
    why: 'Whoever may list the processes of this machine would see it.',
    remedy: 'Your passfile, or --pgbouncer-password-file.',
  },
  'pgbouncer-files': {
    means: 'There are more or fewer --pgbouncer-config than --pgbouncer.',
    why: 'Each file belongs to one of them.',
    remedy: 'Give them in pairs, in the same order, or leave all files out.',
  },
  'pooler-unreachable': {
    means: 'PgBouncer cannot be asked on its admin console.',
    why: 'Its clients could not be held, and not be let go again.',
    remedy: 'Its address and port; a user of its admin_users; the password in your passfile or --pgbouncer-password-file.',
  },
  'pooler-session-mode': {
    means: 'PgBouncer pools this database by session.',
    why: 'A pause would wait until every client has left.',
    remedy: 'pool_mode = transaction, or a change of roles without --pgbouncer.',
  },
  'pooler-not-led': {
    means: 'PgBouncer leads a database to the primary, and nothing would lead it to the next one.',
    why: 'Its clients would go on at a server that takes no writes.',
    remedy: '--pgbouncer-config with a file of pgrepl route pgbouncer that has this database.',
  },
  'pooler-file-missing': {
    means: 'The file of --pgbouncer-config is not there.',
    why: 'It says which databases are led.',
    remedy: 'pgrepl route pgbouncer --write FILE, and %include it in pgbouncer.ini.',
  },
  'pooler-file-edited': {
    means: 'The file of --pgbouncer-config was edited, or was not written by pgrepl.',
    why: 'It is written again after the hand-over, and the edit would be gone.',
    remedy: 'Put what is yours into pgbouncer.ini, then pgrepl route pgbouncer --write FILE --replace-edits.',
  },
  'pooler-busy': {
    means: 'Queries did not end in time, so that PgBouncer did not come to rest.',
    why: 'A transaction that is open would have been cut off by the hand-over.',
    remedy: 'End the long transaction, or give more time with --budget.',
  },
};

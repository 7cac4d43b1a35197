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
};

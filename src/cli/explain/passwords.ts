import type { Explanations } from './explanation.ts';

/** Passwords. */
export const PASSWORDS: Explanations = {
  'password-empty': {
    means: 'No password was given, or the file has none.',
    why: 'An empty password lets nobody in.',
    remedy: 'Give one in the file, or leave the option out: init-primary generates it.',
  },
  'password-file-open': {
    means: 'The file with the password may be read by others than its owner.',
    why: 'libpq overlooks such a file, and so does pgrepl, which would make it worse by using it.',
    remedy: 'chmod 600 FILE. Where the mode cannot be changed, give it on standard input.',
  },
  'password-file-unreadable': {
    means: 'The file with the password cannot be read.',
    why: 'Going on without it would ask for another one.',
    remedy: 'Look at path, owner and mode.',
  },
  'password-in-argument': {
    means: 'A connection string has a password in it.',
    why: 'Every user of this machine can read the arguments of a program.',
    remedy: 'Put it into ~/.pgpass (mode 0600), a file for --admin-password-file, or PGPASSWORD.',
  },
  'password-invalid': {
    means: 'The password has characters that cannot be kept in a passfile or are prepared differently by clients.',
    why: 'A standby reads it from a passfile with one line for each password.',
    remedy: 'Take one without line ends, of at most 1000 characters; ASCII always works.',
  },
  'password-unknown': {
    means: 'The role exists and its password is not known here.',
    why: 'A password that others may use is never reset.',
    remedy: 'Give it with --password-file FILE, or choose another role with --replication-user NAME.',
  },
  'password-wrong': {
    means: 'The server refuses the password that is known.',
    why: 'It is never reset, because others may use it.',
    remedy: 'Give the right one with --password-file FILE.',
  },
  'upstream-stands-still': {
    means: 'A standby streams from another one that does not replay now, or only after its delay.',
    why: 'A standby learns the new password of the role by replaying it: until then it would refuse whoever comes with it.',
    remedy: 'Let it replay, or point the other one at the primary with follow for the time of the change.',
  },
  'would-be-cut-off': {
    means: 'A node cannot be told the new password, because its machine does not answer.',
    why: 'Its next reconnect would be refused.',
    remedy: 'Bring its machine back, or leave it out with --cut-off NODE and write its passfile later.',
  },
  'stdin-twice': {
    means: 'Two passwords are to be read from standard input.',
    why: 'It holds one.',
    remedy: 'Give one of them in a file.',
  },
};

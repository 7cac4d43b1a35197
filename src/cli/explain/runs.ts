import type { Explanations } from './explanation.ts';

/** Runs, the journal and pgrepl itself. */
export const RUNS: Explanations = {
  bug: {
    means: 'A bug in pgrepl.',
    why: 'The stack trace is printed, so that it can be found.',
    remedy: 'Report it with the lines below; pgrepl runs shows whether a run is unfinished.',
  },
  declined: {
    means: 'The question was answered with no.',
    why: 'Nothing is done without a yes.',
    remedy: 'Run it again, with --yes where nobody is asked.',
  },
  'dry-run-would-change': {
    means: 'A bug: something that may only look tried to change a machine, and was kept from it.',
    why: 'Dry runs and queries use machines that refuse every change.',
    remedy: 'Report it.',
  },
  'guarded-input': {
    means: 'A bug: the input of a guarded program was to be used.',
    why: 'It is how the program notices that pgrepl is gone.',
    remedy: 'Report it.',
  },
  interrupted: {
    means: 'Ctrl-C or a signal ended the command (exit 130 or 143).',
    why: 'The text says whether everything was taken back or changes remain.',
    remedy: 'As it says: nothing, or run the same command again.',
  },
  'journal-unreadable': {
    means: 'The journal cannot be read.',
    why: 'It says what an earlier run has begun.',
    remedy: 'Look at its owner and mode, under $XDG_STATE_HOME/pgrepl.',
  },
  'journal-unwritable': {
    means: 'The journal cannot be written.',
    why: 'Nothing is done without a record of it.',
    remedy: 'Make room there, or name another place with XDG_STATE_HOME.',
  },
  'needs-yes': {
    means: 'The command has a question, and there is nobody to ask.',
    why: 'Without a terminal a question is a refusal.',
    remedy: 'Look at the plan with --dry-run, then add --yes.',
  },
  'past-no-return': {
    means: 'The run has passed its point of no return.',
    why: 'A promotion cannot be taken back.',
    remedy: 'Running the same command again finishes it.',
  },
  'plan-changed': {
    means: 'The world changed between the plan that was shown and the moment it was to be done.',
    why: 'What is done is what was shown; both plans are printed.',
    remedy: 'Run the command again and look at the new plan.',
  },
  'relative-path': {
    means: 'A bug: a relative path came to a place that takes absolute ones.',
    why: 'It would mean another file.',
    remedy: 'Report it.',
  },
  'remove-tree-refused': {
    means: 'A bug: a directory that holds the home of a user was to be removed, and was not.',
    why: 'Only our own staging is ever removed.',
    remedy: 'Report it.',
  },
  'run-finished': {
    means: 'The run is finished.',
    why: 'Only an unfinished one can be gone on with or taken back.',
    remedy: 'The command that goes the other way is a change of its own.',
  },
  'run-resumed': {
    means: 'A later run went on with this one.',
    why: 'That one is the one that counts.',
    remedy: 'The command under next names it.',
  },
  'socket-unnamed': {
    means: 'A bug: the socket of a server was used before it was read.',
    why: 'It would lead to another server.',
    remedy: 'Report it.',
  },
  'step-unknown': {
    means: 'The journal has a step that this version does not know.',
    why: 'An older or newer pgrepl began the run.',
    remedy: 'Finish it with that version.',
  },
  'sync-empty': {
    means: 'A bug: an empty synchronous set was to be proved.',
    why: 'There is nothing to prove.',
    remedy: 'Report it.',
  },
  'undo-incomplete': {
    means: 'Not everything could be taken back.',
    why: 'The steps that remain are listed, each with its reason.',
    remedy: 'Mend the cause, then pgrepl undo again.',
  },
  'wait-timeout': {
    means: 'Something that was waited for did not come in time.',
    why: 'What was seen last is in the message. Nothing is taken for done that was not seen.',
    remedy: 'Look at the node; the same command goes on with the wait.',
  },
};

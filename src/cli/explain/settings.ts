import type { Explanations } from './explanation.ts';

/** Settings and configuration files. */
export const SETTINGS: Explanations = {
  'configuration-broken': {
    means: 'The server would not start with its configuration.',
    why: 'A running server does not complain; the next restart does.',
    remedy: 'Mend the line that is named. postgres -C NAME -D DIR shows what the server makes of its files.',
  },
  'control-data-unreadable': {
    means: 'pg_controldata prints something that is not understood.',
    why: 'The control file is the evidence for what a stopped server is.',
    remedy: "Use the programs of the server's own major (--bin-dir); report it if they are.",
  },
  'edited-by-hand': {
    means: 'pgrepl.conf was edited by hand.',
    why: 'It is rendered whole from the cluster file; the edit would be lost.',
    remedy: 'Put the setting under set: of the node, or let --replace-edits keep a dated copy and render it anew.',
  },
  'include-missing': {
    means: 'The configuration includes a file that would not be on the standby.',
    why: 'No server starts without an included file, and a copy takes along only what is in the data directory.',
    remedy: "Put it there on the standby's machine, or its settings under set: of the cluster file.",
  },
  'library-missing': {
    means: 'A library or an extension that is used is not installed on a node.',
    why: 'The server would not start, or a statement would fail there after a change of roles.',
    remedy: 'Install the package on that machine, or let the node do without it with --set.',
  },
  'locale-missing': {
    means: 'The machine lacks a locale that databases or settings use.',
    why: 'Nobody could connect to such a database there.',
    remedy: 'Make the locale known there (locale-gen, localedef, or the language pack).',
  },
  'memory-short': {
    means: 'The machine has too little memory (or huge pages) for the settings.',
    why: 'The server would not start there.',
    remedy: 'Give the node smaller values under set:, such as shared_buffers.',
  },
  'not-prepared': {
    means: 'The server does not include pgrepl.conf.',
    why: 'It was not made or adopted by pgrepl, so there is no place where its settings could be put.',
    remedy: 'pgrepl init-primary NAME adopts a primary; a standby is taken out and added anew, or rejoin --copy.',
  },
  'set-in-file': {
    means: 'set: of the cluster file has a setting that a command of pgrepl manages.',
    why: 'Two places cannot say it.',
    remedy: 'Take it out of set:.',
  },
  'setting-breaks': {
    means: 'A setting would keep standbys from working.',
    why: 'It was asked before anything is written.',
    remedy: 'Leave it out, or take the value that the hint names.',
  },
  'setting-overridden': {
    means: 'A line that is read later, ALTER SYSTEM or the command line of the server wins over what pgrepl writes.',
    why: 'What is written would have no effect.',
    remedy: 'ALTER SYSTEM RESET NAME, or take it out of the words that start the server.',
  },
  'setting-owned': {
    means: 'The setting is written by pgrepl itself.',
    why: 'By hand it would stop or redirect a standby.',
    remedy: 'Use the command or the key that the hint names.',
  },
  'setting-unreadable': {
    means: 'The server gives a setting in a unit that is not understood.',
    why: 'Sizes are compared in bytes.',
    remedy: 'Report it with the setting.',
  },
  'wal-level': {
    means: 'wal_level is minimal.',
    why: 'Its WAL is not enough for a standby.',
    remedy: 'pgrepl init-primary NODE --restart raises it.',
  },
  'write-lost': {
    means: 'A file does not hold what was just written into it.',
    why: 'Something else writes it at the same time: configuration management, or a colleague.',
    remedy: 'Stop that for the time of the change, then run the same command again.',
  },
};

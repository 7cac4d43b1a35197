import type { Explanations } from './explanation.ts';

/** The words of a command line. */
export const WORDS: Explanations = {
  'address-taken': {
    means: 'Another node of the cluster file has this host and port.',
    why: 'Two servers cannot listen at one address, and a standby would follow whichever is there.',
    remedy: 'Give the new node a port of its own with --port, or another --host.',
  },
  'check-json': {
    means: 'status --check and --json were given together.',
    why: 'Each of them prints a form of its own on stdout.',
    remedy: 'Leave one out. Monitoring plugins want --check, programs want --json.',
  },
  'check-watch': {
    means: 'status --check and --watch were given together.',
    why: 'A check looks once and ends with its exit code.',
    remedy: 'Leave one out.',
  },
  'code-unknown': {
    means: 'explain was given a word that is no code of pgrepl.',
    why: 'The explanation of another code would lead astray.',
    remedy: 'pgrepl explain lists all of them; they are in what --json prints of errors and findings.',
  },
  'command-missing': {
    means: 'pgrepl was called without a command.',
    why: 'A command is never guessed: most of them change servers.',
    remedy: 'pgrepl --help lists them; pgrepl COMMAND --help shows its options and examples.',
  },
  'command-unknown': {
    means: 'The first word is not a command of pgrepl.',
    why: 'A word that is nearly a command is not taken for it: promote and remove-standby must not be run by a slip.',
    remedy: 'Type the command that the hint names, or look at pgrepl --help.',
  },
  'completion-json': {
    means: 'completion was asked for JSON.',
    why: 'It prints a script or a list for a shell.',
    remedy: 'Leave --json out.',
  },
  'conflicting-option': {
    means: 'Two options were given that exclude each other.',
    why: 'One of them would be overlooked.',
    remedy: 'Leave one of them out.',
  },
  'conninfo-several': {
    means: 'The connection string names several hosts.',
    why: 'Status of one server is about one; which of several answers would be chance.',
    remedy: 'Name the one that is meant, or use a cluster file.',
  },
  'conninfo-twice': {
    means: 'Two connection strings were given.',
    why: 'One would be overlooked.',
    remedy: 'Leave one of them out.',
  },
  'conninfo-unsupported': {
    means: 'The connection string has a keyword or a value that pgrepl does not use.',
    why: 'libpq would connect differently with it, so passing over it would look at another server or in another way.',
    remedy: 'Take it out; host, port, user, dbname, passfile and the ssl keywords are read.',
  },
  'conninfo-uri': {
    means: 'A URI stands where keywords and values are read.',
    why: 'Only the form with keywords can be compared part by part.',
    remedy: 'Write it as host=10.0.0.1 port=5432.',
  },
  'demo-json': {
    means: 'demo was asked for JSON.',
    why: 'It is a show for people.',
    remedy: 'Use status --json on a cluster; pgrepl demo --keep leaves one.',
  },
  'excess-arguments': {
    means: 'More words were given than the command takes.',
    why: 'A word too many often is a value whose option is missing.',
    remedy: 'Put the option before its value, and quote a value that has blanks in it.',
  },
  'file-and-server': {
    means: 'status was given a cluster file and the address of one server.',
    why: 'It looks at all nodes of the file, or at one server without it.',
    remedy: 'Leave one of the two out.',
  },
  'host-missing': {
    means: 'A node on another machine has no address.',
    why: 'The address at which the other nodes reach it is never guessed from the name by which ssh reaches it.',
    remedy: 'Give --host ADDRESS, or host: in the cluster file.',
  },
  'invalid-argument': {
    means: 'The value of an option or an argument is none of those that are taken.',
    why: 'A value that is nearly right is not corrected silently.',
    remedy: 'The message lists the values; pgrepl COMMAND --help does too.',
  },
  'missing-argument': {
    means: 'A word that the command cannot do without is missing.',
    why: 'Which node is meant is never guessed where a wrong guess would change the wrong one.',
    remedy: 'pgrepl COMMAND --help shows the words in their order.',
  },
  'missing-mandatory-option-value': {
    means: 'An option that this command needs was not given.',
    why: 'Its value is never guessed.',
    remedy: 'pgrepl COMMAND --help says what it is.',
  },
  'node-contradicts': {
    means: 'Options say something else about a node than the cluster file.',
    why: 'One of the two is wrong, and the wrong one would be a wrong server.',
    remedy: 'Leave the option out, choose another name, or correct the cluster file.',
  },
  'node-unknown': {
    means: 'The cluster file has no node of this name.',
    why: 'A near name is not taken for it: the command could change another server.',
    remedy: 'Type the name that the hint offers. pgrepl status lists them; completion of the shell offers them too.',
  },
  'option-missing-argument': {
    means: 'An option that needs a value stands at the end, or before another option.',
    why: 'The next option would be read as the value.',
    remedy: 'Write the value after it: --port 5433, or --port=5433.',
  },
  'option-needs-check': {
    means: 'A limit (--warn, --crit) was given without --check.',
    why: 'Without --check every lag is shown as it is, and nothing is judged by limits.',
    remedy: 'Add --check.',
  },
  'pgdata-missing': {
    means: 'No data directory was named.',
    why: 'Where a server lives is never guessed.',
    remedy: 'Give -D DIR, set $PGDATA, or name a node of the cluster file.',
  },
  'rule-unknown': {
    means: '--only names no rule of the doctor.',
    why: 'A rule that is overlooked would look like a rule that found nothing.',
    remedy: 'pgrepl doctor --help lists them; a hazard id such as M17 works as well.',
  },
  'run-ambiguous': {
    means: "The beginning of a run's name fits several.",
    why: 'The wrong run would be taken back or gone on with.',
    remedy: 'Type more of it; pgrepl runs lists them.',
  },
  'run-unknown': {
    means: 'The journal has no run of this name.',
    why: 'Runs are kept per machine and user of pgrepl, and per cluster.',
    remedy: "pgrepl runs lists them; another operator's run is in that operator's journal.",
  },
  'shell-unknown': {
    means: 'completion was given a shell that it has no script for.',
    why: 'The script of another shell would not be understood.',
    remedy: 'bash, zsh or fish.',
  },
  'sync-words': {
    means: 'The words after sync do not say a set of standbys.',
    why: 'A set that cannot be reached would make every commit wait.',
    remedy: 'pgrepl sync off, pgrepl sync any 1, pgrepl sync any 1 node2 node3, pgrepl sync first 1 node2 node3.',
  },
  'unknown-command': {
    means: 'A word stands where no command of this name is known.',
    why: 'Nothing is guessed.',
    remedy: 'pgrepl --help lists every command.',
  },
  'unknown-option': {
    means: 'This command has no such option.',
    why: 'An option that is overlooked would make a command do something else than what was meant.',
    remedy: 'pgrepl COMMAND --help shows its options. Options of a command come after its name, and -h is host, as in every PostgreSQL tool.',
  },
  'upstream-missing': {
    means: 'follow was given no --upstream.',
    why: 'Whom a standby is to follow is the whole command.',
    remedy: 'pgrepl follow NAME --upstream NODE.',
  },
  'upstream-self': {
    means: 'A node was named as its own upstream.',
    why: 'It would wait for itself for ever.',
    remedy: 'Name the primary or another standby.',
  },
  'upstream-unknown': {
    means: '--upstream names no other node of the cluster file.',
    why: 'Its host, port and slot are taken from there.',
    remedy: 'pgrepl status lists the nodes.',
  },
  'watch-json': {
    means: 'status --watch and --json were given together.',
    why: '--json promises exactly one document.',
    remedy: 'Ask again in a loop of your own: while sleep 5; do pgrepl status --json; done.',
  },
};

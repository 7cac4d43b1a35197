import type { Explanations } from './explanation.ts';

/** The cluster file. */
export const CLUSTER_FILE: Explanations = {
  'address-of-other': {
    means: 'Another node has this host and port.',
    why: 'One of the two could not listen, and standbys would follow the wrong one.',
    remedy: 'Give --port.',
  },
  'cluster-file-contradicts': {
    means: 'The command line and the cluster file say two things about the cluster.',
    why: 'One of them is another cluster.',
    remedy: 'Leave the option out, or name the other file with --file.',
  },
  'cluster-file-invalid': {
    means: 'The cluster file has mistakes; every one is listed with line and column.',
    why: 'A key that is overlooked would make a node another one than its owner meant.',
    remedy: 'Correct the lines; near keys are named. schema/cluster.schema.json lets an editor complete them.',
  },
  'cluster-file-missing': {
    means: 'There is no cluster file, or it has no nodes yet.',
    why: 'What exists and where is written there; without it there is nothing to look at.',
    remedy: 'The first pgrepl init-primary -D DIR writes it. Where it is elsewhere: --file FILE or $PGREPL_FILE.',
  },
  'cluster-file-unreadable': {
    means: 'The cluster file is there and cannot be read.',
    why: 'Taking it for missing would begin a new cluster.',
    remedy: 'Look at its owner and mode.',
  },
  'cluster-file-unwritable': {
    means: 'The cluster file cannot be written.',
    why: 'The first command writes the node into it, and role changes rewrite what became wrong.',
    remedy: 'Run pgrepl where you may write, or name another file with --file. After an unfinished run the same command writes it.',
  },
  'directory-taken': {
    means: 'Another node of the cluster file has this data directory on the same machine.',
    why: 'Two servers cannot share one.',
    remedy: 'Give the node a directory of its own with -D.',
  },
  'key-unknown': {
    means: 'A key of the cluster file is not known.',
    why: 'A misspelled key would be silently without effect.',
    remedy: 'The message names the key that was probably meant; docs/reference/cluster-file.md lists them.',
  },
  'no-cluster': {
    means: 'The cluster file names no other node.',
    why: 'A standby is a copy of a primary, and there is none yet.',
    remedy: 'pgrepl init-primary -D DIR first.',
  },
  'value-invalid': {
    means: 'A value of the cluster file does not fit its key.',
    why: 'It would be found out in the middle of a change otherwise.',
    remedy: 'The message says what is expected there.',
  },
  'yaml-invalid': {
    means: 'The cluster file is not YAML.',
    why: 'Nothing in it can be believed then.',
    remedy: 'Correct the line; often it is a tab, or a colon in a text without quotes.',
  },
};

/** What `pgrepl explain` says of one code: sentences, each of them complete, with no name of a node in them. */
export interface Explanation {
  /** What was seen. */
  readonly means: string;
  /** Why pgrepl refuses, stops or reports it. */
  readonly why: string;
  /** What to do: commands, options, keys of the cluster file. */
  readonly remedy: string;
}

/** Explanations by code: the `code` of an error or of a reason, the `id` of a finding. */
export type Explanations = Readonly<Record<string, Explanation>>;

/** Explanations of one subject, in a file of their own. */
export interface Subject {
  readonly title: string;
  readonly explanations: Explanations;
}

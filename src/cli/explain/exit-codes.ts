/** An exit code: what state the world is in, and what to do. */
export interface ExitCode {
  readonly code: number;
  /** `outcome` in JSON; null where there is none. */
  readonly outcome: string | null;
  readonly means: string;
  readonly remedy: string;
}

/** Every exit code of pgrepl; `status --check` has those of monitoring plugins instead. The numbers of failures are those of `EXIT_CODE` in errors.ts. */
export const EXIT_CODES: readonly ExitCode[] = [
  { code: 0, outcome: 'done, unchanged', means: 'As wanted; also when there was nothing to do.', remedy: 'Nothing.' },
  { code: 1, outcome: 'error', means: 'A bug in pgrepl. The text says what became of the changes.', remedy: 'Report it with the lines printed; pgrepl runs shows whether a run is unfinished.' },
  { code: 2, outcome: 'error', means: 'Wrong words, or a wrong cluster file. Nothing was touched.', remedy: 'Correct them; every complaint is listed.' },
  { code: 3, outcome: 'refused', means: 'Refused. Nothing was touched; every reason is listed.', remedy: 'Read the reasons: each has a hint, many have a command.' },
  { code: 4, outcome: 'undone', means: 'It failed, and all is as before.', remedy: 'Mend the cause, then run the same command again.' },
  { code: 5, outcome: 'unfinished', means: 'Changes remain.', remedy: 'Run the same command again, or the one under next; before a point of no return also pgrepl undo.' },
  { code: 6, outcome: 'unknown', means: 'A request (promote) was sent, its answer is missing, and it may still take effect.', remedy: 'Do not promote another node. pgrepl status, then the same command again.' },
  { code: 7, outcome: null, means: 'status, doctor: warnings. A --check of a written file: it differs.', remedy: 'Read the findings.' },
  { code: 8, outcome: null, means: 'status, doctor: critical.', remedy: 'Read the findings; the worst are first.' },
  { code: 9, outcome: 'locked', means: 'Another run holds the lock; its holder is named. Nothing was touched.', remedy: 'Wait for it.' },
  { code: 10, outcome: 'unreachable', means: 'Nothing could be reached.', remedy: 'Reach the machines; status and doctor print their document all the same.' },
  { code: 130, outcome: 'interrupted', means: 'Ctrl-C. The text says whether all was undone or changes remain.', remedy: 'As after 4, or as after 5.' },
  { code: 143, outcome: 'interrupted', means: 'SIGTERM. The text says whether all was undone or changes remain.', remedy: 'As after 4, or as after 5.' },
];

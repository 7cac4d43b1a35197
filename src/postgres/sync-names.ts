/** What `synchronous_standby_names` asks for. */
export interface SyncNames {
  /** How many standbys a commit waits for. */
  readonly needed: number;
  /** As they are written, without quotes; `*` is any standby. */
  readonly names: readonly string[];
}

/**
 * Reads a value that the server took (syncrep_scanner.l, syncrep_gram.y): `a, b`, `2 (a, b)`, `ANY 1 ("a-b", c)`, `FIRST 1 (*)`. `null` for an empty
 * one: no commit waits.
 */
export function parseSyncNames(text: string): SyncNames | null {
  const tokens = [...text.matchAll(/"((?:[^"]|"")*)"|([A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*|[0-9]+|[*(])/g)].map(([, quoted, word]) => ({ text: quoted?.replaceAll('""', '"') ?? word ?? '', isQuoted: quoted !== undefined }));
  if (tokens.length === 0) return null;
  const open = tokens.findIndex(({ text: word, isQuoted }) => word === '(' && !isQuoted);
  return { needed: open < 1 ? 1 : Number(tokens[open - 1]?.text ?? 1), names: tokens.slice(open + 1).map(({ text: word }) => word) };
}

/** Whether a standby of this name may count; names are compared without case (syncrep.c, SyncRepGetStandbyPriority). */
export function countsAsSync({ names }: SyncNames, name: string): boolean {
  return names.includes('*') || namesIt({ names }, name);
}

/** Whether this very name is on the list. */
export function namesIt({ names }: Pick<SyncNames, 'names'>, name: string): boolean {
  return names.some((one) => one.toLowerCase() === name.toLowerCase());
}

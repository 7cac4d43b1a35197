/** What `synchronous_standby_names` asks for. */
export interface SyncNames {
  /** `first`: the names before others; `any`: whoever is faster. A bare list is `first` (PostgreSQL documentation 20.6.2). */
  readonly method: 'any' | 'first';
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
  const isAny = open > 1 && tokens[0]?.isQuoted === false && tokens[0].text.toLowerCase() === 'any';
  return { method: isAny ? 'any' : 'first', needed: open < 1 ? 1 : Number(tokens[open - 1]?.text ?? 1), names: tokens.slice(open + 1).map(({ text: word }) => word) };
}

/**
 * As it goes into a configuration file: every name in double quotes, because `any`, `first` and names with other characters are refused bare, and a
 * refused value only shows in the log of the server (hazards B15, F09). Empty for `null`: no commit waits.
 */
export function renderSyncNames(wanted: SyncNames | null): string {
  if (wanted === null || wanted.names.length === 0) return '';
  return `${wanted.method.toUpperCase()} ${wanted.needed} (${wanted.names.map((name) => (name === '*' ? name : `"${name.replaceAll('"', '""')}"`)).join(', ')})`;
}

/** Whether two values ask for the same: names without case; their order counts for `first` alone. */
export function sameSyncNames(a: SyncNames | null, b: SyncNames | null): boolean {
  if (a === null || b === null) return a === b;
  const plain = ({ method, needed, names }: SyncNames): string => JSON.stringify([method, needed, method === 'any' ? names.map(lower).sort() : names.map(lower)]);
  return plain(a) === plain(b);
}

/** Whether a standby of this name may count; names are compared without case (syncrep.c, SyncRepGetStandbyPriority). */
export function countsAsSync({ names }: Pick<SyncNames, 'names'>, name: string): boolean {
  return names.includes('*') || namesIt({ names }, name);
}

/** Whether this very name is on the list. */
export function namesIt({ names }: Pick<SyncNames, 'names'>, name: string): boolean {
  return names.some((one) => lower(one) === lower(name));
}

function lower(name: string): string {
  return name.toLowerCase();
}

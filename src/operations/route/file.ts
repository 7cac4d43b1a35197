import { createHash } from 'node:crypto';

export type RouteKind = 'libpq' | 'haproxy' | 'pgbouncer';

/** `same`: as it is rendered now. `older`: written by pgrepl, and not touched since. `edited`: by hand. `other`: pgrepl did not write it. */
export type FileState = 'missing' | 'same' | 'older' | 'edited' | 'other';

/** The text with a header that tells whose it is and whether it was touched: `#` begins a comment in all three formats. Pure. */
export function sealed(kind: RouteKind, cluster: string, body: string): string {
  return `# Written by pgrepl route ${kind} for cluster ${cluster}.\n# sha256: ${digest(body)}\n${body}`;
}

/** What a file is, held against what would be written. Pure. */
export function judgeFile(present: string | null, wanted: string): FileState {
  if (present === null) return 'missing';
  if (present === wanted) return 'same';
  const [, seal, body] = /^# Written by pgrepl route [^\n]*\n# sha256: ([0-9a-f]{64})\n(.*)$/s.exec(present) ?? [];
  if (seal === undefined || body === undefined) return 'other';
  return digest(body) === seal ? 'older' : 'edited';
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What /ui/data.json gives; the status is what `pgrepl status --json` prints. */
export interface Data {
  readonly stale: boolean;
  readonly ageSeconds: number;
  readonly intervalSeconds: number;
  readonly status: Status | null;
  readonly history: readonly Point[];
}

export interface Status {
  readonly cluster: string | null;
  readonly verdict: 'ok' | 'warning' | 'critical';
  readonly primary: string | null;
  readonly nodes: readonly Node[];
  readonly findings: readonly Finding[];
}

export interface Node {
  readonly name: string;
  readonly role: 'primary' | 'standby' | 'unknown';
  readonly state: string;
  readonly host: string | null;
  readonly port: number | null;
  readonly version: string | null;
  readonly timeline: number | null;
  readonly upstream: string | null;
  readonly sync: string | null;
  readonly lag: { readonly receivedBytes: number | null; readonly replayedBytes: number | null; readonly seconds: number | null } | null;
  readonly slot: { readonly retainedBytes: number | null; readonly walStatus: string | null } | null;
}

export interface Finding {
  readonly id: string;
  readonly level: 'info' | 'warning' | 'critical';
  readonly node: string | null;
  readonly says: string;
  readonly hint: string | null;
  readonly next: readonly string[];
}

export interface Point {
  readonly at: number;
  readonly lag: Readonly<Record<string, number | null>>;
}

/** How a node is to be painted: as it should be, worth a look, or broken. */
export function toneOf(node: Node, findings: readonly Finding[]): 'good' | 'warning' | 'critical' {
  const levels = findings.filter((finding) => finding.node === node.name).map(({ level }) => level);
  if (levels.includes('critical') || ['unreachable', 'stopped', 'foreign', 'detached'].includes(node.state)) return 'critical';
  return levels.includes('warning') || !['running', 'streaming'].includes(node.state) ? 'warning' : 'good';
}

/** `0 B`, `1.2 MB`; the units of PostgreSQL, in which a kilobyte is 1024 bytes. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [amount, unit] = [bytes, 0];
  while (Math.round(amount) >= 1024 && unit < units.length - 1) [amount, unit] = [amount / 1024, unit + 1];
  return `${amount < 100 ? Number(amount.toFixed(1)) : Math.round(amount)} ${units[unit] ?? ''}`;
}

/** Seconds for people. Pure. */
export function secondsText(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Number((seconds / 3600).toFixed(1))} h`;
}

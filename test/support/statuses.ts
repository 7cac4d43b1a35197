import type { Machine, Ran } from './cluster.ts';
import type { RunOptions } from './run-pgrepl.ts';

interface SeenNode {
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly timeline: number | null;
  readonly lsn: string | null;
  readonly upstream: string | null;
  readonly sync: string | null;
  readonly lag: { readonly receivedBytes: number | null; readonly replayedBytes: number | null; readonly seconds: number | null } | null;
  readonly slot: { readonly name: string; readonly active: boolean; readonly retainedBytes: number | null } | null;
}

interface SeenFinding {
  readonly id: string;
  readonly level: string;
  readonly node: string | null;
  readonly says: string;
  readonly hint: string | null;
  readonly next: readonly string[];
}

/** What `pgrepl status --json` printed, with its exit code. */
export interface SeenStatus {
  readonly exit: number | null;
  readonly ms: number;
  readonly verdict: string;
  readonly primary: string | null;
  readonly systemIdentifier: string | null;
  readonly nodes: Readonly<Record<string, SeenNode>>;
  readonly findings: readonly SeenFinding[];
  /** The first finding of this kind; throws with all of them when there is none. */
  finding(id: string): SeenFinding;
}

/** `pgrepl status --json`. */
export async function statusOf(m: Machine, args: readonly string[] = [], options?: RunOptions): Promise<SeenStatus> {
  const ran = await m.pgrepl(['status', '--json', ...args], options);
  return readStatus(ran);
}

export function readStatus(ran: Ran): SeenStatus {
  const [document, more] = ran.json;
  if (document === undefined || more !== undefined) throw new Error(`not exactly one JSON document (exit ${String(ran.exit)})\n${ran.stdout}\n${ran.stderr}`);
  const seen = document as unknown as Omit<SeenStatus, 'exit' | 'ms' | 'nodes' | 'finding'> & { readonly nodes: readonly SeenNode[] };
  return {
    ...seen,
    exit: ran.exit,
    ms: ran.ms,
    nodes: Object.fromEntries(seen.nodes.map((node) => [node.name, node])),
    finding: (id) => {
      const found = seen.findings.find((finding) => finding.id === id);
      if (found === undefined) throw new Error(`no finding ${id} among ${JSON.stringify(seen.findings, null, 2)}`);
      return found;
    },
  };
}

/** Asks until the status is as wanted; the last one is in the error. */
export async function statusWhen(m: Machine, wanted: (seen: SeenStatus) => boolean, args: readonly string[] = [], deadlineMs = 20_000): Promise<SeenStatus> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const seen = await statusOf(m, args);
    if (wanted(seen)) return seen;
    if (performance.now() > until) throw new Error(`the status did not become as wanted: ${JSON.stringify(seen, null, 1)}`);
  }
}

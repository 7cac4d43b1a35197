import type { Machine } from './cluster.ts';

interface SeenLogin {
  readonly from: string;
  readonly to: string;
  readonly result: string;
  readonly reason: string | null;
  readonly says: string | null;
}

interface SeenFinding {
  readonly id: string;
  readonly rule: string;
  readonly hazard: string | null;
  readonly level: string;
  readonly node: string | null;
  readonly says: string;
  readonly evidence: readonly string[];
  readonly hint: string | null;
  readonly next: readonly string[];
}

/** What `pgrepl doctor --json` printed, with its exit code. */
export interface SeenDoctor {
  readonly exit: number | null;
  readonly ms: number;
  readonly verdict: string;
  readonly nodes: readonly Readonly<Record<string, unknown>>[];
  readonly logins: readonly SeenLogin[];
  readonly findings: readonly SeenFinding[];
  /** `ok`, or the reason: `{ 'node1>node2': 'ok', … }`. */
  readonly cells: Readonly<Record<string, string>>;
  /** The first finding of this kind; throws with all of them when there is none. */
  finding(id: string): SeenFinding;
}

/** `pgrepl doctor --json`, held against its schema. */
export async function doctorOf(m: Machine, args: readonly string[] = []): Promise<SeenDoctor> {
  const ran = await m.pgrepl(['doctor', '--json', ...args]);
  const [document, more] = ran.json;
  if (document === undefined || more !== undefined) throw new Error(`not exactly one JSON document (exit ${String(ran.exit)})\n${ran.stdout}\n${ran.stderr}`);
  const seen = document as unknown as Pick<SeenDoctor, 'verdict' | 'nodes' | 'logins' | 'findings'>;
  return {
    ...seen,
    exit: ran.exit,
    ms: ran.ms,
    cells: Object.fromEntries(seen.logins.map(({ from, to, reason }) => [`${from}>${to}`, reason ?? 'ok'])),
    finding: (id) => {
      const found = seen.findings.find((finding) => finding.id === id);
      if (found === undefined) throw new Error(`no finding ${id} among ${JSON.stringify(seen.findings, null, 2)}`);
      return found;
    },
  };
}

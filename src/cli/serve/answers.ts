import { judgeCluster, judgeNode } from '../../operations/serve/health.ts';
import type { HistoryPoint } from '../../operations/serve/history.ts';
import { renderMetrics, type ServeCounts } from '../../operations/serve/metrics.ts';
import type { Snapshot } from '../../operations/serve/snapshot.ts';
import type { StatusDocument } from '../../operations/status.ts';
import { jsonLine } from '../output/json.ts';
import type { Wanted } from './requests.ts';

/** One answer, whole. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What the answers are made of at one moment. */
export interface Seen {
  /** `null` before the first look. */
  readonly snapshot: Snapshot | null;
  /** Seconds since the last look ended; of none: since the start. */
  readonly ageSeconds: number;
  /** From this age on a look is no answer any more. */
  readonly expiresSeconds: number;
  readonly intervalSeconds: number;
  readonly history: readonly HistoryPoint[];
  readonly counts: ServeCounts;
  readonly page: Page;
  /** With commands as they are to be typed. */
  readonly typed: (document: StatusDocument) => StatusDocument;
}

export interface Page {
  readonly html: string;
  readonly script: string;
  readonly style: string;
  readonly icon: string;
}

const JSON_TYPE = 'application/json; charset=utf-8';

/** The answer to a request. Pure. */
export function answerTo(wanted: Wanted, seen: Seen): Answer {
  const { snapshot, page } = seen;
  switch (wanted.what) {
    case 'nothing':
      return json(wanted.status, { error: wanted.why, try: wanted.next });
    case 'liveness':
      return json(isStale(seen) ? 503 : 200, { ok: !isStale(seen), ageSeconds: rounded(seen.ageSeconds) });
    case 'health':
      return health(wanted, seen);
    case 'status':
      return snapshot === null ? notYet(seen) : { status: isStale(seen) ? 503 : 200, type: JSON_TYPE, body: jsonLine(seen.typed(snapshot.document)) };
    case 'metrics':
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: renderMetrics(isStale(seen) ? null : snapshot, seen.counts) };
    case 'data':
      return json(200, { format: 1, stale: isStale(seen), ageSeconds: rounded(seen.ageSeconds), intervalSeconds: seen.intervalSeconds, status: snapshot === null ? null : seen.typed(snapshot.document), history: seen.history });
    case 'page':
      return { status: 200, type: 'text/html; charset=utf-8', body: page.html };
    case 'script':
      return { status: 200, type: 'text/javascript; charset=utf-8', body: page.script };
    case 'style':
      return { status: 200, type: 'text/css; charset=utf-8', body: page.style };
    case 'icon':
      return { status: 200, type: 'image/svg+xml', body: page.icon };
    default:
      return wanted satisfies never;
  }
}

/** True where the last look is too old to be believed, and before the first. */
export function isStale({ snapshot, ageSeconds, expiresSeconds }: Pick<Seen, 'snapshot' | 'ageSeconds' | 'expiresSeconds'>): boolean {
  return snapshot === null || ageSeconds > expiresSeconds;
}

function health({ about, question }: Wanted & { readonly what: 'health' }, seen: Seen): Answer {
  const { snapshot } = seen;
  if (snapshot === null) return notYet(seen);
  const answer = about === null ? judgeCluster(question, snapshot) : judgeNode(question, about, snapshot);
  const stale = isStale(seen);
  const node = snapshot.document.nodes.find(({ name }) => name === answer.node);
  return json(answer.ok && !stale ? 200 : 503, {
    ok: answer.ok && !stale,
    node: answer.node,
    role: node?.role ?? null,
    state: node?.state ?? null,
    timeline: node?.timeline ?? null,
    sync: node?.sync ?? null,
    lag: node === undefined ? null : (snapshot.lags.get(node.name) ?? null),
    why: stale ? `the last look is ${Math.round(seen.ageSeconds)} s old` : answer.why,
    ageSeconds: rounded(seen.ageSeconds),
  });
}

function notYet(seen: Seen): Answer {
  return json(503, { ok: false, why: 'the cluster was not looked at yet', ageSeconds: rounded(seen.ageSeconds) });
}

function json(status: number, value: object): Answer {
  return { status, type: JSON_TYPE, body: jsonLine(value) };
}

function rounded(seconds: number): number {
  return Number(seconds.toFixed(2));
}

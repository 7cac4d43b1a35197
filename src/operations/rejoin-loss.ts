import { PgreplError, type Reason } from '../errors.ts';
import { renderLsn, type Lsn } from '../postgres/lsn.ts';
import type { TimelineSpan } from '../postgres/timeline.ts';
import type { WalContent, WalStretch } from '../postgres/tools.ts';
import { renderBytes } from '../postgres/units.ts';
import type { World } from '../steps/world.ts';
import type { NodeView } from './cluster.ts';
import type { LogVerdict, NodeLog } from './rejoin-verdict.ts';

/** What only the node has, and would go with its directory. */
export interface RejoinLoss {
  /** From where on its log is its own; `null` when nobody can say. */
  readonly from: Lsn | null;
  /** False where the place of the fork is not known exactly, and all from a place before it was counted. */
  readonly exact: boolean;
  readonly bytes: number;
  /** `null`: its log could not be read. */
  readonly content: WalContent | null;
  /** Tables that rows were written to, by name as far as the primary knows them, else by their files. */
  readonly tables: readonly string[];
}

const NAMED = 12;

/** Counts it with pg_waldump, on the node's machine; the tables are named by the primary (hazards I02, J21). Reads only. */
export async function countLoss(world: World, node: NodeView, log: NodeLog, primary: NodeView, verdict: LogVerdict): Promise<RejoinLoss | null> {
  if (verdict.verdict === 'contained') return null;
  const own = log.spans.at(-1);
  const from = verdict.verdict === 'diverged' ? verdict.forkLsn : (verdict.from ?? (own !== undefined && own.begin > 0n ? own.begin : null));
  const exact = verdict.verdict === 'diverged';
  const bytes = from === null ? 0 : Math.max(0, Number(log.endLsn - from));
  const programs = await world.node(node.spec.name).programs();
  let content: WalContent | null = null;
  try {
    if (from !== null) content = await programs.walContent(node.facts.place.pgdata, stretchesFrom(log.spans, from));
  } catch (error) {
    if (!(error instanceof PgreplError) || error.kind === 'bug' || error.kind === 'interrupted') throw error;
  }
  const refs = content?.relations.slice(0, 200).map(({ ref }) => ref) ?? [];
  const names = refs.length === 0 ? new Map<string, string>() : await (await world.node(primary.spec.name).server()).tablesOf(refs);
  return { from, exact, bytes, content, tables: [...new Set(refs.map((ref) => names.get(ref) ?? `file ${ref}`))] };
}

/** The log from this place on, timeline by timeline. Pure. */
export function stretchesFrom(spans: readonly TimelineSpan[], from: Lsn): readonly WalStretch[] {
  return spans
    .filter(({ end }) => end === null || end > from)
    .map(({ timeline, begin, end }) => ({ timeline, from: begin > from ? begin : from, to: end }));
}

/** True when something that a client was told is in it, or nobody can say that it is not. Pure. */
export function isData(loss: RejoinLoss | null): boolean {
  if (loss === null) return false;
  return loss.content === null || loss.from === null || loss.content.commits > 0 || loss.content.prepared > 0;
}

/** `3 transactions, the last committed at … (312 bytes of WAL past 0/3000148)`. Pure. */
export function describeLoss(loss: RejoinLoss): string {
  const { content } = loss;
  const where = loss.from === null ? '' : `${loss.bytes < 1024 ? `${loss.bytes} bytes` : `${loss.bytes} bytes, ${renderBytes(loss.bytes)},`} of WAL ${loss.exact ? 'past' : 'from'} ${renderLsn(loss.from)}`;
  if (content === null) return `an unknown number of transactions${where === '' ? '' : ` (${where})`}: ${loss.from === null ? 'nobody can tell from where on its log is its own' : 'its log cannot be read'}`;
  const count = content.commits === 0 ? 'no transactions' : `${loss.exact ? '' : 'up to '}${content.commits} ${content.commits === 1 ? 'transaction' : 'transactions'}`;
  const prepared = content.prepared === 0 ? '' : ` and ${content.prepared} prepared`;
  const last = content.lastCommitAt === null ? '' : `, the last committed at ${content.lastCommitAt}`;
  return `${count}${prepared}${last} (${where === '' ? 'in its log' : where})`;
}

/** `in app.public.orders and 2 more`. Pure. */
export function describeTables({ tables }: RejoinLoss): string {
  if (tables.length === 0) return '';
  const more = tables.length - NAMED;
  return `rows were written to ${tables.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The refusal of what nobody has accepted to lose. Pure. */
export function wouldDiscard(node: string, primary: string, loss: RejoinLoss, kept: string, command: string): Reason {
  const tables = describeTables(loss);
  return {
    code: 'would-discard',
    node,
    message: `${node} has what ${primary} does not have: ${describeLoss(loss)}${tables === '' ? '' : `; ${tables}`}`,
    hint: `They would no longer be in a database. What can be read of them is kept in ${kept}.`,
    next: [command],
  };
}

import { asPgreplError, type Reason } from '../errors.ts';
import type { PoolerDatabase } from '../postgres/pooler.ts';
import type { Step } from '../steps/index.ts';
import { addressOf, withPooler } from '../steps/pause-pooler.ts';
import type { World } from '../steps/world.ts';
import type { ClusterView, NodeView } from './cluster.ts';
import type { RouteNode } from './route/choose.ts';
import { judgeFile, sealed } from './route/file.ts';
import { databasesIn, pooledDatabases, renderPgbouncer } from './route/pgbouncer.ts';
import type { PoolerWish } from './wants.ts';
import { isToReplayLate } from '../topology/topology.ts';

/** A PgBouncer as it was seen. */
export interface PoolerFacts {
  readonly wish: PoolerWish;
  readonly databases: readonly PoolerDatabase[];
  /** Text of its route file; `null` where none is named, or it is not there. */
  readonly text: string | null;
  /** Why it could not be asked. */
  readonly trouble: { readonly message: string; readonly hint: string | undefined } | null;
}

/** What a change of roles does at its poolers. */
export interface PoolerChange {
  readonly reasons: readonly Reason[];
  /** The last thing before the hand-over. */
  readonly before: readonly Step[];
  /** The first thing after it. */
  readonly after: readonly Step[];
  /** Of the budget, for queries to end. */
  readonly pauseMs: number;
  readonly notices: readonly string[];
}

/** The change of roles that they go along with. */
export interface RoleMove {
  /** The primary that is stopped; `null`: nobody takes writes, or `to` does already. */
  readonly from: NodeView | null;
  readonly to: NodeView;
  readonly budgetMs: number;
  /** Stopped nodes that come back as standbys by the same plan. */
  readonly returning: readonly string[];
}

const NOTHING: PoolerChange = { reasons: [], before: [], after: [], pauseMs: 0, notices: [] };
/** A pause counts for clients as much as the hand-over does: of the budget it gets a third, and no more than this. */
const MOST_PAUSE_MS = 10_000;

/** Asks every one; one that cannot be asked is a fact. Changes nothing. */
export async function observePoolers(world: World, wishes: readonly PoolerWish[]): Promise<readonly PoolerFacts[]> {
  return await Promise.all(
    wishes.map(async (wish): Promise<PoolerFacts> => {
      try {
        const [databases, text] = await Promise.all([withPooler(wish.console, world, async (pooler) => await pooler.databases()), wish.file === null ? null : (await world.machine(wish.file.via)).readText(wish.file.path)]);
        return { wish, databases, text, trouble: null };
      } catch (thrown) {
        const error = asPgreplError(thrown);
        if (error.kind === 'interrupted' || error.kind === 'bug') throw thrown;
        return { wish, databases: [], text: null, trouble: { message: error.message, hint: error.hint } };
      }
    }),
  );
}

/**
 * Holds clients before `from` is stopped, and leads them to `to` afterwards; without `from` nothing is held. Pure.
 */
export function planPoolers(facts: readonly PoolerFacts[], view: ClusterView, { from, to, budgetMs, returning }: RoleMove): PoolerChange {
  if (facts.length === 0) return NOTHING;
  const pauseMs = from === null ? 0 : Math.min(MOST_PAUSE_MS, Math.round(budgetMs / 3));
  const each = facts.map((one) => planOne(one, nodesAfter(view, [...returning, ...(from === null ? [] : [from.spec.name])], to), view.topology.cluster, { from, to, pauseMs: pauseMs / facts.length }));
  return {
    reasons: each.flatMap(({ reasons }) => reasons),
    before: each.flatMap(({ before }) => before),
    after: each.flatMap(({ after }) => after),
    pauseMs,
    notices: from === null ? [] : [`clients of PgBouncer are held meanwhile: queries that run get ${pauseMs / 1_000} s to end, of the ${budgetMs / 1_000} s in all`],
  };
}

function planOne(facts: PoolerFacts, nodes: readonly RouteNode[], cluster: string, { from, to, pauseMs }: Pick<RoleMove, 'from' | 'to'> & { readonly pauseMs: number }): Omit<PoolerChange, 'pauseMs' | 'notices'> {
  const { wish, databases, text, trouble } = facts;
  const at = `PgBouncer at ${addressOf(wish.console)}`;
  const refused = (code: string, message: string, hint: string, next: readonly string[] = []): Omit<PoolerChange, 'pauseMs' | 'notices'> => ({ reasons: [{ code, message, hint, next }], before: [], after: [] });
  if (trouble !== null) return refused('pooler-unreachable', `${at} cannot be asked: ${trouble.message}`, trouble.hint ?? 'The user must be among its admin_users; the password comes from --pgbouncer-password-file or your passfile.');
  const direct = from === null ? [] : databases.filter(({ hosts, port }) => hosts.includes(from.spec.host) && port === from.spec.port);
  const session = (from === null ? [] : databases).find(({ name, poolMode }) => poolMode === 'session' && (wish.file === null || direct.some((one) => one.name === name)));
  if (session !== undefined) return refused('pooler-session-mode', `${at} pools database ${session.name} by session: a pause would wait for every client to leave`, 'With pool_mode = transaction a pause waits for transactions alone.');
  if (wish.file === null) {
    const [first] = direct;
    if (first !== undefined) return refused('pooler-not-led', `${at} leads database ${first.name} to ${from?.spec.name ?? ''} itself, and nobody would lead it elsewhere`, 'Name the file that its configuration includes.', ['--pgbouncer-config FILE']);
    const all = databases.map(({ name }) => name);
    return { reasons: [], before: from === null ? [] : [{ kind: 'pause-pooler', node: from.spec.name, console: wish.console, databases: all, deadlineMs: pauseMs }], after: [{ kind: 'resume-pooler', node: to.spec.name, console: wish.console, databases: all }] };
  }
  const { via, path } = wish.file;
  if (text === null) return refused('pooler-file-missing', `${path}, which ${at} is led by, is not there`, 'Write it first, and let pgbouncer.ini include it.', [`pgrepl route pgbouncer --write ${path}`]);
  const state = judgeFile(text, '');
  const listed = databasesIn(text);
  const [first] = listed;
  if (state !== 'older' || first === undefined) return refused('pooler-file-edited', `${path} ${state === 'edited' ? 'was edited by hand since pgrepl wrote it' : 'was not written by pgrepl route pgbouncer'}`, 'It is rendered again after the hand-over, and what is in it would be gone.', [`pgrepl route pgbouncer --write ${path} --replace-edits`]);
  const primary = nodes.find(({ name }) => name === to.spec.name);
  if (primary === undefined) throw new Error('unreachable');
  const { pooled } = pooledDatabases(nodes, primary, listed);
  const unlisted = direct.find(({ name }) => !pooled.some((one) => one.name === name));
  if (unlisted !== undefined) return refused('pooler-not-led', `${at} leads database ${unlisted.name} to ${from?.spec.name ?? ''}, and it is not in ${path}`, 'Let that file have it.', [`pgrepl route pgbouncer ${[...listed, unlisted.name].map((name) => `--dbname ${name}`).join(' ')} --write ${path}`]);
  const held = direct.map(({ name }) => name);
  return {
    reasons: [],
    before: held.length === 0 || from === null ? [] : [{ kind: 'pause-pooler', node: from.spec.name, console: wish.console, databases: held, deadlineMs: pauseMs }],
    after: [
      { kind: 'route-pooler', node: to.spec.name, console: wish.console, via, path, content: sealed('pgbouncer', cluster, renderPgbouncer(nodes, primary, listed)), leads: pooled.map(({ name, hosts, port }) => ({ name, hosts, port })) },
      { kind: 'resume-pooler', node: to.spec.name, console: wish.console, databases: pooled.map(({ name }) => name) },
    ],
  };
}

/** The cluster as it will be: `to` is the primary, whoever is or comes back as a standby is read from. */
function nodesAfter(view: ClusterView, returning: readonly string[], to: NodeView): readonly RouteNode[] {
  return view.nodes.map((node): RouteNode => {
    const { name, host, port, delay = '0' } = node.spec;
    const standby = node !== to && (returning.includes(node.spec.name) || node.facts.server?.inRecovery === true);
    const delayed = isToReplayLate(node.spec);
    const why = delayed ? `it holds commits back for ${delay}` : standby || node === to ? null : 'it is no running standby';
    return { name, host, port, role: node === to ? 'primary' : standby ? 'standby' : 'unknown', writes: true, reads: !delayed, fresh: standby && !delayed, why };
  });
}

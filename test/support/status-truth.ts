import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './cluster.ts';
import { closeOracle, openOracle } from './oracle.ts';
import type { SeenStatus } from './statuses.ts';

/** What one server says of itself when it is asked without pgrepl. */
interface Asked {
  readonly recovery: boolean;
  readonly timeline: number;
  readonly end: bigint;
  readonly replayed: bigint | null;
  readonly paused: boolean;
  readonly receiver: { readonly status: string; readonly port: number; readonly timeline: number } | null;
  readonly slotName: string;
  readonly senders: readonly { readonly pid: number; readonly name: string; readonly state: string; readonly sync: string }[];
  readonly slots: readonly { readonly name: string; readonly active: boolean; readonly pid: number | null; readonly status: string | null; readonly reserved: boolean }[];
  readonly syncNames: string;
}

/** A node as the test itself sees it: by its processes, its files and its own words. */
export interface Truth {
  readonly name: string;
  readonly port: number;
  readonly process: 'none' | 'frozen' | 'runs' | 'starting' | 'stopping';
  readonly hasSignal: boolean;
  readonly controlState: string;
  readonly asked: Asked | null;
}

const QUESTION = `SELECT json_build_object('recovery', pg_is_in_recovery(),
  'file', CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_lsn()) END,
  'end', (CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_flush_lsn() END - '0/0')::text,
  'replayed', CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::text END,
  'paused', CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END,
  'receiver', (SELECT json_build_object('status', status, 'port', sender_port, 'timeline', received_tli) FROM pg_stat_wal_receiver WHERE sender_port IS NOT NULL),
  'slotName', current_setting('primary_slot_name'),
  'senders', (SELECT coalesce(json_agg(json_build_object('pid', pid, 'name', application_name, 'state', state, 'sync', sync_state) ORDER BY pid), '[]') FROM pg_stat_replication),
  'slots', (SELECT coalesce(json_agg(json_build_object('name', slot_name, 'active', active, 'pid', active_pid, 'status', wal_status, 'reserved', restart_lsn IS NOT NULL) ORDER BY slot_name), '[]') FROM pg_replication_slots),
  'syncNames', current_setting('synchronous_standby_names'))::text AS told`;

/** Asks every node itself, one after the other. */
export async function truthOf(m: Machine, names: readonly string[]): Promise<readonly Truth[]> {
  return await Promise.all(names.map(async (name): Promise<Truth> => {
    const { pgdata, port } = await m.place(name);
    const pid = await m.postmaster(name);
    const living = pid === null ? 'none' : isFrozen(pid) ? 'frozen' : 'runs';
    // What runs says itself what it is; only of what does not are the files asked.
    const asked = living === 'runs' ? await ask(pgdata).catch(() => null) : null;
    const process = living === 'runs' && asked === null ? betweenStates(pgdata) : living;
    const control = asked !== null ? '' : await m.program('pg_controldata', ['-D', pgdata]).catch(() => '');
    return { name, port, process, hasSignal: existsSync(join(pgdata, 'standby.signal')), controlState: /^Database cluster state: *(.*)$/m.exec(control)?.[1] ?? '', asked };
  }));
}

/** By the last line of postmaster.pid (miscinit.c, PM_STATUS_STARTING and others). */
function betweenStates(pgdata: string): Truth['process'] {
  const status = existsSync(join(pgdata, 'postmaster.pid')) ? readFileSync(join(pgdata, 'postmaster.pid'), 'utf8').split('\n')[7]?.trim() : undefined;
  return status === 'starting' || status === 'stopping' ? status : 'runs';
}

function isFrozen(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').startsWith('T');
  } catch {
    return false;
  }
}

async function ask(pgdata: string): Promise<Asked> {
  const client = await openOracle(pgdata);
  try {
    const { rows } = await client.query<{ told: string }>(QUESTION);
    const told = JSON.parse(rows[0]?.told ?? '{}') as Omit<Asked, 'timeline' | 'end' | 'replayed'> & { readonly file: string | null; readonly end: string | null; readonly replayed: string | null };
    return { ...told, timeline: told.file === null ? (told.receiver?.timeline ?? 0) : Number.parseInt(told.file.slice(0, 8), 16), end: BigInt(told.end ?? '0'), replayed: told.replayed === null ? null : BigInt(told.replayed) };
  } finally {
    await closeOracle(client);
  }
}

/** What stays while nothing happens: positions and processes left out. */
export function shapeOf(truths: readonly Truth[]): string {
  return JSON.stringify(truths.map(({ asked, ...node }) => ({ ...node, asked: asked === null ? null : { ...asked, end: '', replayed: '', receiver: asked.receiver === null ? null : { ...asked.receiver } } })));
}

interface Row {
  readonly upstream: Truth;
  readonly state: string;
  readonly sync: string;
}

/** The row of a standby in the view of whoever lists it: by its name, or by the process that holds its slot. */
function rowOf(node: Truth, all: readonly Truth[]): Row | null {
  for (const upstream of all) {
    if (upstream.asked === null || upstream === node) continue;
    const pids = upstream.asked.slots.filter(({ name }) => name === (node.asked?.slotName === '' ? node.name : node.asked?.slotName)).map(({ pid }) => pid);
    const row = upstream.asked.senders.find((sender) => sender.name === node.name || pids.includes(sender.pid));
    if (row !== undefined) return { upstream, state: row.state, sync: row.sync };
  }
  return null;
}

/** What the status must say of each node, by the promise of the status and nothing of its code. */
function expectedOf(node: Truth, all: readonly Truth[]): { readonly role: string; readonly state: string; readonly upstream: string | null; readonly sync: string | null } {
  const primaries = all.filter(({ asked }) => asked?.recovery === false);
  const byFiles = node.hasSignal || /in recovery|in archive recovery/.test(node.controlState) ? 'standby' : primaries.length === 0 ? 'primary' : 'unknown';
  if (node.asked === null) return { role: byFiles, state: node.process === 'none' ? 'stopped' : node.process === 'starting' || node.process === 'stopping' ? node.process : 'unreachable', upstream: null, sync: null };
  if (!node.asked.recovery) return { role: 'primary', state: 'running', upstream: null, sync: null };
  const row = rowOf(node, all);
  const at = all.find(({ port }) => port === node.asked?.receiver?.port) ?? null;
  const claimed = row === null && node.asked.receiver?.status === 'streaming' && at?.process === 'frozen' ? at : null;
  if (row === null && claimed === null) return { role: 'standby', state: 'detached', upstream: null, sync: null };
  const state = node.asked.paused ? 'paused' : row === null || row.state === 'streaming' ? 'streaming' : 'catching-up';
  return { role: 'standby', state, upstream: (row?.upstream ?? claimed)?.name ?? null, sync: row?.sync ?? null };
}

/** The findings that must be there, and of their kinds no others: `id node`. */
function expectedFindings(all: readonly Truth[]): readonly string[] {
  const primaries = all.filter(({ asked }) => asked?.recovery === false);
  const found: string[] = [];
  if (primaries.length > 1) found.push('two-primaries -');
  if (primaries.length === 0) found.push('no-primary');
  for (const node of all) {
    const { state, role } = expectedOf(node, all);
    if (state === 'stopped') found.push(`node-down ${node.name}`);
    if (state === 'unreachable') found.push(`node-silent ${node.name}`);
    if (state === 'starting' || state === 'stopping') found.push(`node-${state} ${node.name}`);
    if (state === 'detached') found.push(`not-attached ${node.name}`);
    if (role === 'standby' && node.asked?.paused === true) found.push(`paused-by-hand ${node.name}`);
    for (const slot of node.asked?.slots ?? []) {
      if (slot.status === 'lost') found.push(`slot-lost "${slot.name}" on ${node.name}`);
      else if (!slot.active && slot.reserved) found.push(`slot-inactive "${slot.name}" on ${node.name}`);
    }
    const waits = node.asked !== null && !node.asked.recovery && node.asked.syncNames !== '' && !node.asked.senders.some(({ sync }) => sync === 'sync' || sync === 'quorum');
    if (waits) found.push(`commits-wait ${node.name}`);
  }
  return found.sort();
}

const KINDS = new Set(['two-primaries', 'no-primary', 'node-down', 'node-silent', 'node-starting', 'node-stopping', 'not-attached', 'paused-by-hand', 'slot-lost', 'slot-inactive', 'commits-wait']);

function toldFindings({ findings }: SeenStatus): readonly string[] {
  return findings.filter(({ id }) => KINDS.has(id)).map(({ id, node, says }) => {
    if (id === 'no-primary') return id;
    return id.startsWith('slot-') ? `${id} ${/slot ("[^"]*" on \S+)/.exec(says)?.[1] ?? '?'}` : `${id} ${node ?? '-'}`;
  }).sort();
}

/**
 * Every way in which a status is not what the servers themselves said, asked before and after it. Positions must lie between the two. Empty: it
 * told the truth.
 */
export function untruths(seen: SeenStatus, before: readonly Truth[], after: readonly Truth[]): readonly string[] {
  const wrong: string[] = [];
  const is = (what: string, told: unknown, wanted: unknown): void => {
    if (told !== wanted) wrong.push(`${what}: told ${String(told)}, is ${String(wanted)}`);
  };
  const primaries = after.filter(({ asked }) => asked?.recovery === false);
  is('primary', seen.primary, primaries.length === 1 ? primaries[0]?.name : null);
  for (const [index, node] of after.entries()) {
    const told = seen.nodes[node.name];
    const first = before[index]?.asked ?? null;
    const wanted = expectedOf(node, after);
    is(`${node.name} role`, told?.role, wanted.role);
    is(`${node.name} state`, told?.state, wanted.state);
    is(`${node.name} upstream`, told?.upstream, wanted.upstream);
    is(`${node.name} sync`, told?.sync, wanted.sync);
    if (node.asked === null || first === null || told === undefined) continue;
    if (node.asked.timeline > 0) is(`${node.name} timeline`, told.timeline, node.asked.timeline);
    const at = told.lsn === null ? null : BigInt(`0x${told.lsn.split('/')[0] ?? '0'}`) * 2n ** 32n + BigInt(`0x${told.lsn.split('/')[1] ?? '0'}`);
    if (at === null || at < first.end || at > node.asked.end) wrong.push(`${node.name} lsn: told ${String(told.lsn)}, is from ${first.end.toString(16)} to ${node.asked.end.toString(16)}`);
    const lag = told.lag?.replayedBytes ?? null;
    const [root, rootBefore] = [primaries.length === 1 ? primaries[0]?.asked : null, primaries.length === 1 ? before.find(({ name }) => name === primaries[0]?.name)?.asked : null];
    if (lag !== null && root != null && rootBefore != null && first.replayed !== null && node.asked.replayed !== null && wanted.upstream !== null) {
      const [least, most] = [Number(rootBefore.end - node.asked.replayed), Number(root.end - first.replayed)];
      if (lag < Math.max(0, least) || lag > Math.max(0, most)) wrong.push(`${node.name} replay lag: told ${lag}, is from ${least} to ${most}`);
    }
    const slot = after.find(({ name }) => name === wanted.upstream)?.asked?.slots.find(({ name }) => name === (node.asked?.slotName ?? ''));
    if (slot !== undefined) is(`${node.name} slot`, `${told.slot?.name ?? ''} ${String(told.slot?.active)}`, `${slot.name} ${String(slot.active)}`);
  }
  const [findings, expected] = [toldFindings(seen), expectedFindings(after)];
  if (JSON.stringify(findings) !== JSON.stringify(expected)) wrong.push(`findings: told ${findings.join(', ')}; must be ${expected.join(', ')}`);
  const levels = seen.findings.map(({ level }) => level);
  const verdict = levels.includes('critical') ? 'critical' : levels.includes('warning') ? 'warning' : 'ok';
  is('verdict', seen.verdict, verdict);
  is('exit', seen.exit, { ok: 0, warning: 7, critical: 8 }[verdict]);
  return wrong;
}

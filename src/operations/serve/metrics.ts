import { VERSION } from '../../version.ts';
import type { NodeRole, NodeState } from '../status-links.ts';
import type { Level, Verdict } from '../status.ts';
import type { Snapshot } from './snapshot.ts';

/** What `serve` counts of itself. */
export interface ServeCounts {
  readonly looks: number;
  /** Requests by what they were for and by the answer's status. */
  readonly requests: ReadonlyMap<string, { readonly path: string; readonly code: number; readonly count: number }>;
  /** Seconds since the epoch of the last look, 0 before the first. */
  readonly lookedAt: number;
  readonly lookSeconds: number;
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [Labels, number | null | undefined];

const VERDICTS: readonly Verdict[] = ['ok', 'warning', 'critical'];
const LEVELS: readonly Level[] = ['info', 'warning', 'critical'];
const ROLES: readonly NodeRole[] = ['primary', 'standby', 'unknown'];
const STATES: readonly NodeState[] = ['running', 'streaming', 'archive-recovery', 'catching-up', 'detached', 'paused', 'starting', 'stopping', 'stopped', 'unreachable', 'foreign'];

/**
 * The text format of Prometheus (version 0.0.4): base units, one family for one idea, labels `cluster` and `node`. What is not known is absent, never 0. Without a
 * snapshot, because there is none that can still be believed, only what `serve` knows of itself. Pure.
 */
export function renderMetrics(snapshot: Snapshot | null, counts: ServeCounts): string {
  return [...ofServe(counts), ...(snapshot === null ? [] : [...ofCluster(snapshot), ...ofNodes(snapshot), ...ofSlots(snapshot)])].join('');
}

function ofServe({ looks, requests, lookedAt, lookSeconds }: ServeCounts): readonly string[] {
  return [
    family('pgrepl_build_info', 'gauge', 'Always 1; the version of pgrepl is a label.', [[{ version: VERSION }, 1]]),
    family('pgrepl_looks_total', 'counter', 'Looks at the cluster; they are as many as the interval allows, however many ask.', [[{}, looks]]),
    family('pgrepl_last_look_timestamp_seconds', 'gauge', 'When the last look ended, in seconds since the epoch.', [[{}, lookedAt === 0 ? null : lookedAt]]),
    family('pgrepl_last_look_duration_seconds', 'gauge', 'How long the last look took.', [[{}, lookedAt === 0 ? null : lookSeconds]]),
    family('pgrepl_http_requests_total', 'counter', 'Requests by what they asked for and by the status of the answer.', [...requests.values()].map(({ path, code, count }): Sample => [{ path, code: String(code) }, count])),
  ];
}

function ofCluster({ document, writer }: Snapshot): readonly string[] {
  const cluster = document.cluster ?? '';
  const one = (labels: Labels, on: boolean): Sample => [{ cluster, ...labels }, Number(on)];
  return [
    family('pgrepl_cluster_info', 'gauge', 'Always 1; the system identifier is a label.', [[{ cluster, system_identifier: document.systemIdentifier ?? '' }, 1]]),
    family('pgrepl_cluster_verdict', 'gauge', 'Whether this is the verdict of status.', VERDICTS.map((verdict) => one({ verdict }, document.verdict === verdict))),
    family('pgrepl_cluster_primaries', 'gauge', 'Nodes that take writes; anything but 1 is wrong.', [[{ cluster }, document.nodes.filter(({ role, state }) => role === 'primary' && state === 'running').length]]),
    family('pgrepl_cluster_writable', 'gauge', 'Whether there is exactly one node that writes may be sent to.', [one({}, writer !== null)]),
    family('pgrepl_cluster_findings', 'gauge', 'Findings of status by level.', LEVELS.map((level): Sample => [{ cluster, level }, document.findings.filter((finding) => finding.level === level).length])),
    family('pgrepl_finding', 'gauge', 'Always 1; each finding of status that is there now. Of a finding about the cluster the node is empty.', unique(document.findings.map(({ id, level, node }): Sample => [{ cluster, id, level, node: node ?? '' }, 1]))),
  ];
}

function ofNodes({ document, lags }: Snapshot): readonly string[] {
  const { nodes } = document;
  const cluster = document.cluster ?? '';
  const each = (value: (node: (typeof nodes)[number]) => number | null | undefined): readonly Sample[] => nodes.map((node): Sample => [{ cluster, node: node.name }, value(node)]);
  const standbys = nodes.filter(({ role }) => role === 'standby');
  const lag = (name: string): { readonly receivedBytes: number | null; readonly replayedBytes: number | null; readonly seconds: number | null } | undefined => lags.get(name);
  return [
    family('pgrepl_node_up', 'gauge', 'Whether the server runs and lets pgrepl in.', each(({ state }) => Number(!['stopped', 'unreachable', 'starting', 'stopping', 'foreign'].includes(state)))),
    family('pgrepl_node_role', 'gauge', 'Whether the node has this role.', nodes.flatMap(({ name, role }) => ROLES.map((one): Sample => [{ cluster, node: name, role: one }, Number(role === one)]))),
    family('pgrepl_node_state', 'gauge', 'Whether the node is in this state.', nodes.flatMap(({ name, state }) => STATES.map((one): Sample => [{ cluster, node: name, state: one }, Number(state === one)]))),
    family('pgrepl_node_timeline', 'gauge', 'Timeline of the node.', each(({ timeline }) => timeline)),
    family('pgrepl_standby_received_lag_bytes', 'gauge', 'WAL that the standby has not received.', standbys.map(({ name }): Sample => [{ cluster, node: name }, lag(name)?.receivedBytes])),
    family('pgrepl_standby_replayed_lag_bytes', 'gauge', 'WAL that the standby has not replayed.', standbys.map(({ name }): Sample => [{ cluster, node: name }, lag(name)?.replayedBytes])),
    family('pgrepl_standby_replayed_lag_seconds', 'gauge', 'Time by which replay is behind; 0 when everything is replayed, absent when not known.', standbys.map(({ name }): Sample => [{ cluster, node: name }, lag(name)?.replayedBytes === 0 ? 0 : lag(name)?.seconds])),
    family('pgrepl_standby_synchronous', 'gauge', 'Whether commits may wait for this standby (sync or quorum).', standbys.map(({ name, sync }): Sample => [{ cluster, node: name }, Number(sync === 'sync' || sync === 'quorum')])),
  ];
}

function ofSlots({ document }: Snapshot): readonly string[] {
  const cluster = document.cluster ?? '';
  const slots = document.nodes.flatMap(({ name, slot }) => (slot === null ? [] : [{ ...slot, labels: { cluster, node: name, slot: slot.name } }]));
  return [
    family('pgrepl_slot_active', 'gauge', 'Whether the standby is connected to its slot.', slots.map(({ labels, active }): Sample => [labels, Number(active)])),
    family('pgrepl_slot_retained_bytes', 'gauge', 'WAL that is kept for the slot.', slots.map(({ labels, retainedBytes }): Sample => [labels, retainedBytes])),
    family('pgrepl_slot_safe_bytes', 'gauge', 'WAL that can still be written before the slot may lose what it needs; absent without a limit.', slots.map(({ labels, safeBytes }): Sample => [labels, safeBytes])),
    family('pgrepl_slot_lost', 'gauge', 'Whether WAL that the slot needs is gone.', slots.map(({ labels, walStatus }): Sample => [labels, Number(walStatus === 'lost')])),
  ];
}

/** Two findings of one kind about one node are one series. */
function unique(samples: readonly Sample[]): readonly Sample[] {
  return [...new Map(samples.map((sample) => [JSON.stringify(sample[0]), sample])).values()];
}

/** HELP and TYPE once, then the samples that are known; nothing at all for a family without any. */
function family(name: string, type: 'gauge' | 'counter', help: string, samples: readonly Sample[]): string {
  const lines = samples.flatMap(([labels, value]) => (value === null || value === undefined ? [] : [`${name}${labelText(labels)} ${value}\n`]));
  return lines.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

import type { Reason } from '../errors.ts';
import { restoreCommandFor } from '../postgres/archive.ts';
import { parseSeconds, renderBytes, settingBytes } from '../postgres/units.ts';
import type { World } from '../steps/world.ts';
import type { AddStandbyFacts } from './add-standby.ts';
import { isDelayed, toReplay, type Candidate } from './candidates.ts';
import { settingSeconds } from './doctor/seconds.ts';
import type { AddStandby } from './wants.ts';
import { isToReplayLate } from '../topology/topology.ts';
import { duration } from './duration.ts';

/** More of what is free than this share is worth a word: the rate of a few minutes says little of the busiest hour. */
const MUCH = 0.5;

/** What a delay takes, against what is there. */
export interface DelayNeed {
  readonly delay: string;
  readonly bytesPerSecond: number;
  /** WAL that is received and not yet replayed stays on the disk of the standby for the whole delay (hazard L05). */
  readonly bytes: number;
  readonly freeBytes: number;
  /** Of the upstream's slot; `null`: none. */
  readonly slotLimit: number | null;
  readonly restores: boolean;
}

/** The disk need of a delayed standby, measured before anything is touched; `null` without a delay, or where no rate is to be had. Reads only. */
export async function delayNeed(world: World, want: AddStandby, { primary, upstream, standby }: AddStandbyFacts): Promise<DelayNeed | null> {
  const { delay, waldir } = want.node;
  const rate = primary.inventory?.walBytesPerSecond ?? null;
  if (delay === undefined || !isToReplayLate(want.node) || rate === null) return null;
  const { host, place } = world.node(standby.spec.name);
  const cap = upstream.facts.server?.settings['max_slot_wal_keep_size'];
  const limit = cap === undefined ? -1 : settingBytes(cap.value, cap.unit);
  return { delay, bytesPerSecond: rate, bytes: Math.ceil(rate * secondsOf(delay)), freeBytes: (await host.space(waldir ?? place.pgdata)).freeBytes, slotLimit: limit < 0 ? null : limit, restores: restoreCommandFor(want.node) !== null };
}

/** In a bare number the setting means milliseconds (guc_tables.c). */
function secondsOf(delay: string): number {
  return /^[0-9.]+$/.test(delay) ? Number(delay) / 1000 : parseSeconds(delay);
}

/** A delay whose WAL does not fit is an outage that comes later. Pure. */
export function delayTrouble(node: string, need: DelayNeed | null): readonly Reason[] {
  if (need === null || need.bytes <= need.freeBytes) return [];
  return [{ code: 'delay-needs-space', node, message: `a delay of ${need.delay} keeps about ${renderBytes(need.bytes)} of WAL on ${node}, which has ${renderBytes(need.freeBytes)} free`, hint: `The primary writes ${renderBytes(need.bytesPerSecond)} of WAL a second. A shorter delay, or more room for pg_wal (--waldir).` }];
}

/** What the operator should know of the room that a delay takes. Pure. */
export function delayNotices(node: string, upstream: string, need: DelayNeed | null): readonly string[] {
  if (need === null) return [];
  const { bytes, freeBytes, slotLimit, restores } = need;
  return [
    `a delay of ${need.delay} keeps about ${renderBytes(bytes)} of WAL on ${node}, as the primary writes ${renderBytes(need.bytesPerSecond)} of it a second; ${renderBytes(freeBytes)} are free there${bytes > freeBytes * MUCH ? ': a busier time may fill it' : ''}`,
    ...(slotLimit === null || bytes <= slotLimit || restores
      ? []
      : [`started again, ${node} connects only when it has replayed what it holds back: its slot on ${upstream} must then keep that much, and is cut at ${renderBytes(slotLimit)} (max_slot_wal_keep_size). An archive would bring it back`]),
    `${node} is never taken by a promote that does not name it`,
  ];
}

/** Standbys that only their name makes a candidate: what they are kept for, the time to undo a mistake, would be gone (hazard H07). Pure. */
export function notUnasked(candidates: readonly Candidate[], chosen: Candidate | undefined): readonly string[] {
  return candidates.filter(({ node }) => node !== chosen?.node && isDelayed(node)).map((one) => `${one.node.spec.name} is not taken unasked: ${whyNot(one)}`);
}

/** All that could take over are delayed: only a name chooses one. Pure. */
export function onlyDelayed(candidates: readonly Candidate[]): readonly Reason[] {
  return candidates.filter(({ node }) => isDelayed(node)).map((one) => ({ code: 'only-delayed', node: one.node.spec.name, message: `${one.node.spec.name} could take over, and is not taken unasked: ${whyNot(one)}`, hint: 'By its name it is: it then replays all that it holds back, and the delay is lost.', next: [`pgrepl promote ${one.node.spec.name}`] }));
}

function whyNot({ node }: Candidate): string {
  const seconds = settingSeconds(node.facts.server?.settings['recovery_min_apply_delay']);
  const left = toReplay(node);
  return `it replays ${node.spec.delay ?? duration(seconds)} late on purpose, and would first replay ${left === 0 ? 'whatever it holds back' : `the ${renderBytes(left)} that it holds back`}`;
}

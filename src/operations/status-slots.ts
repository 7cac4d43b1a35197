import type { Slot } from '../postgres/server-facts.ts';
import { renderBytes, settingBytes } from '../postgres/units.ts';
import { duration } from './duration.ts';
import type { Finding, StatusExtras } from './status.ts';
import { startsAgain } from './status-nodes.ts';
import { findSlot, isAlone, slotName, type StatusView, type ViewedNode } from './status-links.ts';

/** Over this part of the limit a slot is about to be lost. */
const ALARM = 0.8;

/** What is wrong with replication slots: WAL that nobody fetches, limits near, reached or missing. */
export function slotFindings(view: StatusView, extras: StatusExtras): readonly Finding[] {
  return view.nodes.flatMap((node) => {
    const slots = node.server?.slots.filter(({ temporary }) => !temporary) ?? [];
    return [...slots.flatMap((slot) => oneSlot(slot, node, view, extras)), ...limitFindings(node, slots)];
  });
}

function oneSlot(slot: Slot, on: ViewedNode, view: StatusView, extras: StatusExtras): readonly Finding[] {
  const owner = view.nodes.find((node) => node !== on && slot.type === 'physical' && (findSlot(node, view)?.slot === slot || slotName(node) === slot.name || node.name === slot.name)) ?? null;
  const node = owner?.name ?? on.name;
  const what = `slot "${slot.name}" on ${on.name}`;
  if (slot.walStatus === 'lost') {
    return [
      {
        id: 'slot-lost',
        level: 'critical',
        node,
        says: `${what} is lost: WAL that it needs was removed${owner === null ? '' : `, ${owner.name} cannot go on from it`}`,
        hint: owner === null ? null : 'Only an archive or a new copy brings it back.',
        next: owner === null ? [] : [`pgrepl rejoin ${owner.name}`],
      },
    ];
  }
  const danger = retention(slot, on, node, what, owner, extras);
  const inactive = !slot.active && slot.restartLsn !== null;
  return [...(danger === null ? [] : [danger]), ...(inactive ? [inactiveSlot(slot, on, node, what, owner, view, extras)] : [])];
}

function inactiveSlot(slot: Slot, on: ViewedNode, node: string, what: string, owner: ViewedNode | null, view: StatusView, extras: StatusExtras): Finding {
  const upstream = owner === null ? null : (view.links.get(owner.name)?.upstream ?? null);
  const finding = (hint: string | null, next: readonly string[]): Finding => ({
    id: 'slot-inactive',
    level: 'warning',
    node,
    says: `${what} is used by nobody and keeps ${slot.retainedBytes === null ? 'WAL' : `${renderBytes(Math.max(0, slot.retainedBytes))} of WAL`}${timeLeft(slot, on, view, extras)}`,
    hint,
    next,
  });
  if (owner === null) return finding(`${isAlone(view) ? '' : 'No node of the cluster file has it; an unfinished add-standby may have made it. '}If its user is gone for good, drop it with pg_drop_replication_slot.`, isAlone(view) ? [] : ['pgrepl runs']);
  const elsewhere = owner === view.primary || (upstream !== null && upstream !== on && upstream.server?.slots.some((other) => other.active && other.name === slot.name) === true);
  if (elsewhere && view.primary !== null) return finding(`${owner.name} ${owner === view.primary ? 'is the primary' : `streams from ${upstream?.name ?? '?'} with a slot there`}: this one was left by a change of roles, and keeps WAL for nothing.`, [`pgrepl promote ${view.primary.name}`]);
  if (upstream === null) return finding(null, [startsAgain(owner, view) ? `pgrepl add-standby ${owner.name}` : `pgrepl rejoin ${owner.name}`]);
  return finding(`${owner.name} streams from ${upstream.name} without it: WAL that ${owner.name} needs may be removed, and this slot keeps WAL for nothing.`, [`pgrepl follow ${owner.name} --upstream ${upstream.name}`]);
}

/** How long until its limit, at the pace since an earlier look; nothing where there was none, or nothing is written. */
function timeLeft(slot: Slot, on: ViewedNode, view: StatusView, { pace }: StatusExtras): string {
  if (pace == null || on !== view.primary || slot.safeBytes === null || pace.walBytesPerSecond <= 0) return '';
  return `: about ${duration(Math.max(0, slot.safeBytes) / pace.walBytesPerSecond)} until it may be lost, as was written in the last ${duration(pace.seconds)}`;
}

function retention(slot: Slot, on: ViewedNode, node: string, what: string, owner: ViewedNode | null, { walBytesPerSecond }: StatusExtras): Finding | null {
  const limit = limitOf(on);
  const kept = slot.retainedBytes ?? 0;
  const near = limit !== null && limit > 0 && kept > ALARM * limit;
  if (!near && slot.walStatus !== 'unreserved') return null;
  const left = Math.max(0, slot.safeBytes ?? (limit ?? 0) - kept);
  const time = walBytesPerSecond === undefined ? '' : walBytesPerSecond > 0 ? `, about ${duration(left / walBytesPerSecond)} as the primary writes now` : ', and nothing is written now';
  return {
    id: 'slot-retention',
    level: 'critical',
    node,
    says: `${what} keeps ${renderBytes(kept)} of WAL${limit === null ? '' : ` of at most ${renderBytes(limit)}`}: ${renderBytes(left)} left${time} until it may be lost`,
    hint: 'Bring its standby back, or raise max_slot_wal_keep_size while there is room on the disk.',
    next: owner === null ? [] : [`pgrepl rejoin ${owner.name}`],
  };
}

/** `max_slot_wal_keep_size` in bytes; `null` without a limit. */
function limitOf(node: ViewedNode): number | null {
  const setting = node.server?.settings['max_slot_wal_keep_size'];
  const bytes = setting === undefined ? -1 : settingBytes(setting.value, setting.unit);
  return bytes < 0 ? null : bytes;
}

function limitFindings(node: ViewedNode, slots: readonly Slot[]): readonly Finding[] {
  const setting = node.server?.settings['max_slot_wal_keep_size'];
  if (slots.length === 0 || node.server?.inRecovery !== false || setting?.value !== '-1') return [];
  return [
    {
      id: 'slot-no-limit',
      // Written into the cluster file it is a decision, not an oversight.
      level: node.spec.set?.['max_slot_wal_keep_size'] === '-1' ? 'info' : 'warning',
      node: node.name,
      says: `${node.name} has slots and no limit on the WAL that they keep (max_slot_wal_keep_size = -1)`,
      hint: 'A standby that stays away fills the disk of the primary until it stops.',
      next: [`pgrepl init-primary ${node.name}`],
    },
  ];
}

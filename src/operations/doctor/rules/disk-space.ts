import { renderBytes, settingBytes } from '../../../postgres/units.ts';
import type { ViewedNode } from '../../status-links.ts';
import type { MachineFacts, Space } from '../facts.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { reached } from './machines.ts';

const GB = 1024 ** 3;

/** Both must be true: a tenth of a large disk is plenty, and twenty gigabytes of a small one are all of it. */
const LOW = { part: 0.1, bytes: 20 * GB } as const;
const VERY_LOW = { part: 0.05, bytes: 5 * GB } as const;

export const diskSpace: Rule = {
  id: 'disk-space',
  hazards: ['D16', 'E02'],
  about: 'the file systems of the data and of pg_wal have room: a server whose pg_wal is full stops',
  needs: ['machines'],
  judge: (facts) =>
    reached(facts).flatMap(({ node, machine }) => {
      const { data, wal } = machine;
      const shared = data !== null && data.device === wal?.device;
      return [...(data === null ? [] : level(node, data, shared ? 'its data and its WAL' : 'its data')), ...(wal === null || shared ? [] : level(node, wal, 'its WAL')), ...walRoom(node, machine)];
    }),
};

function level(node: ViewedNode, space: Space, what: string): readonly RuleFinding[] {
  const isBelow = (limit: typeof LOW | typeof VERY_LOW): boolean => space.freeBytes < limit.part * space.totalBytes && space.freeBytes < limit.bytes;
  if (!isBelow(LOW)) return [];
  const critical = isBelow(VERY_LOW);
  const { part, bytes } = critical ? VERY_LOW : LOW;
  return [
    {
      id: 'space-low',
      level: critical ? 'critical' : 'warning',
      node: node.name,
      hazard: 'D16',
      says: `the file system of ${node.name} for ${what} has ${renderBytes(space.freeBytes)} free of ${renderBytes(space.totalBytes)}`,
      evidence: [`${space.path}: under ${part * 100} % and under ${renderBytes(bytes)}`],
      hint: 'A full data disk fails writes; a full pg_wal stops the server. Slots that nobody reads and a failing archive are the usual reasons: status shows both.',
      next: ['pgrepl status'],
    },
  ];
}

/** What the settings allow pg_wal to grow to, against what is free: slots up to their limit, and one max_wal_size between checkpoints. */
function walRoom(node: ViewedNode, { wal }: MachineFacts): readonly RuleFinding[] {
  const { server } = node;
  if (server === null || wal === null || server.slots.length === 0) return [];
  const bytesOf = (name: string): number | null => {
    const setting = server.settings[name];
    const bytes = setting === undefined ? -1 : settingBytes(setting.value, setting.unit);
    return bytes < 0 ? null : bytes;
  };
  const limit = bytesOf('max_slot_wal_keep_size');
  if (limit === null) return [];
  const kept = Math.max(0, ...server.slots.map(({ retainedBytes }) => retainedBytes ?? 0));
  const more = limit - kept + (bytesOf('max_wal_size') ?? 0);
  if (more <= wal.freeBytes) return [];
  return [
    {
      id: 'slot-limit-over-space',
      level: 'warning',
      node: node.name,
      hazard: 'E02',
      says: `slots on ${node.name} may keep ${renderBytes(limit)} of WAL, and its file system has ${renderBytes(wal.freeBytes)} free`,
      evidence: [`max_slot_wal_keep_size = ${renderBytes(limit)}`, `kept now: ${renderBytes(kept)}`, `max_wal_size = ${renderBytes(bytesOf('max_wal_size') ?? 0)}`, wal.path],
      hint: 'A standby that stays away could fill the disk before the limit lets go of its slot. Lower max_slot_wal_keep_size, or make room.',
      next: [],
    },
  ];
}

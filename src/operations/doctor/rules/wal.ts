import { bytesBetween } from '../../../postgres/lsn.ts';
import { renderBytes } from '../../../postgres/units.ts';
import { bytesOf, looked, type Looked } from '../looked.ts';
import type { DoctorFacts } from '../facts.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { showAge } from '../wording.ts';

/** Less time than this to a full disk or a lost slot wakes people up; less than that is for the day. */
const CRITICAL_SECONDS = 3_600;
const WARNING_SECONDS = 24 * 3_600;

/** One keeper of WAL, and how much it keeps. */
export interface Keeper {
  readonly what: string;
  readonly bytes: number;
  /** It does not let go by itself: what it keeps grows by all that is written. */
  readonly grows: boolean;
}

/** Who keeps WAL, and how long until the disk is full or a slot is lost at the rate that was measured between two looks. */
export const wal: Rule = {
  id: 'wal',
  hazards: ['E01', 'E03', 'E17'],
  about: 'who keeps WAL (slots, the archive, wal_keep_size), and how long until the disk is full or a slot is lost as it is written now',
  needs: ['health', 'machines'],
  judge: (facts) => looked(facts).flatMap((one) => [...full(one, facts), ...slotsLost(one)]),
};

/** Everybody who keeps WAL on a server, the one that keeps most first. Pure. */
export function keepersOf({ health, node }: Looked): readonly Keeper[] {
  const { lsn } = health.pulse;
  if (lsn === null) return [];
  const segment = Number(node.server?.settings['wal_segment_size']?.value ?? 16 * 1024 ** 2);
  const archive = health.archiver.ready === 0 ? [] : [{ what: `the archive (${health.archiver.ready} ${health.archiver.ready === 1 ? 'file waits' : 'files wait'})`, bytes: health.archiver.ready * segment, grows: health.archiver.lastFailedFile !== null }];
  const keep = bytesOf({ node, health } as Looked, 'wal_keep_size') ?? 0;
  const slots = health.slots.flatMap(({ name, retainedBytes, active }) => (retainedBytes === null ? [] : [{ what: `slot "${name}"`, bytes: Math.max(0, retainedBytes), grows: !active }]));
  const checkpoint = { what: 'the last checkpoint', bytes: Math.max(0, bytesBetween(health.redoLsn, lsn)), grows: false };
  return [...slots, ...archive, { what: 'wal_keep_size', bytes: Math.min(keep, health.walDirectory.bytes), grows: false }, checkpoint].filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
}

function full(one: Looked, { machines }: DoctorFacts): readonly RuleFinding[] {
  const { node, health, extras } = one;
  const space = machines.get(node.name)?.wal ?? null;
  const keepers = keepersOf(one);
  const rate = extras.rates?.walBytesPerSecond ?? 0;
  const limit = bytesOf(one, 'max_slot_wal_keep_size');
  // A slot with a limit that fits lets go before the disk is full.
  const growing = keepers.filter(({ grows, what, bytes }) => grows && !(what.startsWith('slot ') && limit !== null && space !== null && limit - bytes < space.freeBytes));
  const [most] = growing;
  if (most === undefined) return [];
  const evidence = [`pg_wal: ${renderBytes(health.walDirectory.bytes)} in ${health.walDirectory.files} files`, ...keepers.slice(0, 4).map(({ what, bytes }) => `${what} keeps ${renderBytes(bytes)}`), ...(space === null ? [] : [`${space.path}: ${renderBytes(space.freeBytes)} free`]), rateLine(one)];
  const seconds = space === null || rate <= 0 ? null : space.freeBytes / rate;
  const level = seconds === null ? 'info' : seconds < CRITICAL_SECONDS ? 'critical' : seconds < WARNING_SECONDS ? 'warning' : 'info';
  return [
    {
      id: 'wal-kept',
      level,
      node: node.name,
      hazard: most.what.startsWith('slot ') ? 'E01' : 'E17',
      says: `${most.what} keeps ${renderBytes(most.bytes)} of WAL on ${node.name} and lets go of none${seconds === null ? (rate > 0 ? '' : '; nothing is written now') : `: its disk is full in about ${showAge(seconds)} at the rate of now`}`,
      evidence,
      hint: most.what.startsWith('slot ') ? 'Bring its standby back, or drop the slot. A limit (max_slot_wal_keep_size) would give the slot up before the server stops.' : 'The archive does not take what is written: its command fails or hangs.',
      next: most.what.startsWith('slot ') ? ['pgrepl status', `pgrepl init-primary ${node.name}`] : ['SELECT * FROM pg_stat_archiver'],
    },
  ];
}

/** A limit gives the slot up: the standby must be copied anew. Also of a reader that is slower than what is written. */
function slotsLost(one: Looked): readonly RuleFinding[] {
  const { node, health, extras } = one;
  return health.slots.flatMap((slot): readonly RuleFinding[] => {
    const grows = extras.rates?.keptPerSecond[slot.name] ?? 0;
    if (slot.safeBytes === null || grows <= 0 || slot.walStatus === 'lost') return [];
    const seconds = Math.max(0, slot.safeBytes) / grows;
    if (seconds > WARNING_SECONDS) return [];
    return [
      {
        id: 'slot-running-out',
        level: seconds < CRITICAL_SECONDS && !slot.active ? 'critical' : 'warning',
        node: node.name,
        hazard: 'E03',
        says: `slot "${slot.name}" on ${node.name} may be lost in about ${showAge(seconds)}: ${renderBytes(Math.max(0, slot.safeBytes))} are left, and what it keeps grows by ${renderBytes(grows)} a second`,
        evidence: [`wal_status = ${slot.walStatus ?? '?'}, kept ${slot.retainedBytes === null ? '?' : renderBytes(Math.max(0, slot.retainedBytes))}, ${slot.active ? 'in use' : 'used by nobody'}`, rateLine(one)],
        hint: slot.active ? 'Its reader is slower than what is written.' : 'Bring its standby back, or raise max_slot_wal_keep_size while there is room.',
        next: ['pgrepl status'],
      },
    ];
  });
}

function rateLine({ extras }: Looked): string {
  const { rates } = extras;
  return rates === null ? 'no rate was measured' : `${renderBytes(rates.walBytesPerSecond)} of WAL a second, over ${rates.seconds.toFixed(1)} s`;
}

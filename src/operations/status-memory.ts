import { bytesBetween, laterLsn, parseLsnOrNull, renderLsn } from '../postgres/lsn.ts';
import type { ServerFacts } from '../postgres/server-facts.ts';
import type { NodeFacts } from './facts.ts';

/** One moment of a server: enough to tell later how fast it went on. */
export interface Moment {
  /** Seconds since 1970 by the server's clock. */
  readonly at: number;
  readonly lsn: string;
  /** Bytes of WAL kept by slot. */
  readonly kept: Readonly<Record<string, number>>;
}

/** What a look knew of one node. */
export interface Remembered {
  readonly role: 'primary' | 'standby';
  readonly timeline: number;
  readonly lsn: string;
  /** Milliseconds since 1970 by the clock of whoever looked. */
  readonly seenAt: number;
  /** The older ones first; on a standby none. */
  readonly moments: readonly Moment[];
}

/** What the last looks at a cluster knew, kept for the next one. */
export interface Memory {
  readonly format: 1;
  readonly systemIdentifier: string;
  readonly nodes: Readonly<Record<string, Remembered>>;
}

/** How fast a primary writes, and what is kept for each slot grows. */
export interface Pace {
  /** The time that it was measured over, seconds. */
  readonly seconds: number;
  readonly walBytesPerSecond: number;
  readonly keptPerSecond: Readonly<Record<string, number>>;
}

/** A shorter time says more about the moment than about the rate. */
const SHORTEST_SECONDS = 5;
/** A moment is kept as the base of later rates when the one before it is this old. */
const APART_SECONDS = 60;
/** A longer one is of another day. */
const LONGEST_SECONDS = 24 * 3_600;

/** Reads what `renderMemory` wrote; `null` for anything else. */
export function parseMemory(text: string | null): Memory | null {
  if (text === null) return null;
  try {
    const memory = JSON.parse(text) as Partial<Memory>;
    return memory.format === 1 && typeof memory.systemIdentifier === 'string' && typeof memory.nodes === 'object' ? (memory as Memory) : null;
  } catch {
    return null;
  }
}

/** The text that `parseMemory` reads. Pure. */
export function renderMemory(memory: Memory): string {
  return JSON.stringify(memory);
}

/** What is to be remembered now: what was seen, and of nodes that were not what was known of them before. `null`: nothing was seen. Pure. */
export function remember(before: Memory | null, facts: readonly NodeFacts[], systemIdentifier: string | null, nowMs: number): Memory | null {
  if (systemIdentifier === null) return null;
  const known = before?.systemIdentifier === systemIdentifier ? before.nodes : {};
  const nodes = facts.flatMap(({ place, server }): readonly (readonly [string, Remembered])[] => {
    const old = known[place.name];
    const seen = server === null || server.systemIdentifier !== systemIdentifier ? null : rememberedOf(server, old, nowMs);
    if (seen !== null) return [[place.name, seen]];
    return old === undefined ? [] : [[place.name, old]];
  });
  return nodes.length === 0 ? null : { format: 1, systemIdentifier, nodes: Object.fromEntries(nodes) };
}

function rememberedOf(server: ServerFacts, old: Remembered | undefined, nowMs: number): Remembered | null {
  const lsn = server.currentLsn ?? laterLsn(server.receivedLsn, server.replayedLsn);
  if (lsn === null) return null;
  const base = { role: server.inRecovery ? ('standby' as const) : ('primary' as const), timeline: server.timeline, lsn: renderLsn(lsn), seenAt: nowMs };
  if (server.inRecovery) return { ...base, moments: [] };
  const moment: Moment = { at: server.now, lsn: renderLsn(lsn), kept: Object.fromEntries(server.slots.flatMap(({ name, retainedBytes }) => (retainedBytes === null ? [] : [[name, Math.max(0, retainedBytes)]]))) };
  const moments = old?.timeline === server.timeline ? old.moments : [];
  const last = moments.at(-1);
  return { ...base, moments: last === undefined || moment.at - last.at >= APART_SECONDS || moment.at < last.at ? [...moments, moment].slice(-2) : moments };
}

/** How fast this primary went on since a look before; `null` where none is of use. By its own clock and on one timeline. Pure. */
export function paceOf(memory: Memory | null, name: string, server: ServerFacts): Pace | null {
  const known = memory?.systemIdentifier === server.systemIdentifier ? memory.nodes[name] : undefined;
  if (known === undefined || known.timeline !== server.timeline || server.inRecovery || server.currentLsn === null) return null;
  const { currentLsn, now } = server;
  const usable = known.moments.flatMap((moment) => {
    const [seconds, lsn] = [now - moment.at, parseLsnOrNull(moment.lsn)];
    return lsn === null || seconds < SHORTEST_SECONDS || seconds > LONGEST_SECONDS || lsn > currentLsn ? [] : [{ moment, seconds, lsn }];
  });
  const last = usable.at(-1);
  if (last === undefined) return null;
  const { moment, seconds, lsn } = last;
  const kept = server.slots.flatMap(({ name: slot, retainedBytes }) => {
    const then = moment.kept[slot];
    return then === undefined || retainedBytes === null ? [] : [[slot, (retainedBytes - then) / seconds] as const];
  });
  return { seconds, walBytesPerSecond: bytesBetween(lsn, currentLsn) / seconds, keptPerSecond: Object.fromEntries(kept) };
}

/** The primary that was seen last, when there is none now: the newest timeline decides, then the time. Pure. */
export function lastPrimary(memory: Memory | null, systemIdentifier: string | null): { readonly name: string; readonly known: Remembered } | null {
  if (memory === null || memory.systemIdentifier !== systemIdentifier) return null;
  const primaries = Object.entries(memory.nodes).filter(([, { role }]) => role === 'primary').sort(([, a], [, b]) => b.timeline - a.timeline || b.seenAt - a.seenAt);
  const [first] = primaries;
  return first === undefined ? null : { name: first[0], known: first[1] };
}

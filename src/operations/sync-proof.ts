import { bytesBetween, type Lsn } from '../postgres/lsn.ts';
import { namesIt, renderSyncNames, type SyncNames } from '../postgres/sync-names.ts';
import { renderBytes } from '../postgres/units.ts';

/** A standby of the dead primary, named as it named itself to it. */
export interface SyncMember {
  readonly name: string;
  /**
   * What it has flushed, the later of received and replayed; `null`: it cannot be seen. All of them are positions of one timeline, that of the
   * dead primary: one on another timeline has to be left out, or given as not seen.
   */
  readonly position: Lsn | null;
}

/** Whether the synchronous set proves that a candidate has every acknowledged commit. */
export interface SyncProof {
  readonly complete: boolean;
  /** One line for the operator: what is proved, or what is missing for it. Lower case, no full stop. */
  readonly says: string;
  /** Members of the set that would have to be seen; empty where that is not what is missing. */
  readonly unseen: readonly string[];
}

/**
 * Judges whether a candidate has all that was acknowledged (hazards F04, F05). With n of N names a commit was acknowledged when some n of them
 * had flushed it; for `first` too nobody knows afterwards which n those were (PostgreSQL documentation 26.2.8.2). Any N − n + 1 members hold
 * one of the n, and WAL is linear: so when that many are seen, the furthest of them has everything, and so has whoever is as far.
 *
 * `set`: what the dead primary had in force, from its own configuration where that can be read; `null`: no commit waited. A set that was being
 * changed when the primary died (an unfinished run of `pgrepl sync`) is not known, and proves nothing.
 * `level`: its `synchronous_commit`; below `remote_write` no commit waited, at `remote_write` a crashed machine may have lost what it acknowledged.
 * Unknown counts as `on`. Sessions that chose a lower level, and waits that were cancelled with a warning, are outside any proof (hazards F02, F12).
 * Pure.
 */
export function judgeSyncProof(set: SyncNames | null, members: readonly SyncMember[], candidate: string, level = 'on'): SyncProof {
  const no = (why: string, unseen: readonly string[] = []): SyncProof => ({ complete: false, says: `proof that nothing acknowledged is lost: not complete: ${why}`, unseen });
  if (set === null) return no('the old primary was not synchronous');
  const value = renderSyncNames(set);
  if (level === 'off' || level === 'local') return no(`synchronous_commit was ${level}, so commits did not wait for ${value}`);
  if (set.names.includes('*')) return no(`${value} let whatever streamed acknowledge, also what is no standby`);
  const names = set.names.filter((name, index) => set.names.findIndex((other) => other.toLowerCase() === name.toLowerCase()) === index);
  const isSeen = (name: string): boolean => members.some((member) => member.position !== null && namesIt({ names: [name] }, member.name));
  const unseen = names.filter((name) => !isSeen(name));
  const must = names.length - set.needed + 1;
  const seen = names.length - unseen.length;
  // A set that can never be satisfied acknowledged nothing; a proof from that would hang on nobody having cancelled a wait.
  if (must < 1) return no(`${value} needs more standbys than it names, so every commit waited`);
  if (seen < must) return no(`${value}: ${must} of its ${names.length} ${names.length === 1 ? 'name' : 'names'} must be seen, and ${unseen.join(', ')} ${unseen.length === 1 ? 'is' : 'are'} not`, unseen);
  const own = members.find((member) => member.name === candidate)?.position ?? null;
  if (own === null) return no(`where ${candidate} is cannot be seen`, [candidate]);
  const ahead = members.filter((member) => namesIt({ names }, member.name) && member.position !== null && member.position > own).sort((a, b) => Number((b.position ?? 0n) - (a.position ?? 0n)))[0];
  if (ahead?.position !== undefined && ahead.position !== null) return no(`${ahead.name} has ${renderBytes(bytesBetween(own, ahead.position))} (${bytesBetween(own, ahead.position)} B) more than ${candidate}, and what it has more may be acknowledged`);
  const weaker = level === 'remote_write' ? '; synchronous_commit was remote_write: true only if no machine of a standby crashed, too' : '';
  return { complete: true, says: `proof that nothing acknowledged is lost: complete: with ${value} any ${must} of ${names.length} ${names.length === 1 ? 'name' : 'names'} ${must === 1 ? 'holds' : 'hold'} every acknowledged commit, ${seen} ${seen === 1 ? 'is' : 'are'} seen, and none is ahead of ${candidate}${weaker}`, unseen: [] };
}

import { renderBytes, settingBytes } from '../postgres/units.ts';
import type { AddStandbyFacts } from './add-standby.ts';
import type { AddStandby } from './wants.ts';

/** How fast a copy is read again for its check where nothing is measured: a plain disk; a faster one only makes the notice too careful. */
const CHECK_BYTES_PER_SECOND = 200 * 1024 ** 2;
/** While pg_basebackup streams, it tells how far it is this often (its --status-interval), and its slot moves along. */
const REPORTED_EVERY_SECONDS = 10;

/**
 * What the slot must keep while nobody moves it, against max_slot_wal_keep_size (hazard D14): between two reports of the copy, and while
 * the copy is checked. An estimate from the WAL of late, so a notice; that the slot was not cut is proved before the start. Pure.
 */
export function slotMayBeCut(want: Pick<AddStandby, 'verify'>, { upstream, primary }: Pick<AddStandbyFacts, 'upstream' | 'primary'>): readonly string[] {
  const setting = upstream.facts.server?.settings['max_slot_wal_keep_size'];
  const rate = primary.inventory?.walBytesPerSecond ?? null;
  const bytes = upstream.inventory?.databaseBytes ?? 0;
  if (setting === undefined || rate === null) return [];
  const limit = settingBytes(setting.value, setting.unit);
  const needed = rate * (REPORTED_EVERY_SECONDS + (want.verify ? bytes / CHECK_BYTES_PER_SECOND : 0));
  if (limit < 0 || needed <= limit) return [];
  const name = upstream.spec.name;
  return [`${name} keeps at most ${renderBytes(limit)} of WAL for a slot (max_slot_wal_keep_size), and about ${renderBytes(needed)} may be written while the copy ${want.verify ? 'is checked (--no-verify leaves that out)' : 'runs'}: the slot may be cut, and the copy then is undone`];
}

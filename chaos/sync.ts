import { followersOf } from './belief.ts';
import type { Stage } from './stage.ts';

/** Whether a refusal says, among what it was decided by, that the synchronous set proves that nothing acknowledged is lost. Pure. */
export function saysProved(details: readonly string[]): boolean {
  return details.some((line) => line.startsWith('proof that nothing acknowledged is lost: complete'));
}

/** Who counts by this value of `synchronous_standby_names`, in the order of their names; all of them are quoted in ours. Pure. */
export function namesIn(value: string): readonly string[] {
  return [...value.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name).sort();
}

/**
 * Holds the synchronous set of the primary against what the cluster is meant to have: every standby that streams from it, or nobody. Where somebody
 * was away during the round the set may be smaller; then `sync any 1` must make it whole, as `status` asks for. One line for each that is wrong.
 */
export async function holdSync({ m, belief }: Stage, mayBeSmaller: boolean, say: (text: string) => void): Promise<readonly string[]> {
  const { primary, sync } = belief;
  const value = async (): Promise<string> => await m.sql(primary, 'SHOW synchronous_standby_names');
  const wanted = sync ? followersOf(belief, primary) : [];
  const text = (names: readonly string[]): string => (names.length === 0 ? 'nobody' : names.join(', '));
  let seen = namesIn(await value());
  if (sync && mayBeSmaller && text(seen) !== text(wanted)) {
    const ran = await m.pgrepl(['sync', 'any', '1', '--yes', '--json']);
    say(`  commits waited for ${text(seen)}: sync any 1 again, exit ${String(ran.exit)}`);
    if (ran.exit !== 0) return [`commits on ${primary} wait for ${text(seen)}, and sync any 1 ends with ${String(ran.exit)}: ${ran.stdout}${ran.stderr}`];
    seen = namesIn(await value());
  }
  if (text(seen) !== text(wanted)) return [`commits on ${primary} wait for ${text(seen)}, not for ${text(wanted)}`];
  if (!sync) return [];
  const question = `SELECT string_agg(application_name, ', ' ORDER BY application_name) FROM pg_stat_replication WHERE sync_state = 'quorum'`;
  return await m.eventually(primary, question, text(wanted), 10_000).then(() => [], (error: unknown) => [`who counts on ${primary}: ${String(error)}`]);
}

import type { CommitWait } from '../postgres/sql-latency.ts';
import { showDuration } from './latency-figures.ts';
import type { LevelFigures, StandbyFigures } from './latency.ts';

interface Measured {
  readonly primary: string;
  readonly synchronousStandbyNames: string;
  readonly levels: readonly LevelFigures[];
  readonly standbys: readonly StandbyFigures[];
}

/** Which level fits, said with what was measured: one sentence or a few. Pure. What each level promises: runtime-config-wal, synchronous_commit. */
export function adviceOn(measured: Measured): readonly string[] {
  const hung = measured.levels.find((figures) => figures.hung);
  if (hung !== undefined) return [`at ${hung.level} a commit got no answer in time and was let go: the synchronous standby does not answer, and every commit that waits for it stands still; "pgrepl status" says which, and what helps`];
  return measured.synchronousStandbyNames === '' ? withoutSync(measured) : withSync(measured);
}

function withoutSync({ primary, levels, standbys }: Measured): readonly string[] {
  const local = median(levels, 'local');
  const says = ['no standby is synchronous: remote_write, on and remote_apply wait for this server alone, as local does'];
  const flush = standbys.flatMap(({ name, flushSeconds }) => (flushSeconds === null ? [] : [{ name, flushSeconds }])).sort((a, b) => a.flushSeconds - b.flushSeconds)[0];
  if (flush === undefined) return [...says, ...offOf(levels)];
  const cost = local === null ? '' : `, about ${showDuration(local + flush.flushSeconds)} instead of ${showDuration(local)}`;
  return [...says, `what is acknowledged now and not yet on a standby is lost with ${primary}: about the last ${showDuration(flush.flushSeconds)}; with "pgrepl sync any 1" a commit would wait until ${flush.name} has it on disk${cost}`, ...offOf(levels)];
}

function withSync({ primary, levels }: Measured): readonly string[] {
  const [local, write, on, apply] = (['local', 'remote_write', 'on', 'remote_apply'] as const).map((level) => median(levels, level));
  const says: string[] = [];
  if (local != null && on != null) says.push(`on costs ${more(on - local, on)} than local, and is the lowest level at which nothing acknowledged is lost with ${primary}`);
  if (write != null && on != null) says.push(`remote_write ${on - write <= noise(on) ? 'saves nothing that could be measured here' : `saves ${showDuration(on - write)} of that`}, and loses commits when ${primary} and the machine of the standby fail together`);
  if (apply != null && on != null) says.push(`remote_apply costs ${more(apply - on, apply)} than on: for whoever must read on a standby what was just committed`);
  return [...says, ...offOf(levels)];
}

function offOf(levels: readonly LevelFigures[]): readonly string[] {
  const [off, local] = [median(levels, 'off'), median(levels, 'local')];
  if (off === null || local === null) return [];
  return [local - off <= noise(local) ? 'off saves nothing that could be measured here, and loses the last moments of a server that crashes: leave it' : `off saves ${showDuration(local - off)} of ${showDuration(local)}, and loses the last moments (three times wal_writer_delay) when the server crashes: for data that can be made again`];
}

function more(seconds: number, of: number): string {
  return seconds <= noise(of) ? 'no more' : `${showDuration(seconds)} more`;
}

/** Less than this is not told apart. */
function noise(seconds: number): number {
  return Math.max(0.000_03, seconds * 0.1);
}

function median(levels: readonly LevelFigures[], wanted: CommitWait): number | null {
  return levels.find(({ level }) => level === wanted)?.medianSeconds ?? null;
}

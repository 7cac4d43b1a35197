import { usageError } from '../errors.ts';
import { readRuns, stateDirectory } from '../plan/journal.ts';
import { isUnfinished, type RunRecord } from '../plan/record.ts';
import { loadTopology } from '../topology/load.ts';
import type { LoadedTopology } from '../topology/merge.ts';
import { printable } from '../postgres/names.ts';
import type { Context, OptionSpec } from './command.ts';

/** Of the commands that work on the journal. */
export const CLUSTER_OPTION: OptionSpec = { flags: '--cluster <NAME>', help: 'whose journal (default: the cluster of the cluster file, else main)' };

export interface RunsOfCluster {
  readonly topology: LoadedTopology;
  readonly directory: string;
  /** Oldest first. */
  readonly records: readonly RunRecord[];
}

/** The journal of the cluster that is meant. */
export async function runsOfCluster(context: Context): Promise<RunsOfCluster> {
  const { io, globals, words } = context;
  const topology = await loadTopology(globals.file, {}, io.env);
  const cluster = words.text('cluster') ?? topology.cluster;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(cluster)) throw usageError('cluster-invalid', `"${printable(cluster)}" is not the name of a cluster`);
  const directory = stateDirectory(cluster, io.env);
  return { topology, directory, records: readRuns(directory) };
}

/** The run that is named, in full or by its beginning or end; without a name the newest unfinished one of this cluster file, or `null`. */
export function chooseRun({ records, directory, topology }: RunsOfCluster, typed: string | undefined): RunRecord | null {
  if (typed === undefined) return records.findLast((record) => isUnfinished(record) && record.header.clusterFile === topology.file) ?? null;
  const fitting = records.filter((record) => record.run === typed);
  const similar = fitting.length > 0 ? fitting : records.filter((record) => typed !== '' && (record.run.startsWith(typed) || record.run.endsWith(typed)));
  const [found, other] = similar;
  if (found === undefined) throw usageError('run-unknown', `there is no run ${printable(typed)} in ${directory}`, { next: ['pgrepl runs'] });
  if (other !== undefined) throw usageError('run-ambiguous', `"${printable(typed)}" may be ${similar.map((record) => record.run).join(' or ')}`, { next: ['pgrepl runs'] });
  return found;
}

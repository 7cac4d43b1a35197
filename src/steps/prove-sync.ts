import { PgreplError } from '../errors.ts';
import { renderLsn } from '../postgres/lsn.ts';
import type { Sender, ServerFacts } from '../postgres/server-facts.ts';
import { namesIt, parseSyncNames, type SyncNames } from '../postgres/sync-names.ts';
import { showsSql, type Kind } from './kind.ts';

/**
 * The proof that commits wait for whom they are meant to: the primary has the value in force and counts every name (`sync_state`), and each of
 * them has flushed a record that was written after it came into force. WAL is linear, so whatever was acknowledged under an earlier value is on
 * all of them too, and the set proves what it says from then on (hazards F04, F09).
 */
export interface ProveSync {
  readonly kind: 'prove-sync';
  /** The primary. */
  readonly node: string;
  /** Of `synchronous_standby_names`; not empty. */
  readonly value: string;
  /** Those of it that must count by the end; the others are known to be away, and are not waited for. */
  readonly names: readonly string[];
}

/** One that was streaming a moment ago is there at once; one that has left is given up, so that no commit waits for it. */
const DEADLINE_MS = 15_000;

export const proveSync: Kind<ProveSync, null> = {
  title: (step) => `prove that commits wait for ${step.value}, and that ${step.names.join(', ')} ${step.names.length === 1 ? 'has' : 'have'} flushed a fresh record`,

  preview: async () => await Promise.resolve(showsSql('SELECT application_name, state, sync_state, flush_lsn FROM pg_stat_replication', `SELECT pg_logical_emit_message(true, 'pgrepl', …)`)),

  // Only the fresh record is proof, and writing it is not looking.
  look: async () => await Promise.resolve({ already: false, before: null }),

  apply: async (step, world, tell) => {
    const wanted = parseSyncNames(step.value);
    if (wanted === null) throw new PgreplError('bug', 'sync-empty', 'there is nothing to prove of an empty set', { node: step.node });
    const server = await world.node(step.node).server();
    const wait = async (what: string, missing: (facts: ServerFacts) => string | null): Promise<void> => {
      await world.waitFor(
        what,
        async (say) => {
          const why = missing(await server.facts());
          if (why === null) return true;
          say(why);
          tell.progress({ phase: why });
          return null;
        },
        { deadlineMs: DEADLINE_MS, everyMs: 10 },
      );
    };
    await wait(`${step.node} to count ${step.names.join(', ')}`, (facts) => (facts.settings['synchronous_standby_names']?.value === step.value ? notCounted({ ...wanted, names: step.names }, facts.senders) : `its value is ${facts.settings['synchronous_standby_names']?.value ?? 'unset'}`));
    // Written with synchronous_commit = local: it never waits itself (hazard X6).
    const marker = await server.writeMarker();
    await wait(`${step.names.join(', ')} to flush ${renderLsn(marker)}`, ({ senders }) => {
      const late = step.names.find((name) => !senders.some((sender) => namesIt({ names: [name] }, sender.applicationName) && sender.flushLsn !== null && sender.flushLsn >= marker));
      return late === undefined ? null : `${late} has not flushed it`;
    });
  },

  undo: 'nothing',
};

/** Who of the set does not count, and why; `null` when all do. Pure. */
export function notCounted({ method, needed, names }: Pick<SyncNames, 'method' | 'needed' | 'names'>, senders: readonly Sender[]): string | null {
  for (const name of names) {
    const rows = senders.filter((sender) => sender.state !== 'backup' && namesIt({ names: [name] }, sender.applicationName));
    if (rows[0] === undefined) return `${name} does not stream`;
    if (!rows.some(({ state }) => state === 'streaming')) return `${name} is in state ${rows[0].state}`;
    if (rows.every(({ syncState }) => syncState === 'async')) return `${name} is still asynchronous`;
  }
  const counted = senders.filter(({ syncState }) => syncState === (method === 'any' ? 'quorum' : 'sync')).length;
  return counted < needed ? `${counted} of ${needed} count` : null;
}

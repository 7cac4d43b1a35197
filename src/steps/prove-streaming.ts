import { PgreplError } from '../errors.ts';
import { laterLsn, renderLsn } from '../postgres/lsn.ts';
import type { Tell } from '../plan/step.ts';
import { showsSql, type Kind } from './kind.ts';
import type { World } from './world.ts';

/**
 * The proof that a standby is attached: its upstream lists it as streaming under its own name, and a WAL record written on the
 * primary just now has been replayed on it. "In recovery", "accepts connections" and "lag 0" prove nothing (hazards G06, X4, X5).
 */
export interface ProveStreaming {
  readonly kind: 'prove-streaming';
  readonly node: string;
  readonly upstream: string;
  /** Where the record is written. */
  readonly primary: string;
  /** With an apply delay: received and flushed instead of replayed. */
  readonly delayed: boolean;
  /** It was started again: one that holds back a commit for its delay connects only when it has replayed that, and to see it wait is enough. */
  readonly mayHoldBack?: true;
  /** Its connection is encrypted, as the upstream sees it. */
  readonly encrypted?: true;
}

/** As long as a standby needs to replay what the copy took with it and to connect. */
const DEADLINE_MS = 120_000;
/** Whoever starts servers here (systemd, a person) may bring a standby back that died; nobody waits two minutes for one that stays down. */
const DOWN_MS = 15_000;

export const proveStreaming: Kind<ProveStreaming, null> = {
  title: (step) => `prove that ${step.node} streams from ${step.upstream} and ${step.delayed ? 'receives' : 'replays'} a fresh record${step.encrypted === true ? ', encrypted' : ''}`,

  preview: async (step) =>
    await Promise.resolve(
      showsSql(step.encrypted === true ? `SELECT state, ssl FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE application_name = '${step.node}'` : `SELECT state FROM pg_stat_replication WHERE application_name = '${step.node}'`, `SELECT pg_logical_emit_message(true, 'pgrepl', …)`, step.delayed ? 'SELECT flushed_lsn FROM pg_stat_wal_receiver' : 'SELECT pg_last_wal_replay_lsn()'),
    ),

  // Only the fresh record is proof, and writing it is not looking.
  look: async () => await Promise.resolve({ already: false, before: null }),

  apply: async (step, world, tell) => {
    const seen = await world.waitFor<'streams' | 'waits'>(
      `${step.node} to stream from ${step.upstream}`,
      async (say) => {
        const upstream = await (await world.node(step.upstream).server()).facts();
        const rows = upstream.senders.filter((sender) => sender.applicationName === step.node);
        // One that has read another primary_conninfo just now may still come by the old connection.
        const plain = step.encrypted === true && rows.length > 0 && !(await (await world.node(step.upstream).server()).senderIsEncrypted(step.node));
        if (rows.some((row) => row.state === 'streaming') && !plain) return 'streams';
        if (step.mayHoldBack === true && (await holdsBack(step, world))) {
          tell.progress({ phase: `${step.node} holds back a commit for its delay, and connects when that is replayed` });
          return 'waits';
        }
        const why = rows[0] === undefined ? await whyNotAttached(step, world, tell) : `${step.upstream} lists it as ${rows[0].state}${plain ? ', without TLS' : ''}`;
        say(why);
        tell.progress({ phase: why });
        return null;
      },
      { deadlineMs: DEADLINE_MS, everyMs: 20 },
    );
    if (seen === 'waits') return;
    const marker = await (await world.node(step.primary).server()).writeMarker();
    await world.waitFor(
      `${step.node} to ${step.delayed ? 'receive' : 'replay'} ${renderLsn(marker)}`,
      async (say) => {
        const at = await (await world.node(step.node).server()).positions();
        if (!at.inRecovery) throw new PgreplError('unfinished', 'wrong-role', `${step.node} is not in recovery`, { node: step.node });
        const reached = step.delayed ? at.receivedLsn : at.replayedLsn;
        if (reached !== null && reached >= marker) return true;
        const seen = laterLsn(at.receivedLsn, at.replayedLsn);
        say(`it is at ${seen === null ? 'an unknown position' : renderLsn(seen)}`);
        return null;
      },
      { deadlineMs: DEADLINE_MS, everyMs: 5 },
    );
  },

  undo: 'nothing',
};

async function holdsBack(step: ProveStreaming, world: World): Promise<boolean> {
  try {
    const facts = await (await world.node(step.node).server()).facts();
    return facts.holdsBack && facts.receiver === null;
  } catch (error) {
    if (error instanceof PgreplError && error.kind !== 'bug') return false;
    throw error;
  }
}

/** What the standby itself says, in a few words, for the message of a wait that may be in vain. Throws `standby-stopped` when nobody starts it again. */
async function whyNotAttached(step: ProveStreaming, world: World, tell: Tell): Promise<string> {
  try {
    const facts = await (await world.node(step.node).server()).facts();
    if (!facts.inRecovery) return `${step.node} is not in recovery`;
    return facts.receiver === null ? `${step.node} has no WAL receiver; its server log says why` : `its WAL receiver is ${facts.receiver.status}`;
  } catch (error) {
    if (!(error instanceof PgreplError) || error.kind === 'bug') throw error;
    if (error.code === 'server-down') await untilItRuns(step, world, tell);
    return error.message;
  }
}

async function untilItRuns({ node }: ProveStreaming, world: World, tell: Tell): Promise<void> {
  tell.progress({ phase: `${node} is not running` });
  try {
    await world.waitFor(`${node} to run`, async () => ((await isDown(node, world)) ? null : true), { deadlineMs: DOWN_MS, everyMs: 100 });
  } catch (error) {
    if (!(error instanceof PgreplError) || error.code !== 'wait-timeout') throw error;
    throw new PgreplError('unfinished', 'standby-stopped', `the server of ${node} is not running, and was not started again within ${DOWN_MS / 1_000} s`, { node, hint: 'Its log says why it ended. Start it as ever, as a standby; then the same command goes on.' });
  }
}

async function isDown(node: string, world: World): Promise<boolean> {
  try {
    await world.node(node).server();
    return false;
  } catch (error) {
    return error instanceof PgreplError && error.code === 'server-down';
  }
}

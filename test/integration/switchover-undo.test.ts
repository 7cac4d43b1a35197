import { existsSync } from 'node:fs';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { crash, freeze, thaw } from '../support/freeze.ts';
import { expectNothingLost, expectRoles, neverTwoWriters, type Roles } from '../support/roles.ts';
import type { RunningPgrepl } from '../support/run-pgrepl.ts';
import { trioStories } from '../support/trio.ts';

const BEFORE: Roles = { primary: 'node1', timeline: 1, streams: {} };
const AFTER: Roles = { primary: 'node2', timeline: 2, streams: { node1: 'node2', node3: 'node2' } };

/** Something that goes wrong in a switchover from node1 to node2, and what it must come to. */
interface Fault {
  readonly title: string;
  readonly budgetSeconds: number;
  /** Of node1, before it begins: how long it waits for a standby that does not answer. */
  readonly senderTimeout?: string;
  readonly before?: (m: Machine) => Promise<void>;
  /** What happens, and when: the run is under way. Returns what makes it good again, if anything is needed. */
  readonly strike: (m: Machine, run: RunningPgrepl) => Promise<(() => Promise<void>) | null>;
  /** 4: node1 takes writes again. 5, 6: what is left is done by the same command. `killed`: the tool itself. */
  readonly ends: readonly (4 | 5 | 6 | 'killed')[];
  /** The budget, and what the servers themselves take: shutting down, starting again. */
  readonly withinSeconds: number;
  /** In what is said. */
  readonly says?: RegExp;
  /** With every run of the stories, or with all of them only. */
  readonly rarely?: true;
}

const HANDING = /"state":"started".*"kind":"hand-over"/;
const NO_RETURN = /"event":"no-return"/;
const CHECKPOINT = /"state":"started".*"kind":"checkpoint"/;

const FAULTS: readonly Fault[] = [
  {
    title: 'swi.5 X13 the receiver of the candidate is frozen, and the stop waits for it',
    budgetSeconds: 2, senderTimeout: '6s', ends: [4], withinSeconds: 25,
    strike: async (m, run) => {
      await freeze(m, 'node2', /walreceiver/);
      await run.until(HANDING);
      return async () => { await thaw(m, 'node2'); };
    },
  },
  {
    title: 'swi.5 X13 I03 the sender to the candidate is frozen: the stop hangs for as long as it does',
    budgetSeconds: 2, ends: [4], withinSeconds: 25,
    strike: async (m, run) => {
      const sender = Number(await m.sql('node1', `SELECT pid FROM pg_stat_replication WHERE application_name = 'node2'`));
      await run.until(CHECKPOINT);
      process.kill(sender, 'SIGSTOP');
      await run.until(HANDING);
      await pause(4_000);
      process.kill(sender, 'SIGCONT');
      return null;
    },
  },
  {
    title: 'swi.5 I03 the checkpoint of the shutdown hangs, as on a disk that does not answer',
    budgetSeconds: 2, ends: [4], withinSeconds: 25,
    strike: async (m, run) => {
      const checkpointer = await backend(m, 'node1', 'checkpointer');
      await run.until(HANDING);
      process.kill(checkpointer, 'SIGSTOP');
      await pause(4_000);
      process.kill(checkpointer, 'SIGCONT');
      return null;
    },
  },
  {
    title: 'swi.6 I04 the stream is cut before its end: the candidate is never promoted',
    // More than the buffers of the wire hold, and less than a switchover is refused for.
    budgetSeconds: 14, senderTimeout: '8s', ends: [4], withinSeconds: 40, says: /it has received up to [0-9A-F/]+, replayed up to [0-9A-F/]+, and receives no more/,
    before: async (m) => {
      await freeze(m, 'node2', /walreceiver/);
      await m.sql('node1', `SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000)) FROM generate_series(1, 14)`);
    },
    strike: async (m, run) => {
      await run.until(HANDING);
      await goneDown(m, 'node1');
      await thaw(m, 'node2');
      return null;
    },
  },
  {
    title: 'swi.7 the old primary crashes while it is being stopped: nobody is promoted, it is started again',
    budgetSeconds: 3, ends: [4], withinSeconds: 25,
    strike: async (m, run) => {
      const checkpointer = await backend(m, 'node1', 'checkpointer');
      const postmaster = Number(await m.postmaster('node1'));
      await run.until(HANDING);
      process.kill(checkpointer, 'SIGSTOP');
      await eventually(() => !existsSync(`/proc/${postmaster}`) || stopping(m), 'node1 is stopping');
      process.kill(postmaster, 'SIGKILL');
      process.kill(checkpointer, 'SIGKILL');
      return null;
    },
  },
  {
    title: 'swi.8 the candidate dies between the stop and the promote: the old primary takes writes again',
    budgetSeconds: 20, ends: [4, 5], withinSeconds: 25,
    strike: async (m, run) => {
      await withoutPrimary(m, run);
      await crash(m, 'node2');
      return async () => { await m.startServer('node2'); };
    },
  },
  {
    title: 'swi.4 the candidate dies before the stop',
    budgetSeconds: 20, ends: [4, 5], withinSeconds: 25,
    strike: async (m, run) => {
      await run.until(CHECKPOINT);
      await crash(m, 'node2');
      return async () => { await m.startServer('node2'); };
    },
  },
  {
    title: 'swi.8 I16 the connection to the candidate is lost between the stop and the promote',
    budgetSeconds: 20, ends: [4], withinSeconds: 25,
    strike: async (m, run) => {
      await withoutPrimary(m, run);
      await m.sql('node2', `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgrepl'`);
      return async () => { await thaw(m, 'node2'); };
    },
  },
  {
    title: 'swi.9 I08 I15 a service manager starts the old primary again between the stop and the promote',
    budgetSeconds: 5, ends: [4], withinSeconds: 25,
    strike: async (m, run) => {
      await withoutPrimary(m, run);
      await m.startServer('node1');
      return async () => { await thaw(m, 'node2'); };
    },
  },
  {
    title: 'swi.10 H05 the candidate dies with the promote request in it',
    budgetSeconds: 20, ends: [5, 6], withinSeconds: 40,
    strike: async (m, run) => {
      await run.until(NO_RETURN);
      await crash(m, 'node2');
      return async () => { await m.startServer('node2'); };
    },
  },
  {
    title: 'swi.12 I19 the old primary cannot be started as a standby: the new one is left alone, and the rest is named',
    budgetSeconds: 20, ends: [5], withinSeconds: 60, says: /mode 0752, and a server starts only from a directory with 0700/,
    strike: async (m, run) => {
      const { pgdata } = await m.place('node1');
      await run.until(NO_RETURN);
      await chmod(pgdata, 0o750 | 0o002);
      return async () => { await chmod(pgdata, 0o700); };
    },
  },
  {
    title: 'swi.15 a sibling dies when the promote was sent',
    budgetSeconds: 20, ends: [5], withinSeconds: 60,
    strike: async (m, run) => {
      await run.until(NO_RETURN);
      await crash(m, 'node3');
      return async () => { await m.startServer('node3'); };
    },
  },
  {
    title: 'swi.5 the tool is killed while the stop hangs',
    budgetSeconds: 10, senderTimeout: '6s', ends: ['killed'], withinSeconds: 25,
    strike: async (m, run) => {
      await freeze(m, 'node2', /walreceiver/);
      await run.until(HANDING);
      await eventually(() => stopping(m), 'node1 is stopping');
      run.kill('SIGKILL');
      return async () => { await thaw(m, 'node2'); };
    },
  },
  {
    title: 'swi.8 the tool is killed and the old primary started by hand: there is nothing to go on with',
    budgetSeconds: 20, ends: ['killed'], withinSeconds: 25,
    strike: async (m, run) => {
      await withoutPrimary(m, run);
      run.kill('SIGKILL');
      await m.startServer('node1');
      return async () => { await thaw(m, 'node2'); };
    },
  },
  {
    title: 'swi.13 the old primary does not come back in time: not attached is not done',
    budgetSeconds: 20, ends: [5], withinSeconds: 200, rarely: true,
    strike: async (m, run) => {
      await run.until(/"state":"started".*"kind":"start-server"/);
      // From its first moment on: once it replays, the proof takes a few milliseconds.
      await freezeAsSoonAsItIsThere(m, 'node1', /startup/);
      return async () => { await thaw(m, 'node1'); };
    },
  },
];

async function freezeAsSoonAsItIsThere(m: Machine, node: string, which: RegExp): Promise<void> {
  const until = performance.now() + 60_000;
  for (;;) {
    const frozen = await freeze(m, node, which).catch(() => []);
    if (frozen.length > 0) return;
    if (performance.now() > until) throw new Error(`${node} never had a process like ${which.source}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

trioStories({}, (trio, { each, rarely }) => {
  for (const fault of FAULTS) {
    (fault.rarely === true ? rarely : each)(`${fault.title}: one writer, in time, and the same command ends it`, async () => {
      await trio(async (m) => {
        if (fault.senderTimeout !== undefined) {
          await m.sql('node1', `ALTER SYSTEM SET wal_sender_timeout = '${fault.senderTimeout}'`);
          await m.sql('node1', 'SELECT pg_reload_conf()');
        }
        const writer = await m.writer(['node1', 'node2', 'node3']);
        await writer.more(30);
        await neverTwoWriters(m, async () => {
          await fault.before?.(m);
          const run = m.start(['switchover', 'node2', '--budget', String(fault.budgetSeconds), '--yes', '--json'], { deadlineMs: Math.max(120, fault.withinSeconds) * 1_000 });
          const mend = await fault.strike(m, run);
          const ran = await run.ended;
          const said = `${ran.stdout}\n${ran.stderr}`;
          expect([ran.exit ?? 'killed', ran.ms < fault.withinSeconds * 1_000], said).toEqual([expect.toBeOneOf([...fault.ends]), true]);
          if (fault.says !== undefined && !fault.says.test(said)) throw new Error(`${said.split('\n').slice(-8).join('\n')}\nsays nothing like ${String(fault.says)}`);
          if (ran.exit !== null) expect(ran.json.at(-1)).toMatchObject({ event: 'result', exit: ran.exit, outcome: { 4: 'undone', 5: 'unfinished', 6: 'unknown' }[ran.exit] });
          if (fault.ends.includes(4)) {
            // Whatever else is left to do, the old primary takes writes already.
            expect(await m.sql('node1', 'SELECT pg_is_in_recovery()')).toBe('f');
            await writer.more(20);
            await expectRoles(m, BEFORE);
          }
          await mend?.();
          await m.ok(['switchover', 'node2', '--yes']);
          await writer.more(20);
        });
        await expectNothingLost(m, writer, AFTER);
        await expectRoles(m, AFTER);
      });
    });
  }
});

/** In the middle of the hand-over: the old primary is down, and the candidate cannot go on because it does not replay. */
async function withoutPrimary(m: Machine, run: RunningPgrepl): Promise<void> {
  await run.until(CHECKPOINT);
  await freeze(m, 'node2', /startup/);
  await run.until(HANDING);
  await goneDown(m, 'node1');
}

async function goneDown(m: Machine, node: string): Promise<void> {
  const { pgdata } = await m.place(node);
  await eventually(async () => (await m.postmaster(node)) === null && !existsSync(join(pgdata, 'postmaster.pid')), `${node} is down`);
}

/** node1 has said that it shuts down. */
async function stopping(m: Machine): Promise<boolean> {
  const { pgdata } = await m.place('node1');
  return /stopping/.test(await readFile(join(pgdata, 'postmaster.pid'), 'utf8').catch(() => ''));
}

async function eventually(look: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const until = performance.now() + 20_000;
  while (!(await look())) {
    if (performance.now() > until) throw new Error(`not within 20 s: ${what}`);
    await pause(10);
  }
}

async function backend(m: Machine, node: string, type: string): Promise<number> {
  return Number(await m.sql(node, `SELECT pid FROM pg_stat_activity WHERE backend_type = '${type}'`));
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

import type { Host } from '../host/host.ts';
import { parsePidFile } from '../postgres/pid-file.ts';
import { openSession, type Session } from '../postgres/session.ts';

/** Where a node of the demo may be found. */
export interface DemoNode {
  readonly name: string;
  readonly pgdata: string;
}

/** A client at work: one row after the other, on whichever node takes writes. */
export interface DemoWriter {
  /** `true`: from now on a commit is acknowledged only when a standby has it as well. */
  waitForStandby(wait: boolean): void;
  /** Rows that the server acknowledged so far. */
  readonly acknowledged: number;
  /** Forgets the longest pause, so that the next one is measured alone. */
  startMeasuring(): void;
  /** Longest time between two acknowledged rows since then, milliseconds. */
  readonly longestPauseMs: number;
  /** Ends after the row that is under way, and compares: how many acknowledged rows are not there. */
  stop(): Promise<{ readonly acknowledged: number; readonly missing: number }>;
}

const RETRY_MS = 5;

/** Starts writing. The table is made on the first node that takes writes; nothing is thrown: a failed write is tried elsewhere. */
export function startDemoWriter(host: Host, nodes: readonly DemoNode[]): DemoWriter {
  let running = true;
  let wait = false;
  // Held in an object: what the loop's catch sees is not what a closure narrowed it to.
  const open: { session: Session | null } = { session: null };
  let turn = 0;
  let next = 1;
  let last = performance.now();
  let pause = 0;
  const acknowledged = new Set<number>();

  const write = async (): Promise<void> => {
    const session = (open.session ??= await openWritable(host, nodes[turn % nodes.length] ?? raise()));
    const number = next;
    // A row whose answer is lost is neither acknowledged nor written again: nobody knows whether it is there.
    next += 1;
    await session.query(`SET synchronous_commit = ${wait ? 'on' : 'local'}`, { deadlineMs: 2_000 });
    await session.query('INSERT INTO public.demo (number) VALUES ($1)', { values: [String(number)], deadlineMs: 15_000 });
    acknowledged.add(number);
    const now = performance.now();
    pause = Math.max(pause, now - last);
    last = now;
  };
  const loop = (async () => {
    while (running) {
      try {
        await write();
        await sleep(1);
      } catch {
        // Refused, lost or read-only: the next node may be the one.
        await open.session?.close().catch(() => undefined);
        open.session = null;
        turn += 1;
        await sleep(RETRY_MS);
      }
    }
  })();

  return {
    waitForStandby: (on) => {
      wait = on;
    },
    get acknowledged() {
      return acknowledged.size;
    },
    startMeasuring: () => {
      last = performance.now();
      pause = 0;
    },
    get longestPauseMs() {
      return Math.round(pause);
    },
    stop: async () => {
      running = false;
      await loop;
      const last = open.session ?? (await openSomewhere(host, nodes));
      const rows = await last.query('SELECT number FROM public.demo');
      await last.close();
      const there = new Set(rows.map((row) => Number(row['number'])));
      return { acknowledged: acknowledged.size, missing: [...acknowledged].filter((number) => !there.has(number)).length };
    },
  };
}

async function openWritable(host: Host, node: DemoNode): Promise<Session> {
  const text = await host.readText(`${node.pgdata}/postmaster.pid`);
  const pid = text === null ? null : parsePidFile(text);
  if (pid?.socketDirectory === undefined || pid.socketDirectory === null || pid.port === null) throw new Error(`${node.name} does not run`);
  const stream = await host.connect({ socket: `${pid.socketDirectory}/.s.PGSQL.${pid.port}` }, 1_000);
  const session = await openSession(stream, { user: 'postgres', database: 'postgres', password: null, deadlineMs: 2_000 });
  try {
    const [row] = await session.query('SELECT pg_catalog.pg_is_in_recovery() AS recovering');
    if (row?.['recovering'] !== 'f') throw new Error(`${node.name} is a standby`);
    await session.query("SET synchronous_commit = 'local'");
    await session.query('CREATE TABLE IF NOT EXISTS public.demo (number bigint PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())');
    return session;
  } catch (error) {
    await session.close().catch(() => undefined);
    throw error;
  }
}

async function openSomewhere(host: Host, nodes: readonly DemoNode[]): Promise<Session> {
  let failure: unknown;
  for (const node of nodes) {
    try {
      return await openWritable(host, node);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

function raise(): never {
  throw new Error('a writer needs nodes');
}

import { PgreplError } from '../errors.ts';
import type { Greeting, SshConnection } from './ssh-connection.ts';

/** One session of a connection, taken. */
export interface Slot {
  readonly connection: SshConnection;
  free(): void;
  /** The server takes fewer sessions than were thought: this one was not among them. */
  refused(): void;
}

/** sshd's MaxSessions is 10 where nobody changed it; one is the greeting's, one is kept for a session that is still closing. */
const SESSIONS = 8;
/** Locks, sessions of SQL and long programs leave room for the short ones, which wait for each other and not for them. */
const LONG_SESSIONS = 5;

interface Room {
  readonly connection: SshConnection;
  most: number;
  taken: number;
  long: number;
}

/** The sessions of one machine over as few connections as will do; a connection that was lost is replaced by the next command. */
export class SshSessions {
  #rooms: Room[];
  readonly #open: () => Promise<SshConnection>;
  readonly #waiting: (() => void)[] = [];
  readonly greeting: Greeting;
  #opening: Promise<void> | null = null;

  constructor(first: SshConnection, open: () => Promise<SshConnection>) {
    this.#rooms = [roomOf(first)];
    this.#open = open;
    this.greeting = first.greeting;
  }

  /** Waits for a session, or opens one more connection. Throws as `SshConnection.open`, and `ssh-sessions` where no session fits beside the greeting's. */
  async take(kind: 'short' | 'long'): Promise<Slot> {
    for (;;) {
      this.#rooms = this.#rooms.filter(({ connection }) => connection.isOpen);
      const room = this.#rooms.find((one) => one.taken < one.most && (kind === 'short' || one.long < longOf(one)));
      if (room !== undefined) return this.#slot(room, kind);
      if (kind === 'short' && this.#rooms.some((one) => one.long < one.most)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      else await this.#openOne();
    }
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    await Promise.all(this.#rooms.map(async ({ connection }) => { await connection.close(); }));
    this.#wake();
  }

  #slot(room: Room, kind: 'short' | 'long'): Slot {
    const weight = kind === 'long' ? 1 : 0;
    room.taken += 1;
    room.long += weight;
    let isTaken = true;
    return {
      connection: room.connection,
      free: () => {
        if (!isTaken) return;
        isTaken = false;
        room.taken -= 1;
        room.long -= weight;
        this.#wake();
      },
      refused: () => {
        room.most = Math.min(room.most, room.taken - 1);
        if (room.most > 0) return;
        throw new PgreplError('unreachable', 'ssh-sessions', `${room.connection.label} allows no second session on a connection`, {
          hint: 'MaxSessions in its sshd_config must be 2 or more; 10 is its default.',
        });
      },
    };
  }

  async #openOne(): Promise<void> {
    this.#opening ??= this.#open().then((connection) => void this.#rooms.push(roomOf(connection))).finally(() => {
      this.#opening = null;
      this.#wake();
    });
    await this.#opening;
  }

  /** Whoever waits looks again: who comes first takes what is free. */
  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function roomOf(connection: SshConnection): Room {
  return { connection, most: SESSIONS, taken: 0, long: 0 };
}

function longOf({ most }: Room): number {
  return Math.max(1, Math.min(LONG_SESSIONS, most - 1));
}

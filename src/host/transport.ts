import type { Duplex } from 'node:stream';
import type { Address, Exit, NamedSocket } from './host.ts';
import type { ProgramStream } from './child-stream.ts';
import type { Words } from './wrappers.ts';

/** A command as a transport gets it: guarded already, bytes in. */
export interface TransportCommand {
  readonly argv: Words;
  /** What is run, in messages: not the shell or the wrapper around it. */
  readonly program: string;
  readonly effect: 'reads' | 'changes';
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly input?: Uint8Array | undefined;
  readonly deadlineMs: number;
  /** It may work for minutes: what its start takes does not matter. */
  readonly long?: boolean | undefined;
  /** It reads a little of the machine without input and ends by itself: where a shell of that user stays, it may be asked. */
  readonly small?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: ((stream: 'stdout' | 'stderr', line: string) => void) | undefined;
  /**
   * Its stdin stays open, and closing it is how the program is asked to end: at abort, at the deadline, and by the
   * operating system when pgrepl dies.
   */
  readonly lifeline: boolean;
}

/** A way to a machine, with the rights of one user there. All file verbs are written once over it. */
export interface Transport {
  readonly label: string;
  readonly user: string;
  /** True when a missing program looks like exit code 1 (sudo). */
  readonly hidesMissingPrograms: boolean;
  as(user: string): Transport;
  run(command: TransportCommand): Promise<Exit>;
  /** Starts a program that talks over its stdin and stdout, and ends when its stdin does. */
  stream(argv: Words, env?: Readonly<Record<string, string>>): Promise<ProgramStream>;
  connect(address: Address | NamedSocket, deadlineMs: number): Promise<Duplex>;
  close(): Promise<void>;
}

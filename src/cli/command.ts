import type { Decide } from '../operations/change.ts';
import type { Secret } from '../secret.ts';
import type { NodeSpec, Topology } from '../topology/topology.ts';
import type { Io } from './io.ts';

/** One option of a command, as data: the help page, the parser and the reference are three readers of it. */
export interface OptionSpec {
  /** In commander's spelling: `-p, --port <PORT>`. */
  readonly flags: string;
  readonly help: string;
  readonly choices?: readonly string[];
  /** Words that completion offers; others are taken as well. */
  readonly suggests?: readonly string[];
  /** May be given several times; its value is a list. */
  readonly repeat?: boolean;
  readonly heading?: string;
}

/** One word after the command: `[NAME]`, `<NAME>`. */
export interface ArgumentSpec {
  readonly name: string;
  readonly help: string;
  /** Words that completion offers. */
  readonly suggests?: readonly string[];
}

/** The options that every command has. */
export interface Globals {
  /** Absolute path of the cluster file. */
  readonly file: string;
  /** False when the path is the default and nobody named it. */
  readonly fileNamed: boolean;
  readonly json: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** False with `--no-color`. */
  readonly color: boolean;
}

/** The words of one command, parsed into options and arguments; nothing looked up. */
export interface Words {
  readonly arguments: readonly string[];
  /** Value of an option by its camel-case name, e.g. `maxRate`; undefined when it was not given. */
  text(name: string): string | undefined;
  /** True when the switch was given; for `--no-verify` ask `flag('verify')`, which is then false and otherwise true. */
  flag(name: string): boolean;
  /** Values of a repeatable option; undefined when it was not given. */
  list(name: string): readonly string[] | undefined;
}

/** What a command gets. */
export interface Context {
  readonly io: Io;
  readonly globals: Globals;
  readonly words: Words;
  /** Name of the command: `add-standby`. */
  readonly name: string;
  /** The whole line again, ready to paste; what `next` lines say. */
  readonly line: string;
}

/** A command, ready for the router. `run` returns the exit code; a thrown error is reported by the router. */
export interface Command {
  readonly kind: 'change' | 'query';
  readonly name: string;
  readonly summary: string;
  readonly arguments: readonly ArgumentSpec[];
  readonly options: readonly OptionSpec[];
  /** Examples under the help page. */
  readonly examples?: readonly string[];
  run(context: Context): Promise<number>;
}

type Shape = Omit<Command, 'kind' | 'run'>;

/** What the words of a change come to, with all that is needed to carry it out. */
export interface Parsed<W> {
  readonly want: W;
  /** As the cluster file says it. */
  readonly topology: Topology;
  /** Every node that the plan may touch: those of the file, and the new one. */
  readonly nodes: readonly NodeSpec[];
  /** Names of the nodes to lock. */
  readonly locks: readonly string[];
  readonly givenPassword: Secret | null;
  readonly adminPassword: Secret | null;
  /** The same command for any directory and environment: what `resume` runs and `next` lines say. */
  readonly again: string;
  /** The same with the name of a node, where none was typed and the operation chooses one. */
  readonly againWith?: (name: string) => string;
}

export interface ChangeShape<W> extends Shape {
  /** Words to what is wanted; reads the cluster file, asks no server. */
  parse(context: Context): Promise<Parsed<W>>;
  readonly decide: Decide<W>;
}

export interface QueryShape extends Shape {
  run(context: Context): Promise<number>;
}

/** A command that only looks. It prints its result to `io.stdout`: with `--json` exactly one document. */
export function query(shape: QueryShape): Command {
  return { ...shape, kind: 'query' };
}

import type { Duplex } from 'node:stream';
import { PgreplError } from '../errors.ts';
import { bridgeWords, overBridge } from './bridge.ts';
import { openChildStream, type ProgramStream } from './child-stream.ts';
import { runChild } from './child.ts';
import { Envelope } from './envelope.ts';
import type { Address, Exit, Host, NamedSocket } from './host.ts';
import { isUserName, PosixHost } from './posix-host.ts';
import { SshConnection } from './ssh-connection.ts';
import { FIND_ACCOUNT, framed, replaced } from './ssh-scripts.ts';
import { SshSessions, type Slot } from './ssh-sessions.ts';
import { shellWords, SshShell } from './ssh-shell.ts';
import { connectionLost, mayNotBecome } from './ssh-trouble.ts';
import type { Transport, TransportCommand } from './transport.ts';
import { asUser, cleanEnvironment, howToBecome, withEnvironment, type Account, type Words } from './wrappers.ts';

/** A shell on a busy machine may take its time; a network that is gone is noticed before. */
const BEGIN_MS = 20_000;

/** A machine behind the user's own OpenSSH client, with the rights of one of its users. */
class SshTransport implements Transport {
  readonly user: string;
  readonly #machine: SshMachine;

  constructor(machine: SshMachine, user: string) {
    this.#machine = machine;
    this.user = user;
  }

  get label(): string {
    return this.#machine.label;
  }

  /** Never: the shell that becomes the other user is there, and says so by itself when the program is not. */
  readonly hidesMissingPrograms = false;

  as(user: string): SshTransport {
    return new SshTransport(this.#machine, user);
  }

  async account(): Promise<Account> {
    return await this.#machine.account(this.user);
  }

  /** `null` when there is no such user. */
  async find(user: string): Promise<Account | null> {
    return await this.#machine.find(user);
  }

  async run(command: TransportCommand): Promise<Exit> {
    const account = await this.account();
    return await this.#machine.run(command, account);
  }

  async stream(argv: Words, env?: Readonly<Record<string, string>>): Promise<ProgramStream> {
    return await this.#machine.stream(argv, await this.account(), env);
  }

  async connect(address: Address | NamedSocket, deadlineMs: number): Promise<Duplex> {
    return await overBridge(await this.stream(bridgeWords(address)), this.label, address, deadlineMs);
  }

  async close(): Promise<void> {
    await this.#machine.close();
  }
}

/** A machine behind ssh with the rights of `user`, `null` for whoever logs in. Throws as `SshConnection.open`, and \`no-such-user\`. */
export async function openSsh(label: string, user: string | null, signal?: AbortSignal): Promise<Host> {
  return new SshHost(await openSshTransport(label, user, signal));
}

/** The same, for what is carried further from there. */
export async function openSshTransport(label: string, user: string | null, signal?: AbortSignal): Promise<SshTransport> {
  const { machine, user: me } = await SshMachine.open(label, signal);
  const transport = new SshTransport(machine, user ?? me);
  try {
    await transport.account();
    return transport;
  } catch (error) {
    await machine.close();
    throw error;
  }
}

/** What the users of one machine share: its connections and its accounts. */
class SshMachine {
  readonly label: string;
  readonly #sessions: SshSessions;
  readonly #accounts = new Map<string, Promise<Account | null>>();
  /** By user; `null` before the second small command: for one alone it is not worth the while. */
  readonly #shells = new Map<string, Promise<SshShell | null> | null>();

  private constructor(label: string, sessions: SshSessions) {
    this.label = label;
    this.#sessions = sessions;
  }

  /** Opens the first connection. Throws as `SshConnection.open`. */
  static async open(label: string, signal?: AbortSignal): Promise<{ readonly machine: SshMachine; readonly user: string }> {
    const ssh = sshWords();
    const first = await SshConnection.open(label, ssh, signal);
    const sessions = new SshSessions(first, async () => await SshConnection.open(label, ssh));
    return { machine: new SshMachine(label, sessions), user: first.greeting.me.user };
  }

  /** Throws `no-such-user`. */
  async account(user: string): Promise<Account> {
    const account = await this.find(user);
    if (account === null) throw new PgreplError('refused', 'no-such-user', `there is no user ${user} on ${this.label}`);
    return account;
  }

  async find(user: string): Promise<Account | null> {
    const known = this.#accounts.get(user) ?? this.#look(user);
    this.#accounts.set(user, known);
    return await known;
  }

  async #look(user: string): Promise<Account | null> {
    if (!isUserName(user)) return null;
    const { accounts, me } = this.#sessions.greeting;
    const entry = accounts.find((account) => account.user === user);
    if (entry !== undefined) return entry;
    const asMe = { user: me.user, uid: me.uid, gid: -1, home: '/' };
    const exit = await this.run({ argv: ['sh', '-c', FIND_ACCOUNT, 'sh', user], program: 'id', effect: 'reads', deadlineMs: 10_000, lifeline: false }, asMe);
    const [uid, gid, home] = exit.stdout.split('\n');
    return exit.code === 0 ? { user, uid: Number(uid), gid: Number(gid), home: home ?? '/' } : null;
  }

  async run(command: TransportCommand, account: Account): Promise<Exit> {
    const shell = command.small === true ? await this.#shell(account) : null;
    const answer = (await shell?.ask(command)) ?? null;
    if (answer !== null) return answer;
    for (;;) {
      const slot = await this.#sessions.take(command.long === true || command.deadlineMs === Infinity ? 'long' : 'short');
      try {
        const exit = await this.#runIn(slot, command, account);
        if (exit !== null) return exit;
      } finally {
        slot.free();
      }
    }
  }

  /** The shell of that user; `null` while there is none, and a session of its own is the way, which also knows how to tell what is wrong. */
  async #shell(account: Account): Promise<SshShell | null> {
    const { user } = account;
    const known = this.#shells.get(user);
    const shell = known ?? (known === null ? this.#openShell(account).catch(() => null) : null);
    this.#shells.set(user, shell);
    return await shell;
  }

  async #openShell(account: Account): Promise<SshShell> {
    const { argv, word } = shellWords();
    const program = await this.stream(argv, account, undefined);
    void program.ended.then(() => this.#shells.delete(account.user));
    return new SshShell(program, word);
  }

  /** `null` when the far ssh server takes no further session, so that nothing was run. */
  async #runIn(slot: Slot, command: TransportCommand, account: Account): Promise<Exit | null> {
    const { connection } = slot;
    const { become, env } = this.#ways(connection, account, command.env);
    const envelope = new Envelope();
    const hasStdin = command.lifeline || command.input !== undefined;
    const words = withEnvironment(env, command.argv);
    const exit = await runChild({
      ...command,
      argv: connection.words(framed(envelope, words, hasStdin ? 'theirs' : 'lifeline'), become),
      env: ownEnvironment(),
      lifeline: true,
      envelope,
    });
    if (envelope.code !== null) return exit;
    if (exit.code !== 255 && !envelope.hasBegun && become.length > 0) throw mayNotBecome(this.label, connection.greeting.me.user, account.user, envelope.noise);
    if (!(await connection.check())) throw connectionLost(this.label, command.program, command.effect, connection.said);
    if (envelope.hasBegun) throw connectionLost(this.label, command.program, command.effect, ['the shell around it was killed', ...envelope.noise]);
    if (exit.code !== 255) throw new PgreplError('unreachable', 'ssh-no-shell', `${this.label} did not run ${command.program}`, { details: envelope.noise });
    slot.refused();
    return null;
  }

  /** Throws as `run`, once the program was not started. */
  async stream(argv: Words, account: Account, extra: Readonly<Record<string, string>> | undefined): Promise<ProgramStream> {
    for (;;) {
      const slot = await this.#sessions.take('long');
      let program: ProgramStream | null = null;
      try {
        program = await this.#streamIn(slot, argv, account, extra);
      } finally {
        if (program === null) slot.free();
      }
      if (program === null) continue;
      void program.ended.then(() => slot.free());
      return program;
    }
  }

  async #streamIn(slot: Slot, argv: Words, account: Account, extra: Readonly<Record<string, string>> | undefined): Promise<ProgramStream | null> {
    const { connection } = slot;
    const { become, env } = this.#ways(connection, account, extra);
    const envelope = new Envelope();
    const program = await openChildStream(connection.words(replaced(envelope, withEnvironment(env, argv)), become), ownEnvironment());
    if (await begins(program.stream, envelope.mark, BEGIN_MS)) return program;
    program.stream.destroy();
    const { code, stderr } = await program.ended;
    const said = linesOf(stderr);
    if (code !== 255 && become.length > 0) throw mayNotBecome(this.label, connection.greeting.me.user, account.user, said);
    if (!(await connection.check())) throw connectionLost(this.label, argv[0], 'reads', connection.said);
    if (code !== 255) throw new PgreplError('unreachable', 'ssh-no-shell', `${this.label} did not run ${argv[0]}`, { details: said });
    slot.refused();
    return null;
  }

  /** How to become that user there, and what its programs see. Throws `no-permission` where there is no way. */
  #ways(connection: SshConnection, account: Account, extra: Readonly<Record<string, string>> | undefined): { readonly become: readonly string[]; readonly env: Readonly<Record<string, string>> } {
    const { me, path, hasSudo } = connection.greeting;
    if (howToBecome(account, me) === 'sudo' && !hasSudo) throw mayNotBecome(this.label, me.user, account.user, ['sudo was not found there']);
    return { become: asUser(['-'], account, me).slice(0, -1), env: cleanEnvironment({ home: account.home, path }, extra) };
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }
}

/** The words that start ssh: `PGREPL_SSH` may add options, such as `ssh -F FILE`. */
function sshWords(): Words {
  const [program = 'ssh', ...options] = (process.env['PGREPL_SSH'] ?? 'ssh').split(/\s+/).filter((word) => word !== '');
  return [program, ...options];
}

/** ssh is the user's own program and sees what the user's shell gave it: the agent, and whatever the configuration asks for. */
function ownEnvironment(): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** Reads away what comes before the mark; false when the stream ends without it, or it does not come in time. */
async function begins(stream: Duplex, mark: Buffer, deadlineMs: number): Promise<boolean> {
  return await new Promise((resolve) => {
    let got: Buffer = Buffer.alloc(0);
    const settle = (found: boolean): void => {
      clearTimeout(late);
      stream.off('readable', take).off('end', ended).off('close', ended);
      resolve(found);
    };
    const ended = (): void => settle(false);
    const take = (): void => {
      const chunk = stream.read() as Buffer | null;
      if (chunk === null) return;
      got = Buffer.concat([got, chunk]);
      const at = got.indexOf(mark);
      if (at < 0) return;
      const rest = got.subarray(at + mark.length);
      if (rest.length > 0) stream.unshift(rest);
      settle(true);
    };
    const late = setTimeout(() => settle(false), deadlineMs);
    stream.on('readable', take).once('end', ended).once('close', ended);
  });
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.trim() !== '' && line.charCodeAt(0) !== 1);
}

/** What needs no program there is answered from what the machine said when it was reached. */
class SshHost extends PosixHost {
  readonly #ssh: SshTransport;

  constructor(transport: SshTransport) {
    super(transport);
    this.#ssh = transport;
  }

  override as(user: string): Host {
    return new SshHost(this.#ssh.as(user));
  }

  override async home(): Promise<string> {
    return (await this.#ssh.account()).home;
  }

  override async userExists(user: string): Promise<boolean> {
    return (await this.#ssh.find(user)) !== null;
  }
}

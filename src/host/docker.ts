import type { Duplex } from 'node:stream';
import { PgreplError } from '../errors.ts';
import { currentUser } from './accounts.ts';
import { bridgeWords, overBridge } from './bridge.ts';
import type { ProgramStream } from './child-stream.ts';
import type { Address, Exit, NamedSocket } from './host.ts';
import { LocalTransport } from './local.ts';
import { isUserName, PosixHost } from './posix-host.ts';
import { HOME } from './scripts.ts';
import type { Transport, TransportCommand } from './transport.ts';
import { cleanEnvironment, withEnvironment, withLifeline, type Words } from './wrappers.ts';

const ASK_MS = 10_000;
/** What the docker client of the operator listens to. Nothing of it reaches the container. */
const CLIENT_VARIABLES = /^(?:DOCKER_.*|XDG_RUNTIME_DIR|SSH_AUTH_SOCK|HOME)$/;

/** A running container, through `docker exec` of the docker client on the machine of `carrier`. Nothing is copied in. */
export class DockerTransport implements Transport {
  readonly label: string;
  readonly user: string;
  readonly hidesMissingPrograms = false;
  readonly #container: Container;
  #home: string | undefined;

  constructor(container: Container, user: string) {
    this.#container = container;
    this.label = container.label;
    this.user = user;
  }

  as(user: string): DockerTransport {
    return user === this.user ? this : new DockerTransport(this.#container, user);
  }

  async run(command: TransportCommand): Promise<Exit> {
    // Killing the docker client does not stop the program in the container; the end of its stdin, which the daemon passes on, does.
    const needsLifeline = !command.lifeline && command.input === undefined;
    const argv = needsLifeline ? withLifeline(command.argv) : command.argv;
    const exit = await this.#container.carry({
      ...command,
      argv: await this.#words(argv, command.env),
      lifeline: command.lifeline || needsLifeline,
    });
    await this.#container.blameDocker(exit, command.effect);
    return exit;
  }

  async stream(argv: Words, env?: Readonly<Record<string, string>>): Promise<ProgramStream> {
    return await this.#container.carryStream(await this.#words(argv, env));
  }

  async connect(address: Address | NamedSocket, deadlineMs: number): Promise<Duplex> {
    const program = await this.stream(bridgeWords(address));
    try {
      return await overBridge(program, this.label, address, deadlineMs);
    } catch (thrown) {
      await this.#container.mustRun();
      throw thrown;
    }
  }

  async #words(argv: Words, extra: Readonly<Record<string, string>> | undefined): Promise<Words> {
    const { name, path } = this.#container;
    const home = (this.#home ??= await this.#container.homeOf(this.user));
    // The environment of an image may hold anything: PGDATA, and the first password of the superuser.
    return ['docker', 'exec', '-i', '-u', this.user, name, ...withEnvironment(cleanEnvironment({ home, path }, extra), argv)];
  }

  async close(): Promise<void> {
    await this.#container.close();
  }
}

/** What is known of a container, and the one way in which programs get to it. */
class Container {
  readonly name: string;
  readonly label: string;
  /** Of the image; its programs may be found through it alone. */
  path: string | undefined;
  readonly #carrier: Transport;
  readonly #env: Readonly<Record<string, string>>;

  constructor(name: string, carrier: Transport) {
    this.name = name;
    this.label = carrier.label === 'local' ? `docker://${name}` : `${carrier.label}/docker/${name}`;
    this.#carrier = carrier;
    const own = Object.entries(process.env).filter((entry): entry is [string, string] => CLIENT_VARIABLES.test(entry[0]) && entry[1] !== undefined);
    this.#env = carrier.label === 'local' ? Object.fromEntries(own) : {};
  }

  async carry(command: TransportCommand): Promise<Exit> {
    return await this.#carrier.run({ ...command, env: this.#env });
  }

  async carryStream(argv: Words): Promise<ProgramStream> {
    return await this.#carrier.stream(argv, this.#env);
  }

  /** Throws `container-missing`, `container-stopped`, `container-paused`, `docker-unreachable` and `program-not-found` (docker itself). */
  async mustRun(): Promise<void> {
    const exit = await this.#docker('container', 'inspect', '--format', '{{.State.Running}} {{.State.Paused}} {{json .Config.Env}}', this.name);
    if (exit.code !== 0) throw await this.#missing(exit);
    const [running, paused, ...env] = exit.stdout.trim().split(' ');
    if (paused === 'true') throw this.#not('container-paused', 'is paused', `docker unpause ${this.name}`);
    if (running !== 'true') throw this.#not('container-stopped', 'is not running', `docker start ${this.name}`);
    this.path = pathFrom(env.join(' '));
  }

  /**
   * The exit codes of docker itself (1, 125, 126, 127, and 137 of a container that was killed) are also codes of programs. They are docker's
   * when the container cannot be used any more; a change that was under way then may have happened or not.
   */
  async blameDocker(exit: Exit, effect: 'reads' | 'changes'): Promise<void> {
    if (exit.code !== null && ![1, 125, 126, 127, 137, 255].includes(exit.code)) return;
    try {
      await this.mustRun();
    } catch (thrown) {
      throw thrown instanceof PgreplError && effect === 'changes' && exit.code === 137 ? thrown.as('unknown') : thrown;
    }
  }

  /** Home directory of a user in the container. Throws `no-such-user`. */
  async homeOf(user: string): Promise<string> {
    const exit = await this.#ask(user, HOME);
    if (exit.code === 0 && exit.stdout.startsWith('/')) return exit.stdout;
    await this.mustRun();
    throw new PgreplError('refused', 'no-such-user', `there is no user ${user} on ${this.label}`);
  }

  /** The user as whom programs run in it when nobody is named. */
  async defaultUser(): Promise<string> {
    const exit = await this.#ask(null, 'id -un 2>/dev/null || id -u');
    if (exit.code === 0) return exit.stdout.trim();
    await this.mustRun();
    throw new PgreplError('unreachable', 'container-unusable', `no shell can be run in ${this.label}`, { details: lines(exit.stderr) });
  }

  async close(): Promise<void> {
    await this.#carrier.close();
  }

  async #ask(user: string | null, script: string): Promise<Exit> {
    return await this.#docker('exec', ...(user === null ? [] : ['-u', user]), this.name, 'sh', '-c', script);
  }

  async #docker(...words: readonly string[]): Promise<Exit> {
    return await this.carry({ argv: ['docker', ...words], program: 'docker', effect: 'reads', deadlineMs: ASK_MS, lifeline: false });
  }

  async #missing(exit: Exit): Promise<PgreplError> {
    const daemon = await this.#docker('version', '--format', '{{.Server.Version}}');
    const where = this.#carrier.label === 'local' ? 'this machine' : this.#carrier.label;
    if (daemon.code === 0) {
      return new PgreplError('unreachable', 'container-missing', `there is no container ${this.name} on ${where}`, { details: lines(exit.stderr), next: ['docker ps --all'] });
    }
    return new PgreplError('unreachable', 'docker-unreachable', `docker does not answer on ${where}`, {
      details: lines(daemon.stderr),
      hint: 'Is its daemon running, and may this user use it? Members of the group docker may.',
      next: ['docker version'],
    });
  }

  #not(code: string, says: string, next: string): PgreplError {
    return new PgreplError('unreachable', code, `the container ${this.name} ${says}`, { next: [next] });
  }
}

/**
 * A container with the rights of `user`, `null` for the one that its image names. The docker client is that of the machine behind
 * `carrier`. Throws `container-missing`, `container-stopped`, `container-paused`, `docker-unreachable`, `no-such-user`.
 */
export async function openDocker(name: string, user: string | null, carrier: Transport = new LocalTransport(currentUser())): Promise<PosixHost> {
  const container = new Container(name, carrier);
  try {
    await container.mustRun();
    if (user === null) return new PosixHost(new DockerTransport(container, await container.defaultUser()));
    if (!isUserName(user)) throw new PgreplError('refused', 'no-such-user', `there is no user ${user} on ${container.label}`);
    await container.homeOf(user);
    return new PosixHost(new DockerTransport(container, user));
  } catch (thrown) {
    await container.close();
    throw thrown;
  }
}

/** The PATH among the variables of an image, as JSON; `undefined` when it has none. */
function pathFrom(json: string): string | undefined {
  const variables: unknown = JSON.parse(json === '' ? 'null' : json);
  if (!Array.isArray(variables)) return undefined;
  const found: unknown = variables.find((variable) => typeof variable === 'string' && variable.startsWith('PATH='));
  return typeof found === 'string' ? found.slice('PATH='.length) : undefined;
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

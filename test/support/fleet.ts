import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Machines with sshd that cost nothing: each is a process tree of this machine with a network, a process table, a few directories and a
 * list of users of its own. Nothing of the real machine is changed, and everything goes with the processes.
 */
export interface Fleet {
  readonly root: string;
  readonly hosts: readonly FleetHost[];
  /** The operator's ssh configuration, for `PGREPL_SSH`: key and known hosts of the fleet. */
  readonly ssh: string;
  readonly configFile: string;
  close(): void;
}

export interface FleetHost {
  readonly name: string;
  readonly address: string;
  /** Pid of its first process, as seen from outside. */
  readonly pid: number;
  /** Runs a program in it as this user, not through ssh; returns its stdout. */
  run(user: string, argv: readonly [string, ...string[]]): string;
  /** Cuts its network, or gives it back. */
  link(state: 'up' | 'down'): void;
  /** All of it is gone at once, as in a power cut. */
  kill(): void;
}

/** Who may log in besides root and postgres. */
export const FLEET_USERS = {
  /** May become postgres by sudo, as in the sudoers line of the manual. */
  admin: 'pgradmin',
  /** Nothing in sudoers. */
  plain: 'pgrplain',
  /** One command only. */
  some: 'pgrsome',
  /** A login shell that talks. */
  noisy: 'pgrnoisy',
  /** No login shell. */
  closed: 'pgrclosed',
} as const;

/** Login shells of this machine, each with a user of the fleet who has it. */
export function shellsAtHand(): readonly (readonly [shell: string, login: string])[] {
  return ['/bin/bash', '/bin/dash', '/bin/csh', '/usr/bin/fish', '/bin/zsh', '/bin/ksh'].filter(existsSync).map((shell) => [shell, `pgr${shell.slice(shell.lastIndexOf('/') + 1)}`]);
}

/** What a login shell may do before it comes to the command: speak on both outputs, set variables, go elsewhere. */
const TALK = 'echo hello; echo hello >&2; export PGHOST=elsewhere PGPASSWORD=x; cd /tmp; printf "no line feed"\n';

const PROGRAMS = ['/usr/sbin/sshd', '/usr/bin/sudo', '/usr/bin/ssh', '/usr/bin/ssh-keygen', '/usr/bin/unshare', '/usr/bin/nsenter'];

/** Why no fleet can be made here; `null` when it can. */
export function fleetMissing(): string | null {
  if (process.getuid?.() !== 0) return 'not root';
  const missing = PROGRAMS.filter((program) => !isExecutable(program));
  if (missing.length > 0) return `${missing.join(', ')} not installed`;
  const { status, stderr } = spawnSync('unshare', ['--net', '--mount', '--pid', '--fork', '--mount-proc', 'ip', 'link', 'set', 'lo', 'up'], { encoding: 'utf8' });
  return status === 0 ? null : `no namespaces here: ${stderr.trim()}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** First process of a machine. Arguments: its directory, its name. */
const INIT = `
set -e
own=$1
mount --make-rprivate /
hostname "$2"
ip link set lo up
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/lock
install -d -o postgres -g postgres -m 2775 /run/postgresql
mount -t tmpfs tmpfs /dev/shm
for part in home root srv var/lib/postgresql; do
  mkdir -p "/$part"
  mount --bind "$own/$part" "/$part"
done
# All of it: a file that is mounted over another vanishes when somebody outside replaces the other, as useradd does.
mount -t tmpfs tmpfs "$own/view"
cp -a /etc/. "$own/view/"
rm -rf "$own/view/sudoers.d"
cp -a "$own/etc/." "$own/view/"
mount --bind "$own/view" /etc
cp "$own/sshd_config" "$own/host_key" /run/sshd/
chmod 600 /run/sshd/host_key
mount --bind "$own/tmp" /tmp
until ip -4 addr show dev eth0 2>/dev/null | grep -q inet; do sleep 0.02; done
exec /usr/sbin/sshd -D -e -f /run/sshd/sshd_config
`;

export interface FleetOptions {
  /** Further lines of sshd_config. */
  readonly sshd?: readonly string[];
}

/** Starts that many machines, all reachable from here and from each other. Throws when one does not come up. */
export async function openFleet(count: number, options: FleetOptions = {}): Promise<Fleet> {
  const root = mkdtempSync('/tmp/pgr-fleet-');
  execFileSync('chmod', ['755', root]);
  const children: ChildProcess[] = [];
  const close = (): void => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  };
  try {
    for (const key of ['host_key', 'key']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(root, key)]);
    const start = async (argv: readonly string[], log: string): Promise<number> => {
      const child = spawn('unshare', [...argv], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => { said = (said + chunk.toString()).slice(-8_000); });
      child.once('exit', () => { if (existsSync(root)) writeFileSync(join(root, log), said); });
      children.push(child);
      return await forked(child);
    };
    const net = freeNet();
    const switchPid = await start(['--net', '--fork', '--kill-child', 'sleep', 'infinity'], 'switch.log');
    const inSwitch = (...argv: string[]): void => void execFileSync('nsenter', ['-t', String(switchPid), '-n', ...argv]);
    inSwitch('ip', 'link', 'add', 'br0', 'type', 'bridge');
    inSwitch('ip', 'link', 'set', 'br0', 'up');
    const plug = (name: string, peer: readonly string[]): void => {
      execFileSync('ip', ['link', 'add', ...peer, 'type', 'veth', 'peer', 'name', name, 'netns', String(switchPid)]);
      inSwitch('ip', 'link', 'set', name, 'master', 'br0', 'up');
    };
    plug('operator', [`pgr${switchPid}`]);
    execFileSync('ip', ['addr', 'add', `${net}.254/24`, 'dev', `pgr${switchPid}`]);
    execFileSync('ip', ['link', 'set', `pgr${switchPid}`, 'up']);

    const hosts = await Promise.all(Array.from({ length: count }, async (_, index): Promise<FleetHost> => {
      const name = `db${index + 1}`;
      const address = `${net}.${index + 1}`;
      const own = join(root, name);
      furnish(root, own, address, options);
      const pid = await start(['--net', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', INIT, 'init', own, name], `${name}.log`);
      const inside = ['nsenter', '-t', String(pid), '-n'];
      plug(name, ['eth0', 'netns', String(pid)]);
      execFileSync('nsenter', [...inside.slice(1), 'ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
      execFileSync('nsenter', [...inside.slice(1), 'ip', 'link', 'set', 'eth0', 'up']);
      return {
        name,
        address,
        pid,
        run: (user, argv) => execFileSync('nsenter', ['-t', String(pid), '--net', '--mount', '--pid', '--uts', '--ipc', 'setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--', ...argv], { encoding: 'utf8', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' } }),
        link: (state) => void execFileSync('nsenter', ['-t', String(pid), '-n', 'ip', 'link', 'set', 'eth0', state]),
        kill: () => void process.kill(pid, 'SIGKILL'),
      };
    }));
    const configFile = join(root, 'ssh_config');
    writeFileSync(join(root, 'known_hosts'), hosts.map(({ address }) => `${address} ${readFileSync(join(root, 'host_key.pub'), 'utf8')}`).join(''));
    writeFileSync(configFile, `Host *\n  IdentityFile ${root}/key\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile ${root}/known_hosts\n  GlobalKnownHostsFile none\n`);
    const fleet = { root, hosts, ssh: `ssh -F ${configFile}`, configFile, close };
    await Promise.all(hosts.map(async (host) => { await listening(host, root); }));
    return fleet;
  } catch (error) {
    close();
    throw error;
  }
}

/** What a machine has of its own: users, keys, sudoers, empty homes. */
function furnish(root: string, own: string, address: string, { sshd = [] }: FleetOptions): void {
  const write = (path: string, content: string, mode = 0o644): void => {
    mkdirSync(join(own, path, '..'), { recursive: true });
    writeFileSync(join(own, path), content, { mode });
  };
  for (const part of ['home', 'root', 'srv', 'var/lib/postgresql', 'etc/sudoers.d', 'view']) mkdirSync(join(own, part), { recursive: true });
  const logins = [...Object.values(FLEET_USERS).map((name) => [name === FLEET_USERS.closed ? '/usr/sbin/nologin' : '/bin/bash', name] as const), ...shellsAtHand()];
  const users = logins.map(([shell, name], index) => ({ name, id: 54_321 + index, gid: 54_321 + index, home: `/home/${name}`, shell }));
  const passwd = readFileSync('/etc/passwd', 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('postgres:'));
  const group = readFileSync('/etc/group', 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('postgres:'));
  const postgres = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  const all = [...users, { name: 'postgres', id: Number(postgres?.[1] ?? 54_320), gid: Number(postgres?.[2] ?? 54_320), home: '/var/lib/postgresql', shell: '/bin/bash' }];
  write('etc/passwd', [...passwd, ...all.map(({ name, id, gid, home, shell }) => `${name}:x:${id}:${gid}::${home}:${shell}`), ''].join('\n'));
  write('etc/group', [...group, ...all.map(({ name, gid }) => `${name}:x:${gid}:`), ''].join('\n'));
  write('etc/shadow', ['root', ...all.map(({ name }) => name), ''].map((name) => (name === '' ? '' : `${name}:*:19000:0:99999:7:::`)).join('\n'), 0o640);
  write('etc/sudoers.d/fleet', `${FLEET_USERS.admin} ALL=(postgres) NOPASSWD: ALL\n${FLEET_USERS.some} ALL=(postgres) NOPASSWD: /bin/true\n`, 0o440);
  write(`home/${FLEET_USERS.noisy}/.bashrc`, TALK);
  for (const { id, gid, home } of [...all, { id: 0, gid: 0, home: '/root' }]) {
    write(`${home}/.ssh/authorized_keys`, readFileSync(join(root, 'key.pub'), 'utf8'), 0o600);
    execFileSync('chown', ['-R', `${id}:${gid}`, join(own, home)]);
    execFileSync('chmod', ['700', join(own, home), join(own, home, '.ssh')]);
  }
  mkdirSync(join(own, 'tmp'));
  execFileSync('chmod', ['1777', join(own, 'tmp')]);
  execFileSync('cp', [join(root, 'host_key'), own]);
  write('sshd_config', [`ListenAddress ${address}`, 'HostKey /run/sshd/host_key', 'UsePAM no', 'PasswordAuthentication no', 'PermitRootLogin prohibit-password', 'PidFile none', 'UseDNS no', ...sshd, ''].join('\n'));
}

/** Pid of the process that `unshare --fork` made. */
async function forked(parent: ChildProcess): Promise<number> {
  const pid = parent.pid ?? 0;
  for (let round = 0; round < 500; round += 1) {
    const child = Number(readQuietly(`/proc/${pid}/task/${pid}/children`).trim().split(' ')[0]);
    if (child > 0) return child;
    await pause(10);
  }
  throw new Error('a machine of the fleet did not start');
}

async function listening({ name, address }: FleetHost, root: string): Promise<void> {
  for (let round = 0; round < 500; round += 1) {
    const { status } = spawnSync('bash', ['-c', `exec 3<>/dev/tcp/${address}/22`], { stdio: 'ignore', timeout: 2_000 });
    if (status === 0) return;
    await pause(20);
  }
  throw new Error(`sshd of ${name} does not listen: ${readQuietly(join(root, `${name}.log`))}`);
}

/** A network of the range for tests (RFC 2544) that nobody here uses. */
function freeNet(): string {
  const used = execFileSync('ip', ['-4', 'addr'], { encoding: 'utf8' });
  for (;;) {
    const net = `198.18.${Math.floor(Math.random() * 256)}`;
    if (!used.includes(`${net}.`)) return net;
  }
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

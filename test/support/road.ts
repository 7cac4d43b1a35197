import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takePort } from './ports.ts';
import { descendantsOf, everyProcess, type SeenProcess } from './process-tree.ts';
import { openRelay, type Relay } from './relay.ts';

/**
 * The way by which a story reaches its machine. Without one it is on it. Over ssh it is this very machine, so that every story can be
 * told again over it word by word: `PGREPL_STORIES_VIA=sudo` logs in as an admin who may only become the servers' owner, `root` and `owner`
 * log in as these.
 */
export interface Road {
  /** For `via:` in the cluster file. */
  readonly via: string;
  /** For `PGREPL_SSH`. */
  readonly ssh: string;
  /** The network between the operator and the machine. */
  readonly wire: Relay;
  /** Everything that came by this road and still runs, servers included, and the operator's ssh clients. */
  travellers(): readonly SeenProcess[];
  /** Ends the far end of every connection at once, as if somebody on the machine had. */
  endSessions(): void;
  close(): Promise<void>;
}

const LOGINS: Readonly<Record<string, (owner: string) => string>> = { sudo: () => ADMIN, root: () => 'root', owner: (owner) => owner };
const ADMIN = 'pgradmin';

/** True where `PGREPL_STORIES_VIA` asks for a road. */
export function isByRoad(): boolean {
  return (process.env['PGREPL_STORIES_VIA'] ?? '') !== '';
}

/**
 * Starts an ssh server for the machine of one story, with this directory of its servers, where `PGREPL_STORIES_VIA` asks for one; `null` where
 * it does not. Throws when it does not come up.
 */
export async function openRoad(owner: string, room: string): Promise<Road | null> {
  if (!isByRoad()) return null;
  const wanted = process.env['PGREPL_STORIES_VIA'] ?? '';
  const login = LOGINS[wanted]?.(owner);
  if (login === undefined) throw new Error(`PGREPL_STORIES_VIA=${wanted} is not one of ${Object.keys(LOGINS).join(', ')}`);
  const root = mkdtempSync(join(tmpdir(), 'pgr-road-'));
  const { port, release } = await takePort();
  furnish(root, port, owner);
  // What a story mounts in it later is seen by those who come by the road, too.
  for (const words of [['--bind', room, room], ['--make-shared', room]]) execFileSync('mount', words);
  // The users of the road are in files that only the ssh server and what it starts can see; the servers of the stories are seen by all.
  const server = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c', ENTER, 'sshd', root, REAPER], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  server.stderr.on('data', (chunk: Buffer) => { said = (said + chunk.toString()).slice(-4_000); });
  const reaper = server.pid ?? -1;
  const wire = await openRelay({ host: '127.0.0.1', port });
  const close = async (): Promise<void> => {
    await wire.close();
    for (const { pid } of [...everyProcess().filter(({ pid }) => pid === reaper), ...descendantsOf(reaper)]) kill(pid);
    release();
    spawnSync('umount', ['-l', room]);
    rmSync(root, { recursive: true, force: true });
  };
  for (let round = 0; !answers(port); round += 1) {
    if (round === 100 || server.exitCode !== null) {
      await close();
      throw new Error(`the ssh server of the stories does not answer: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const isListener = ({ parent, command }: SeenProcess): boolean => parent === reaper && command.includes(`${root}/sshd_config`);
  // One that nobody has logged in to yet, or that runs nothing yet, when the network goes: the machine's own ssh server keeps it as long as it was told to.
  const isBareConnection = ({ pid, command }: SeenProcess): boolean => command.startsWith('sshd: ') && descendantsOf(pid).every((below) => below.command.startsWith('sshd: '));
  return {
    via: `ssh://${login}@127.0.0.1:${wire.port}`,
    ssh: `ssh -F ${root}/ssh_config`,
    wire,
    travellers: () => [...descendantsOf(reaper).filter((one) => !isListener(one) && !isBareConnection(one)), ...everyProcess().filter(({ command }) => command.startsWith('ssh ') && command.includes(root))],
    endSessions: () => {
      const tree = descendantsOf(reaper);
      const listener = tree.find(isListener)?.pid;
      const monitors = tree.filter(({ parent }) => parent === listener).map(({ pid }) => pid);
      // Both halves of each: without its monitor the other one keeps the connection, answers for it, and ends no session any more.
      for (const { pid, parent, command } of tree) if (monitors.includes(pid) || (monitors.includes(parent) && command.startsWith('sshd'))) kill(pid);
    },
    close,
  };
}

/**
 * Whoever came by the road and lost its parent becomes a child of this process, and of nobody else's: so nothing of it can get lost.
 * PR_SET_CHILD_SUBREAPER is 36 (prctl(2)).
 */
const REAPER = `
use POSIX ();
my %prctl = (x86_64 => 157, aarch64 => 167);
my $number = $prctl{(POSIX::uname())[4]} or die "no number of prctl for this machine";
syscall($number, 36, 1, 0, 0, 0) == 0 or die "prctl: $!";
my $server = fork();
if ($server == 0) { exec(@ARGV) or die "exec: $!" }
while ((my $gone = wait()) > 0) { exit 1 if $gone == $server }
`;

/** A copy of /etc, whole: a file that is mounted over another vanishes when somebody outside replaces the other, as useradd does. */
const ENTER = `
set -e
mount --make-rslave /
mkdir -p "$1/view"
mount -t tmpfs tmpfs "$1/view"
cp -a /etc/. "$1/view/"
cp -a "$1/etc/." "$1/view/"
mount --bind "$1/view" /etc
mkdir -p /run/sshd
exec perl -e "$2" setpriv --pdeathsig KILL -- /usr/sbin/sshd -D -e -f "$1/sshd_config"
`;

function furnish(root: string, port: number, owner: string): void {
  mkdirSync(join(root, 'etc', 'sudoers.d'), { recursive: true, mode: 0o755 });
  mkdirSync(join(root, 'home'), { mode: 0o700 });
  execFileSync('chmod', ['755', root, join(root, 'etc')]);
  for (const key of ['host_key', 'key']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(root, key)]);
  const file = (path: string, content: string, mode = 0o644): void => { writeFileSync(join(root, path), content, { mode }); };
  const withLine = (name: string, line: string): string => `${readFileSync(`/etc/${name}`, 'utf8').trimEnd()}\n${line}\n`;
  file('etc/passwd', withLine('passwd', `${ADMIN}:x:54321:54321::${root}/home:/bin/bash`));
  file('etc/group', withLine('group', `${ADMIN}:x:54321:`));
  // Accounts without a password, but not locked: sshd lets a key in for those only.
  const accounts = withLine('shadow', `${ADMIN}:*:19000:0:99999:7:::`).replaceAll(/^([^:]+):!+[^:]*:/gm, '$1:*:');
  file('etc/shadow', accounts, 0o640);
  file('etc/sudoers.d/stories', `${ADMIN} ALL=(${owner}) NOPASSWD: ALL\n`, 0o440);
  execFileSync('chown', ['54321:54321', join(root, 'home')]);
  execFileSync('cp', [join(root, 'key.pub'), join(root, 'authorized_keys')]);
  file('sshd_config', ['ListenAddress 127.0.0.1', `Port ${port}`, `HostKey ${root}/host_key`, `AuthorizedKeysFile ${root}/authorized_keys`, 'StrictModes no', 'UsePAM no', 'PasswordAuthentication no', 'PermitRootLogin prohibit-password', 'PidFile none', 'UseDNS no', 'MaxStartups 100', ''].join('\n'));
  file('known_hosts', `road ${readFileSync(join(root, 'host_key.pub'), 'utf8')}`);
  file('ssh_config', `Host *\n  HostKeyAlias road\n  IdentityFile ${root}/key\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile ${root}/known_hosts\n  GlobalKnownHostsFile none\n`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

function answers(port: number): boolean {
  return spawnSync('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`], { stdio: 'ignore', timeout: 2_000 }).status === 0;
}

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takePort } from './ports.ts';

/**
 * The way by which the stories reach their machine. Without one they are on it. Over ssh it is this very machine, so that every story can be
 * told again over it word by word: `PGREPL_STORIES_VIA=sudo` logs in as an admin who may only become the servers' owner, `root` and `owner`
 * log in as these.
 */
export interface Road {
  /** For `via:` in the cluster file. */
  readonly via: string;
  /** For `PGREPL_SSH`. */
  readonly ssh: string;
}

const LOGINS: Readonly<Record<string, (owner: string) => string>> = { sudo: () => ADMIN, root: () => 'root', owner: (owner) => owner };
const ADMIN = 'pgradmin';
const HANDED_OVER = 'PGREPL_STORIES_ROAD';

/** The road that `openRoad` made for this run of the tests; `null` for none. */
export function road(): Road | null {
  const given = process.env[HANDED_OVER];
  return given === undefined ? null : (JSON.parse(given) as Road);
}

/** Starts the ssh server of this run, where `PGREPL_STORIES_VIA` asks for one. Returns what ends it. Throws when it does not come up. */
export async function openRoad(owner: string): Promise<() => void> {
  const wanted = process.env['PGREPL_STORIES_VIA'] ?? '';
  if (wanted === '') return () => undefined;
  const login = LOGINS[wanted]?.(owner);
  if (login === undefined) throw new Error(`PGREPL_STORIES_VIA=${wanted} is not one of ${Object.keys(LOGINS).join(', ')}`);
  const root = mkdtempSync(join(tmpdir(), 'pgr-road-'));
  const { port, release } = await takePort();
  furnish(root, port, owner);
  // The users of the road are in files that only the ssh server and what it starts can see; the servers of the stories are seen by all.
  const server = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'unshare', '--mount', 'sh', '-c', ENTER, 'sshd', root], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  server.stderr.on('data', (chunk: Buffer) => { said = (said + chunk.toString()).slice(-4_000); });
  const close = (): void => {
    server.kill('SIGKILL');
    release();
    rmSync(root, { recursive: true, force: true });
  };
  for (let round = 0; !answers(port); round += 1) {
    if (round === 100 || server.exitCode !== null) {
      close();
      throw new Error(`the ssh server of the stories does not answer: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  process.env[HANDED_OVER] = JSON.stringify({ via: `ssh://${login}@127.0.0.1:${port}`, ssh: `ssh -F ${root}/ssh_config` } satisfies Road);
  return close;
}

const ENTER = `
set -e
mount --make-rslave /
for file in passwd shadow group sudoers.d; do mount --bind "$1/etc/$file" "/etc/$file"; done
mkdir -p /run/sshd
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
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
  file('known_hosts', `[127.0.0.1]:${port} ${readFileSync(join(root, 'host_key.pub'), 'utf8')}`);
  file('ssh_config', `Host *\n  IdentityFile ${root}/key\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile ${root}/known_hosts\n  GlobalKnownHostsFile none\n`);
}

function answers(port: number): boolean {
  return spawnSync('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`], { stdio: 'ignore', timeout: 2_000 }).status === 0;
}

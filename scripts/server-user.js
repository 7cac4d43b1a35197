// Who runs the servers. `initdb` and `postgres` refuse root, so root drops to another user: `postgres` where a package has made it (the
// product's own default), else whoever called sudo, or `node` of the container images of Node: both have a home where locks can lie.
// `nobody` comes last, since it has none. Nothing is created. A caller who is not root runs the servers himself.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { userInfo } from 'node:os';

const CANDIDATES = ['postgres', '_postgres', process.env.SUDO_USER, 'node', 'nobody'].filter((name) => name !== undefined && name !== '');
const NEEDS_HOME = new Set([process.env.SUDO_USER, 'node']);

/** `{ name, uid, gid, drop }`; `drop` is false when the caller runs the servers himself. */
export function serverUser() {
  const uid = process.getuid?.() ?? -1;
  if (uid !== 0) {
    const { username, gid } = userInfo();
    return { name: username, uid, gid, drop: false };
  }
  for (const name of CANDIDATES) {
    const [theirs, gid] = [idOf('-u', name), idOf('-g', name)];
    if (theirs === null || theirs === 0 || gid === null || (NEEDS_HOME.has(name) && !hasHome(name, theirs))) continue;
    return { name, uid: theirs, gid, drop: true };
  }
  throw new Error(`PostgreSQL refuses to run as root, and there is no user ${CANDIDATES.join(', ')} to run it as`);
}

/** Options of `spawn` that run a program as this user. */
export function asUser(user) {
  return user.drop ? { uid: user.uid, gid: user.gid } : {};
}

function hasHome(name, uid) {
  const { stdout } = spawnSync('sh', ['-c', 'eval echo "~$0"', name], { encoding: 'utf8' });
  return statSync(stdout.trim(), { throwIfNoEntry: false })?.uid === uid;
}

function idOf(flag, name) {
  const { status, stdout } = spawnSync('id', [flag, name], { encoding: 'utf8' });
  return status === 0 ? Number(stdout.trim()) : null;
}

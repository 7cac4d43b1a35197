// What `npm pack` would publish: the program, its schemas and its papers, and nothing to install with it.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const ALLOWED = /^(bin\/(pgrepl\.js|package\.json)|dist\/.+\.(cjs|txt)|schema\/[a-z-]+\.schema\.json|man\/pgrepl(-[a-z-]+)?\.1|share\/prometheus\/pgrepl\.rules\.yml|README\.md|CHANGELOG\.md|LICENSE|package\.json)$/;
const NEEDED = ['bin/pgrepl.js', 'bin/package.json', 'dist/start.cjs', 'dist/main.cjs', 'dist/THIRD-PARTY-LICENSES.txt', 'schema/cluster.schema.json', 'man/pgrepl.1', 'man/pgrepl-add-standby.1', 'share/prometheus/pgrepl.rules.yml', 'README.md', 'CHANGELOG.md', 'LICENSE', 'package.json'];

const { status, stdout, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json'], { cwd: ROOT, encoding: 'utf8' });
const [pack] = status === 0 ? JSON.parse(stdout.slice(stdout.indexOf('['))) : [];
const about = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const paths = (pack?.files ?? []).map(({ path }) => path);
const complaints = [
  ...(pack === undefined ? [`npm pack failed: ${stderr.trim()}`] : []),
  ...paths.filter((path) => !ALLOWED.test(path)).map((path) => `${path} would be published`),
  ...NEEDED.filter((path) => !paths.includes(path)).map((path) => `${path} would be missing`),
  ...['dependencies', 'optionalDependencies', 'peerDependencies'].filter((key) => about[key] !== undefined).map((key) => `package.json has ${key}: everything is built in`),
  ...['preinstall', 'install', 'postinstall'].filter((key) => about.scripts[key] !== undefined).map((key) => `package.json has a script ${key}, which users would run`),
];
for (const complaint of complaints) process.stderr.write(`✖ ${complaint}\n`);
if (complaints.length === 0) process.stdout.write(`${paths.length} files, ${(pack.size / 1024).toFixed(0)} KB packed, ${(pack.unpackedSize / 1024).toFixed(0)} KB unpacked\n`);
process.exitCode = complaints.length === 0 ? 0 : 1;

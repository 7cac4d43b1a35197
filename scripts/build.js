// Bundles src/cli/main.ts into dist/ and writes schema/*.schema.json and man/*.1. Runs at the end of `npm ci` and before `npm pack`.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const DIST = join(ROOT, 'dist');
const SCHEMA = join(ROOT, 'schema');
const MAN = join(ROOT, 'man');
const about = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** On Node 20 pg makes a Response to see whether it runs at Cloudflare, and the first Response loads all of undici: 13 ms of every command. */
const NO_RESPONSE = { Response: 'undefined' };

/** `import … from '../package.json'` would carry the whole file into the bundle: only its version is asked for. */
const versionOnly = {
  name: 'version-only',
  setup(build) {
    build.onLoad({ filter: /package\.json$/ }, ({ path }) =>
      path === join(ROOT, 'package.json') ? { contents: JSON.stringify({ version: about.version }), loader: 'json' } : undefined,
    );
  },
};

/** commander can start other programs as subcommands. Ours has none, and loading that takes 3 ms of every start. */
const noSubcommandPrograms = {
  name: 'no-subcommand-programs',
  setup(build) {
    build.onResolve({ filter: /^node:child_process$/ }, ({ importer }) => (importer.includes('/commander/') ? { path: 'child_process', namespace: 'none' } : undefined));
    build.onLoad({ filter: /.*/, namespace: 'none' }, () => ({ contents: 'module.exports = {}' }));
  },
};

/** The page of `serve` and the alert rules are files of their own, and built in as text: see page/ and share/. */
const servedFiles = {
  name: 'served-files',
  setup(build) {
    build.onLoad({ filter: /serve\/page-files\.ts$/ }, async () => {
      const text = (...path) => readFileSync(join(ROOT, ...path), 'utf8');
      const { outputFiles } = await build.esbuild.build({ absWorkingDir: ROOT, entryPoints: ['page/page.ts'], bundle: true, minify: true, format: 'iife', target: 'es2022', charset: 'utf8', write: false });
      const style = await build.esbuild.transform(text('page', 'page.css'), { loader: 'css', minify: true });
      const page = { html: text('page', 'page.html'), script: outputFiles[0].text, style: style.code, icon: text('page', 'icon.svg') };
      return { contents: `export const PAGE = ${JSON.stringify(page)};\nexport const RULES = ${JSON.stringify(text('share', 'prometheus', 'pgrepl.rules.yml'))};\n`, loader: 'js' };
    });
  },
};

const shared = {
  absWorkingDir: ROOT,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['pg-native'],
  define: { __PGREPL_VERSION__: JSON.stringify(about.version), ...NO_RESPONSE },
  plugins: [versionOnly, noSubcommandPrograms, servedFiles],
  logLevel: 'silent',
};

try {
  const esbuild = await import('esbuild').catch(() => {
    throw new Error('esbuild is not installed: run "npm ci" in this directory first');
  });
  await bundle(esbuild);
  await writeSchemas(esbuild);
  await writeManPages(esbuild);
} catch (error) {
  process.stderr.write(`✖ the build failed: ${describe(error)}\n`);
  process.exitCode = 1;
}

/**
 * dist/main.cjs and its chunks are the program, dist/start.cjs loads them; see docs/decisions/0015-compiled-code-is-kept.md. esbuild splits
 * code only as ES modules, whose compiled code Node 20 does not let us keep: each chunk is turned into CommonJS afterwards.
 */
async function bundle(esbuild) {
  const split = await esbuild.build({
    ...shared,
    entryPoints: { main: 'src/cli/main.ts' },
    outdir: DIST,
    outExtension: { '.js': '.cjs' },
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    legalComments: 'none',
    metafile: true,
    write: false,
  });
  // Names stay, so that the stack trace of a bug says something; that costs a few kilobytes. Plain ASCII is read without decoding.
  const smaller = { format: 'cjs', platform: 'node', target: 'node20', charset: 'ascii', minifySyntax: true, minifyWhitespace: true };
  const chunks = await Promise.all(split.outputFiles.map(async ({ path, text }) => [path, (await esbuild.transform(text, { ...smaller, supported: { 'dynamic-import': false } })).code]));
  const hash = chunks.reduce((sum, [path, code]) => sum.update(`${relative(DIST, path)}\n${code}\n`), createHash('sha256')).digest('hex').slice(0, 16);
  const commands = readdirSync(join(ROOT, 'src', 'cli', 'commands')).map((file) => basename(file, '.ts'));
  const start = await esbuild.build({ ...shared, ...smaller, entryPoints: ['src/cli/start.ts'], outfile: join(DIST, 'start.cjs'), define: { __PGREPL_PROGRAM__: JSON.stringify(hash), __PGREPL_COMMANDS__: JSON.stringify(commands) }, write: false });
  const files = new Map([...chunks, [join(DIST, 'THIRD-PARTY-LICENSES.txt'), licences(Object.keys(split.metafile.inputs))], [join(DIST, 'start.cjs'), start.outputFiles[0].contents]]);
  // What starts it comes last: whoever starts the program meanwhile finds every chunk.
  const order = [...files.keys()].sort((a, b) => rank(a) - rank(b));
  for (const path of order) put(path, files.get(path));
  prune(DIST, files);
}

function rank(path) {
  return path.endsWith('start.cjs') ? 2 : path.endsWith('main.cjs') ? 1 : 0;
}

/** The licences of what is built in ask to travel along. */
function licences(inputs) {
  const found = new Map();
  for (const input of inputs) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    const folder = match?.[1];
    if (folder === undefined || found.has(folder)) continue;
    const { name, version, license } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
    const file = readdirSync(join(ROOT, folder)).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
    const text = file === undefined ? `License: ${license ?? 'see the package'}` : readFileSync(join(ROOT, folder, file), 'utf8').trim();
    found.set(folder, `${name} ${version}\n\n${text}\n`);
  }
  return [...found.values()].sort().join(`\n${'-'.repeat(80)}\n\n`);
}

/** The cluster file's schema, and those of everything that --json prints, each as schema/NAME.schema.json. */
async function writeSchemas(esbuild) {
  const sources = ['src/cli/output/schemas.ts', 'src/topology/schema.ts'].filter((source) => existsSync(join(ROOT, source)));
  if (sources.length === 0) return;
  const schemas = new Map();
  for (const source of sources) {
    const made = await load(esbuild, source);
    for (const [name, schema] of Object.entries(made.allSchemas?.() ?? (schemas.size === 0 ? { cluster: made.clusterJsonSchema?.() } : {}))) {
      if (schema !== undefined) schemas.set(`${basename(name).replace(/(\.schema)?\.json$/, '')}.schema.json`, schema);
    }
  }
  const files = new Map([...schemas].map(([name, schema]) => [join(SCHEMA, name), `${JSON.stringify(schema, null, 2)}\n`]));
  for (const [path, text] of files) put(path, text);
  prune(SCHEMA, files, '.schema.json');
}

/** A page for the program and one for each command, from the definitions of the commands. */
async function writeManPages(esbuild) {
  const { manPages } = await load(esbuild, 'scripts/reference/man.ts');
  const files = new Map([...(await manPages())].map(([name, text]) => [join(MAN, name), text]));
  for (const [path, text] of files) put(path, text);
  prune(MAN, files, '.1');
}

/** The exports of a TypeScript module, with everything that it imports. */
async function load(esbuild, source) {
  const folder = mkdtempSync(join(tmpdir(), 'pgrepl-build-'));
  try {
    const outfile = join(folder, 'module.mjs');
    await esbuild.build({ ...shared, entryPoints: [source], outfile, banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" } });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function put(path, contents) {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, contents);
  renameSync(temporary, path);
}

/** Removes what an earlier build left in a directory of ours. */
function prune(folder, files, ending = '') {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile() && path.endsWith(ending) && !files.has(path) && !mayBeLoaded(path)) rmSync(path, { force: true });
  }
}

/** A run that began before this build loads its chunks as it goes: they stay for a while, but not when a package is made. */
function mayBeLoaded(path) {
  if (process.env.npm_lifecycle_event === 'prepare') return false;
  return path.endsWith('.cjs') && Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < 600_000;
}

function describe(error) {
  if (!Array.isArray(error?.errors)) return error?.message ?? String(error);
  return error.errors
    .map(({ text, location }) => (location ? `${relative(ROOT, join(ROOT, location.file))}:${location.line}:${location.column}: ${text}` : text))
    .join('\n');
}

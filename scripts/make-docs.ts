// Writes docs/reference/ from the code, and the list of man pages into package.json: npm run docs. With --check it only looks, and ends with 1 when a page is stale.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { manPages } from './reference/man.ts';
import { referencePages } from './reference/markdown.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const DOCS = join(ROOT, 'docs');
const folder = join(DOCS, 'reference');
const pages = await referencePages(readdirSync(join(DOCS, 'how-to')));
mkdirSync(folder, { recursive: true });
const gone = readdirSync(folder).filter((name) => !pages.has(name));
const stale = [...pages].filter(([name, text]) => !existsSync(join(folder, name)) || readFileSync(join(folder, name), 'utf8') !== text);
// npm links the pages of this list into share/man, and looks into no directory.
const about = readFileSync(join(ROOT, 'package.json'), 'utf8');
const wanted = `${JSON.stringify({ ...(JSON.parse(about) as object), man: [...(await manPages()).keys()].sort().map((name) => `man/${name}`) }, null, 2)}\n`;
if (process.argv.includes('--check')) {
  if (about !== wanted) process.stderr.write('✖ the man pages of package.json are not those of the commands: run npm run docs\n');
  for (const name of [...gone, ...stale.map(([page]) => page)]) process.stderr.write(`✖ docs/reference/${name} is not what the code says: run npm run docs\n`);
  process.exitCode = gone.length + stale.length === 0 && about === wanted ? 0 : 1;
} else {
  if (about !== wanted) writeFileSync(join(ROOT, 'package.json'), wanted);
  for (const name of gone) rmSync(join(folder, name));
  for (const [name, text] of stale) writeFileSync(join(folder, name), text);
}

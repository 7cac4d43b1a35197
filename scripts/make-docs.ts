// Writes docs/reference/ from the code: npm run docs. With --check it only looks, and ends with 1 when a page is stale.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { referencePages } from './reference/markdown.ts';

const DOCS = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs');
const folder = join(DOCS, 'reference');
const pages = await referencePages(readdirSync(join(DOCS, 'how-to')));
mkdirSync(folder, { recursive: true });
const gone = readdirSync(folder).filter((name) => !pages.has(name));
const stale = [...pages].filter(([name, text]) => !existsSync(join(folder, name)) || readFileSync(join(folder, name), 'utf8') !== text);
if (process.argv.includes('--check')) {
  for (const name of [...gone, ...stale.map(([page]) => page)]) process.stderr.write(`✖ docs/reference/${name} is not what the code says: run npm run docs\n`);
  process.exitCode = gone.length + stale.length === 0 ? 0 : 1;
} else {
  for (const name of gone) rmSync(join(folder, name));
  for (const [name, text] of stale) writeFileSync(join(folder, name), text);
}

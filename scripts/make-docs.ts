// Writes docs/reference/ from the code: npm run docs. A test says when it is not fresh.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { referencePages } from './reference/markdown.ts';

const DOCS = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs');
const folder = join(DOCS, 'reference');
const pages = await referencePages(readdirSync(join(DOCS, 'how-to')));
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) if (!pages.has(name)) rmSync(join(folder, name));
for (const [name, text] of pages) writeFileSync(join(folder, name), text);

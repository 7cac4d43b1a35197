import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { manPages } from '../../../scripts/reference/man.ts';
import { referencePages } from '../../../scripts/reference/markdown.ts';
import { DEFINITIONS } from '../../../src/cli/definitions.ts';

const DOCS = join(dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url))))), 'docs');

test('docs/reference/ is what the code says; npm run docs makes it anew', async () => {
  const pages = await referencePages(readdirSync(join(DOCS, 'how-to')));
  const there = readdirSync(join(DOCS, 'reference'));
  expect(there.sort(), 'run npm run docs').toEqual([...pages.keys()].sort());
  const stale = [...pages].filter(([name, text]) => readFileSync(join(DOCS, 'reference', name), 'utf8') !== text).map(([name]) => `docs/reference/${name} is stale: run npm run docs`);
  expect(stale).toEqual([]);
});

test('every command has a man page, which names every option of it and is plain ASCII', async () => {
  const pages = await manPages();
  expect([...pages.keys()].sort()).toEqual(['pgrepl.1', ...DEFINITIONS.map(({ name }) => `pgrepl-${name}.1`)].sort());
  for (const { name, load } of DEFINITIONS) {
    const page = (pages.get(`pgrepl-${name}.1`) ?? '').replaceAll('\\-', '-');
    for (const { flags } of (await load()).options) expect(page, flags).toContain(`\n\\fB${flags}\\fR\n`);
  }
  expect([...pages].filter(([, text]) => /[^\n\x20-\x7e]/.test(text)).map(([name]) => name)).toEqual([]);
});

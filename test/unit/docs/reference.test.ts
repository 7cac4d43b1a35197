import { expect, test } from 'vitest';
import { manPages } from '../../../scripts/reference/man.ts';
import { referencePages } from '../../../scripts/reference/markdown.ts';
import { DEFINITIONS } from '../../../src/cli/definitions.ts';
import { explainedCodes } from '../../../src/cli/explain/registry.ts';
import { KNOWN_KEYS } from '../../../src/topology/schema.ts';

test('every command has a page in the reference, which names every option of it', async () => {
  const pages = await referencePages([]);
  for (const { name, load } of DEFINITIONS) {
    const page = pages.get(`${name}.md`) ?? '';
    for (const { flags } of (await load()).options) expect(page, flags).toContain(`\n| \`${flags.replaceAll('|', '\\|')}\` | `);
  }
});

test('the keys of the cluster file and every code are in the reference', async () => {
  const pages = await referencePages([]);
  for (const key of [...KNOWN_KEYS.top, ...KNOWN_KEYS.replication, ...KNOWN_KEYS.node]) expect(pages.get('cluster-file.md')).toContain(`| \`${key}\` | `);
  for (const code of explainedCodes()) expect(pages.get('errors.md')).toContain(`**\`${code}\`** `);
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

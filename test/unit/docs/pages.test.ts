import { expect, test } from 'vitest';
import { DEFINITIONS } from '../../../src/cli/definitions.ts';
import { GLOBAL_OPTIONS } from '../../../src/cli/global-options.ts';
import { commandLinesOf, linksOf, pages, wrongLink } from './pages.ts';

const all = pages();

test.each(all.map((page) => [page.path, page] as const))('every link of %s leads somewhere', (_, page) => {
  expect(linksOf(page).map((link) => wrongLink(page, link)).filter((wrong) => wrong !== null)).toEqual([]);
});

test('every page of docs/ can be reached from its index', () => {
  const reached = new Set<string>();
  const walk = (path: string): void => {
    const page = all.find((one) => one.path === path);
    if (page === undefined || reached.has(path)) return;
    reached.add(path);
    for (const link of linksOf(page)) {
      const target = new URL(link.split('#')[0] ?? '', `file:///${path}`).pathname.slice(1);
      walk(target.endsWith('.md') ? target : `${target.replace(/\/$/, '')}/README.md`);
    }
  };
  walk('docs/README.md');
  expect(all.map(({ path }) => path).filter((path) => path.startsWith('docs/') && !path.startsWith('docs/decisions/') && !reached.has(path))).toEqual([]);
});

test('every command line that a page shows has a command and options that there are', async () => {
  const options = new Map(await Promise.all(DEFINITIONS.map(async ({ name, load }) => [name, flagsOf([...(await load()).options, ...GLOBAL_OPTIONS])] as const)));
  const wrong = all.flatMap((page) => commandLinesOf(page).flatMap((line) => {
    const words = line.match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
    const command = words.find((word, index) => !word.startsWith('-') && !['-f', '--file'].includes(words[index - 1] ?? ''));
    if (command === undefined || /^[A-Z]+$|^…$/.test(command) || command === 'help') return [];
    const known = options.get(command);
    if (known === undefined) return [`${page.path}: pgrepl ${line}: there is no command ${command}`];
    return words.filter((word) => /^--?[a-zA-Z]/.test(word)).flatMap((word) => word.replace(/=.*/, '')).filter((word) => !known.has(word) && !isBundle(word, known)).map((word) => `${page.path}: pgrepl ${line}: there is no ${word}`);
  }));
  expect(wrong).toEqual([]);
});

function flagsOf(options: readonly { readonly flags: string }[]): ReadonlySet<string> {
  return new Set(['--help', '-?', '--version', '-V', ...options.flatMap(({ flags }) => flags.split(/[ ,]+/).filter((word) => word.startsWith('-')))]);
}

/** `-ny` is `-n -y`; `-p5433` is `-p 5433`. */
function isBundle(word: string, known: ReadonlySet<string>): boolean {
  return /^-[a-zA-Z]/.test(word) && known.has(word.slice(0, 2));
}

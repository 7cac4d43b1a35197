import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

/** A page of the repository for people. */
export interface Page {
  /** From the root: `docs/tutorial.md`. */
  readonly path: string;
  readonly text: string;
}

/** Every Markdown page. */
export function pages(): readonly Page[] {
  const top = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  const below = ['docs', 'docker', 'bench', 'chaos'].filter((folder) => existsSync(join(ROOT, folder))).flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md')).map((name) => join(folder, name)));
  return [...top, ...below].map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** What a relative link is wrong about; null when it leads somewhere. */
export function wrongLink(page: Page, link: string): string | null {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? join(ROOT, page.path) : join(ROOT, dirname(page.path), file);
  if (!existsSync(target)) return `${page.path}: ${link} leads nowhere`;
  if (anchor === undefined || !target.endsWith('.md')) return null;
  return anchorsOf(readFileSync(target, 'utf8')).has(anchor) ? null : `${page.path}: ${relative(ROOT, target)} has no heading #${anchor}`;
}

/** Relative links of a page, of text and of pictures; what stands in code is none. */
export function linksOf({ text }: Page): readonly string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link).filter((link) => !/^[a-z]+:/.test(link));
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => heading.trim().toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-'));
  return new Set(headings.flatMap((heading, index) => [heading, `${heading}-${headings.slice(0, index).filter((other) => other === heading).length}`]));
}

/** Command lines of pgrepl in the fenced examples of a page: every line of `sh`, and what follows the prompt in a `console`; up to a pipe or a comment. */
export function commandLinesOf({ text }: Page): readonly string[] {
  const fences = [...text.matchAll(/^```(sh|bash|console)\n([\s\S]*?)^```/gm)];
  return fences.flatMap(([, language, body = '']) =>
    body.replace(/\\\n\s*/g, ' ').split('\n').flatMap((line) => {
      const prompt = language === 'console' ? String.raw`^[$#] ` : '^';
      const found = new RegExp(`${prompt}(?:sudo (?:-u \\S+ )?)?(?:\\S+=\\S+ )*pgrepl ([^|;&>#]*)`).exec(line);
      return found?.[1] === undefined ? [] : [found[1].trim()];
    }),
  );
}

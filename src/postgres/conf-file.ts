import { createHash } from 'node:crypto';
import { usageError } from '../errors.ts';
import { parseConf, quoteConf, type ConfEntry } from './conf-grammar.ts';
import { printable } from './names.ts';

export { confErrors, parseConf, quoteConf, type ConfEntry } from './conf-grammar.ts';

const MARK = '# managed by pgrepl: settings are in this file';
const SETTING_NAME = /^[a-z_][a-z0-9_$]*(?:\.[a-z_][a-z0-9_$]*)*$/i;

/** Whether the text includes this file by `include` (not `include_if_exists`, which hides that it is missing), under exactly this path. */
export function hasInclude(text: string, file: string): boolean {
  return parseConf(text).some(({ name, value }) => name === 'include' && value === file);
}

/**
 * The text with a comment and `include 'file'` as its last lines, so that our settings win over those before. Unchanged when it
 * has the include already. Every other byte is kept; a missing final line end is added, and line ends are CR LF where the first one is.
 */
export function addInclude(text: string, file: string): string {
  if (hasInclude(text, file)) return text;
  const eol = /^[^\n]*\r\n/.test(text) ? '\r\n' : '\n';
  return `${text}${text === '' || text.endsWith('\n') ? '' : eol}${MARK}${eol}include ${quoteConf(file)}${eol}`;
}

/**
 * Takes back what `addInclude` did: the include lines of this file, each with our comment right above it. Exact, except that a
 * final line end that `addInclude` had to add stays.
 */
export function removeInclude(text: string, file: string): string {
  let kept = '';
  let from = 0;
  for (const entry of parseConf(text)) {
    if (entry.name !== 'include' || entry.value !== file) continue;
    const before = text.slice(from, entry.start);
    const marked = [`${MARK}\r\n`, `${MARK}\n`].find((mark) => before.endsWith(mark) && (before.length === mark.length || before.at(-mark.length - 1) === '\n'));
    kept += before.slice(0, before.length - (marked?.length ?? 0));
    from = entry.end;
  }
  return kept + text.slice(from);
}

/**
 * The text without the lines that set one of these names (any case), and those lines. Every other byte is kept. For
 * postgresql.auto.conf of a server that does not run; a running one is told by ALTER SYSTEM.
 */
export function withoutSettings(text: string, names: readonly string[]): { readonly text: string; readonly removed: readonly ConfEntry[] } {
  const unwanted = new Set(names.map((name) => name.toLowerCase()));
  const removed = parseConf(text).filter(({ name }) => unwanted.has(name));
  let kept = '';
  let from = 0;
  for (const { start, end } of removed) {
    kept += text.slice(from, start);
    from = end;
  }
  return { text: kept + text.slice(from), removed };
}

/**
 * A whole settings file that only pgrepl writes: two header lines, of which the second has the SHA-256 of everything after it, then
 * the settings by name with their reason, then `lastLine`. The same input gives the same bytes. Throws a usage error for a name
 * that cannot be one, and for values that `quoteConf` refuses.
 */
export function renderOwnedConf(input: {
  readonly node: string;
  readonly settings: readonly { readonly name: string; readonly value: string; readonly why: string }[];
  readonly lastLine?: string;
}): string {
  const sorted = [...input.settings].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const body = [
    ...sorted.map(({ name, value, why }) => {
      if (!SETTING_NAME.test(name)) throw usageError('setting-invalid', `"${printable(name)}" cannot be the name of a setting`);
      return `${name} = ${quoteConf(value)}${why === '' ? '' : `  # ${printable(why)}`}`;
    }),
    ...(input.lastLine === undefined ? [] : [input.lastLine]),
  ];
  const text = body.map((line) => `${line}\n`).join('');
  return `# Written by pgrepl for ${printable(input.node)}, rendered from the cluster file: change it there, an edit here is refused.\n# sha256: ${sha256(text)}\n${text}`;
}

/** True when the text is not, byte for byte after the header, what `renderOwnedConf` wrote, or has no such header. */
export function ownedConfEdited(text: string): boolean {
  const match = /^# Written by pgrepl [^\n]*\n# sha256: ([0-9a-f]{64})\n(.*)$/s.exec(text);
  return match?.[1] === undefined || match[2] === undefined || match[1] !== sha256(match[2]);
}

/**
 * A file of `renderOwnedConf` with this one setting instead of what it said of it, or without it (`null`); every other line stays as it is, and
 * the same as if it had been rendered so. Only of a text that nobody edited.
 */
export function withOwnedSetting(text: string, name: string, line: { readonly value: string; readonly why: string } | null): string {
  const [first = '', , ...body] = text.split('\n').slice(0, -1);
  const nameOf = (one: string): string | null => /^([A-Za-z0-9_$.]+) = /.exec(one)?.[1] ?? null;
  const lines = body.filter((one) => nameOf(one) !== name);
  if (line !== null) {
    const at = lines.findIndex((one) => (nameOf(one) ?? '~') > name);
    lines.splice(at === -1 ? lines.length : at, 0, `${name} = ${quoteConf(line.value)}${line.why === '' ? '' : `  # ${printable(line.why)}`}`);
  }
  const rest = lines.map((one) => `${one}\n`).join('');
  return `${first}\n# sha256: ${sha256(rest)}\n${rest}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

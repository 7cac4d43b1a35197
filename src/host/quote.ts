/** One word as POSIX shells read it back, whatever is in it (a NUL cannot be: no program can be given one). */
export function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) && !word.includes('=')) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Words as one shell text: `sh -c` of it runs exactly these words. */
export function quoteWords(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

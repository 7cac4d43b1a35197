/** One word as POSIX shells read it back, whatever is in it (a NUL cannot be: no program can be given one). */
export function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) && !word.includes('=')) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Words as one shell text: `sh -c` of it runs exactly these words. */
export function quoteWords(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

/**
 * Words that make `sh` run this script, each of them safe in single quotes of any login shell: sshd hands a command to the shell of the
 * account, and inside such quotes csh still reads `!` and stumbles over line feeds, and fish reads `\\` and `\'`. Those four are written
 * as octal escapes of `printf %b`. The script ends without its last line feeds.
 */
export function scriptWords(script: string): readonly [string, ...string[]] {
  const escaped = script.replace(/[\\!'\n]/g, (character) => `\\0${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return ['sh', '-c', 'eval "$(printf %b "$1")"', 'sh', escaped];
}

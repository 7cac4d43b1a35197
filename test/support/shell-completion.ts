import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Shells that `pgrepl completion` has a script for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export interface Place {
  /** A directory with `pgrepl` in it, put before the PATH. */
  readonly programs: string;
  /** Where the line is typed. */
  readonly cwd: string;
  /** HOME, and everything that a shell would write. */
  readonly home: string;
}

export async function hasShell(shell: Shell): Promise<boolean> {
  return await run(shell, ['-c', 'true']).then(() => true, () => false);
}

/** What a real shell offers at the end of a line that begins with `pgrepl`, sorted, without descriptions. */
export async function offered(shell: Shell, script: string, line: string, place: Place): Promise<readonly string[]> {
  const env = { PATH: `${place.programs}:${process.env['PATH'] ?? ''}`, HOME: place.home, XDG_CACHE_HOME: `${place.home}/.cache`, XDG_CONFIG_HOME: `${place.home}/.config`, TERM: 'xterm', SCRIPT: script, LINE: line };
  const { stdout } = await run(shell, DRIVERS[shell], { env, cwd: place.cwd });
  return [...new Set(stdout.split('\n').map((word) => word.split('\t')[0]?.trim() ?? '').filter((word) => word !== ''))].sort();
}

/**
 * bash: readline's cutting is done as it does it, at blanks and at the signs of COMP_WORDBREAKS that stay as words of their own.
 * zsh: a real line editor in a pseudo terminal (zpty), where compadd is made to say what it was given that fits.
 * fish has a way to ask.
 */
const DRIVERS: Readonly<Record<Shell, readonly string[]>> = {
  bash: [
    '--norc',
    '-c',
    `source "$SCRIPT"
COMP_WORDS=(); COMP_LINE=$LINE
read -r -a parts <<<"$LINE"
for part in "\${parts[@]}"; do
  if [[ $part == *=* ]]; then COMP_WORDS+=("\${part%%=*}" "="); [ -z "\${part#*=}" ] || COMP_WORDS+=("\${part#*=}"); else COMP_WORDS+=("$part"); fi
done
[[ $LINE == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_pgrepl "\${COMP_WORDS[0]}" "\${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "\${COMPREPLY[@]}"`,
  ],
  zsh: [
    '-f',
    '-c',
    `zmodload zsh/zpty
zpty z "TERM=dumb PS1= zsh -f -i"
send() { zpty -w z "$1" }
send 'PS1=; unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -d "$HOME/.zcompdump"; source "$SCRIPT"; bindkey "^I" complete-word'
send 'compadd() { local -a got; if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi; builtin compadd -O got "$@"; print -rl -- "<offer>\${(@)^got}</offer>" >> "$HOME/offers"; builtin compadd "$@" }'
send 'zstyle ":completion:*" list-rows-first yes; LISTMAX=0; print READY-$((40+2))'
while zpty -r z line; do [[ $line == *READY-42* ]] && break; done
: > "$HOME/offers"
zpty -w -n z "$LINE"$'\\t'
for i in {1..100}; do sleep 0.05; [[ -s $HOME/offers ]] && break; done
sleep 0.3
zpty -d z
sed -n 's|^<offer>\\(.*\\)</offer>$|\\1|p' "$HOME/offers"; rm -f "$HOME/offers"`,
  ],
  fish: ['--no-config', '-c', 'source "$SCRIPT"; complete -C "$LINE"'],
};

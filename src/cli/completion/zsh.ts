import type { CompletedCommand, CompletedOption, Source } from './words.ts';

/** The completion script for zsh: as the file `_pgrepl` in a directory of `$fpath`, or evaluated after `compinit`. */
export function zshScript(commands: readonly CompletedCommand[], globals: readonly CompletedOption[]): string {
  const every = [...globals, { long: '--help', short: '-?', help: 'show the help page', repeat: false, value: null }];
  return `#compdef pgrepl
# Completion of pgrepl for zsh, made by "pgrepl completion zsh". Save it as _pgrepl in a directory of $fpath, or load it after compinit:
#   eval "$(pgrepl completion zsh)"

# _pgrepl_list nodes|runs|codes
_pgrepl_list() {
  local -a found
  found=(\${(f)"$(_call_program $1 \${_pgrepl_program} completion $1 \${_pgrepl_file:+--file} \${_pgrepl_file:+\${(q)_pgrepl_file}} 2>/dev/null)"})
  compadd -a found
}

_pgrepl_commands() {
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`).join('\n')}
    'help:the help page of a command'
  )
  _describe -t commands command commands
}

_pgrepl() {
  local curcontext=$curcontext state line ret=1
  local _pgrepl_program=$words[1] _pgrepl_file=
  typeset -A opt_args
  integer at=\${words[(I)(-f|--file)]}
  if (( at > 0 )); then _pgrepl_file=\${(Q)words[at+1]}; fi

  _arguments -C -S \\
${every.map((option) => `    ${specs(option)} \\`).join('\n')}
    '(-V --version)'{-V,--version}'[show the version]' \\
    '1:command:_pgrepl_commands' \\
    '*:: :->words' && ret=0

  [[ $state == words ]] || return ret
  case $words[1] in
    help) _arguments '1:command:_pgrepl_commands' && ret=0 ;;
${commands
  .map(
    (command) => `    ${command.name})
      _arguments -S \\
${[...command.options, ...every].map((option) => `        ${specs(option)} \\`).join('\n')}
${command.arguments.length === 0 ? '        && ret=0 ;;' : `${command.arguments.map(({ name, many, source }, index) => `        ${quote(`${many ? '*' : String(index + 1)}:${name.toLowerCase()}:${action(source)}`)}`).join(' \\\n')} && ret=0 ;;`}`,
  )
  .join('\n')}
  esac
  return ret
}

if [[ \${funcstack[1]} == _pgrepl ]]; then _pgrepl "$@"; else compdef _pgrepl pgrepl; fi
`;
}

/** One or two words for `_arguments`: with a short form the braces stay outside of the quotes. */
function specs({ long, short, help, repeat, value }: CompletedOption): string {
  const tail = `[${help.replace(/[[\]\\:]/g, '\\$&')}]${value === null ? '' : `:${long.slice(2)}:${action(value)}`}`;
  const equals = value === null ? '' : '=';
  if (short === null) return quote(`${repeat ? '*' : ''}${long}${equals}${tail}`);
  return `${quote(repeat ? '*' : `(${short} ${long})`)}{${short.replace('?', '\\?')}${value === null ? '' : '+'},${long}${equals}}${quote(tail)}`;
}

function action(source: Source): string {
  switch (source.from) {
    case 'words':
      return `(${source.words.join(' ')})`;
    case 'nodes':
    case 'runs':
    case 'codes':
      return `{_pgrepl_list ${source.from}}`;
    case 'files':
      return '_files';
    case 'directories':
      return '_files -/';
    case 'nowhere':
      return ' ';
    default:
      return source satisfies never;
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

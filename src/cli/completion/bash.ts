import type { CompletedCommand, CompletedOption, Source } from './words.ts';

/**
 * The completion script for bash 4 and later; it needs no package bash-completion. What `=` and `:` do in a line is undone by hand:
 * COMP_WORDBREAKS makes words of their own of them.
 */
export function bashScript(commands: readonly CompletedCommand[], globals: readonly CompletedOption[]): string {
  const values = [...arms('*', globals), ...commands.flatMap((command) => arms(command.name, command.options))];
  const options = commands.map(({ name, options: own }) => `    ${name}) REPLY="${spellings(own)}" ;;`);
  const places = commands.flatMap(({ name, arguments: words }) => words.map(({ many, source }, index) => `    ${name}:${many ? `[${index}-9]` : index}) ${put(source)} ;;`));
  return `# Completion of pgrepl for bash, made by "pgrepl completion bash". Load it in ~/.bashrc:
#   eval "$(pgrepl completion bash)"

# _pgrepl_value COMMAND OPTION: sets REPLY to what its value is; fails when the option takes none.
_pgrepl_value() {
  case $1:$2 in
${values.join('\n')}
    *) return 1 ;;
  esac
}

_pgrepl_options() {
  case $1 in
${options.join('\n')}
    *) REPLY="" ;;
  esac
  REPLY+=" ${spellings(globals)} -? --help"
  [ -n "$1" ] || REPLY+=" -V --version"
}

# _pgrepl_argument COMMAND INDEX
_pgrepl_argument() {
  case $1:$2 in
${places.join('\n')}
    *) REPLY="none" ;;
  esac
}

_pgrepl() {
  local program=$1 word option REPLY command="" file="" cur="" at=0 expected=""
  local -a words=()
  COMPREPLY=()
  # What readline has cut at "=" is one word again.
  local i
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [ "$word" = "=" ] && [ \${#words[@]} -gt 0 ]; then continue; fi
    words+=("$word")
  done
  if [ "\${COMP_WORDS[COMP_CWORD]}" = "=" ]; then words+=(""); fi
  cur=\${words[\${#words[@]} - 1]}
  for ((i = 0; i < \${#words[@]} - 1; i++)); do
    word=\${words[i]}
    if [ -n "$expected" ]; then
      if [ "$option" = "--file" ] || [ "$option" = "-f" ]; then file=$word; fi
      expected=""
    elif [[ $word == -* ]]; then
      option=$word
      if _pgrepl_value "$command" "$word"; then expected=$REPLY; fi
    elif [ -z "$command" ]; then
      command=$word
    else
      at=$((at + 1))
    fi
  done

  if [ -z "$expected" ]; then
    if [[ $cur == -* ]]; then
      _pgrepl_options "$command"
      expected="words $REPLY"
    elif [ -z "$command" ] || [ "$command" = help ]; then
      expected="words ${commands.map(({ name }) => name).join(' ')}"
      if [ -z "$command" ]; then expected+=" help"; fi
    else
      _pgrepl_argument "$command" "$at"
      expected=$REPLY
    fi
  fi

  local IFS=$'\\n'
  case $expected in
    files) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")) ;;
    directories) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur")) ;;
    nodes | runs | codes)
      if [[ $program == "~"* ]]; then program=pgrepl; fi
      words=()
      if [ -n "$file" ]; then words=(--file "$file"); fi
      COMPREPLY=($(compgen -W "$("$program" completion "$expected" "\${words[@]}" 2>/dev/null)" -- "$cur")) ;;
    "words "*) IFS=' '; COMPREPLY=($(IFS=$'\\n'; compgen -W "$(IFS=' '; printf '%s\\n' \${expected#words })" -- "$cur")) ;;
  esac
}

complete -F _pgrepl pgrepl
`;
}

function arms(command: string, options: readonly CompletedOption[]): readonly string[] {
  return options.flatMap(({ long, short, value }) => (value === null ? [] : [`    ${[long, ...(short === null ? [] : [short])].map((flag) => `${command}:${flag}`).join(' | ')}) ${put(value)} ;;`]));
}

function put(source: Source): string {
  switch (source.from) {
    case 'words':
      return `REPLY="words ${source.words.join(' ')}"`;
    case 'nowhere':
      return 'REPLY="none"';
    case 'nodes':
    case 'runs':
    case 'codes':
    case 'files':
    case 'directories':
      return `REPLY="${source.from}"`;
    default:
      return source satisfies never;
  }
}

function spellings(options: readonly CompletedOption[]): string {
  return options.flatMap(({ long, short }) => (short === null ? [long] : [short, long])).join(' ');
}

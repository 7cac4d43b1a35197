import type { CompletedCommand, CompletedOption, Source } from './words.ts';

/** The completion script for fish: `pgrepl completion fish > ~/.config/fish/completions/pgrepl.fish`. */
export function fishScript(commands: readonly CompletedCommand[], globals: readonly CompletedOption[]): string {
  const valued = [...new Set([...globals, ...commands.flatMap((command) => command.options)].filter(({ value }) => value !== null).flatMap(({ long, short }) => (short === null ? [long] : [long, short])))];
  return `# Completion of pgrepl for fish, made by "pgrepl completion fish". Save it as ~/.config/fish/completions/pgrepl.fish

# The words so far without options and their values: the command and its arguments.
function __pgrepl_words
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word ${valued.join(' ')}
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

# The command is this one.
function __pgrepl_in
    set -l words (__pgrepl_words)
    test "$words[1]" = $argv[1]
end

# The command is this one, and its argument of this index comes next; with a third word any from there on.
function __pgrepl_at
    set -l words (__pgrepl_words)
    test "$words[1]" = $argv[1]; or return 1
    set -l index (math (count $words) - 1)
    test $index -eq $argv[2]; or begin
        test (count $argv) -gt 2; and test $index -gt $argv[2]
    end
end

function __pgrepl_list
    set -l words (commandline -opc)
    set -l file
    for option in -f --file
        if set -l at (contains -i -- $option $words)
            set file --file $words[(math $at + 1)]
        end
    end
    $words[1] completion $argv[1] $file 2>/dev/null
end

complete -c pgrepl -f
complete -c pgrepl -n 'test (count (__pgrepl_words)) -eq 0' -s V -l version -d 'show the version'
complete -c pgrepl -s '?' -l help -d 'show the help page'
${globals.map((option) => line(option, null)).join('\n')}
${commands.map(({ name, summary }) => `complete -c pgrepl -n 'test (count (__pgrepl_words)) -eq 0' -a ${name} -d ${quote(summary)}`).join('\n')}
complete -c pgrepl -n 'test (count (__pgrepl_words)) -eq 0' -a help -d 'the help page of a command'
complete -c pgrepl -n '__pgrepl_at help 0' -a '${commands.map(({ name }) => name).join(' ')}'
${commands.map(ofCommand).join('\n')}
`;
}

function ofCommand({ name, options, arguments: words }: CompletedCommand): string {
  return [
    '',
    ...options.map((option) => line(option, `__pgrepl_in ${name}`)),
    ...words.flatMap(({ many, source }, index) => {
      const offered = offers(source);
      return offered === null ? [] : [`complete -c pgrepl -n '__pgrepl_at ${name} ${index}${many ? ' more' : ''}' ${offered}`];
    }),
  ].join('\n');
}

function line({ long, short, help, value }: CompletedOption, condition: string | null): string {
  const taken = value === null ? [] : [value.from === 'files' ? '-r' : '-x', offers(value)].filter((part) => part !== null);
  return ['complete -c pgrepl', ...(condition === null ? [] : [`-n '${condition}'`]), ...(short === null ? [] : [`-s ${short.slice(1)}`]), `-l ${long.slice(2)}`, ...taken, `-d ${quote(help)}`].join(' ');
}

function offers(source: Source): string | null {
  switch (source.from) {
    case 'words':
      return `-a ${quote(source.words.join(' '))}`;
    case 'nodes':
    case 'runs':
    case 'codes':
      return `-a '(__pgrepl_list ${source.from})'`;
    case 'files':
      return '-F';
    case 'directories':
      return "-a '(__fish_complete_directories)'";
    case 'nowhere':
      return null;
    default:
      return source satisfies never;
  }
}

function quote(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}

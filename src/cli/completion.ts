import type { Command, Option } from "commander";

/** Shells that complete words. */
export type Shell = "bash" | "zsh" | "fish";

export const isShell = (name: string): name is Shell => Object.hasOwn(SCRIPTS, name);

/** The script that makes a shell complete the verbs, their options and the values of these; other words are files. */
export const completionOf = (shell: Shell, commands: readonly Command[]): string => SCRIPTS[shell](commands);

/** Options that are to be seen, with the flags of each. */
const optionsOf = (command: Command): Option[] => [...command.createHelp().visibleOptions(command)];

const flagsOf = ({ short, long }: Option): string[] => [short, long].filter((flag) => flag !== undefined);

const takesValue = (option: Option): boolean => option.required || option.optional;

/** A text in single quotes of a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function bashOf(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const options = optionsOf(command);
    const values = options
      .filter(takesValue)
      .map((option) => {
        const choices = option.argChoices;
        const reply = choices === undefined ? "compopt -o default" : compgen(choices.join(" "));
        return `        ${flagsOf(option).join("|")}) ${reply}; return ;;`;
      })
      .join("\n");
    const words = options.flatMap(flagsOf).join(" ");
    return `    ${command.name()})
      case $before in
${values}
      esac
      [[ $word == -* ]] && ${compgen(words)} || compopt -o default
      ;;`;
  });
  return `# Completion of spapr-iommu for bash: source it, or save it in ~/.local/share/bash-completion/completions/spapr-iommu
_spapr_iommu() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    ${compgen(commands.map((command) => command.name()).join(" "))}
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
  esac
}
complete -F _spapr_iommu spapr-iommu
`;
}

const compgen = (words: string): string => `COMPREPLY=($(compgen -W ${quoted(words)} -- "$word"))`;

function zshOf(commands: readonly Command[]): string {
  const verbs = commands.map((command) => `    ${quoted(`${command.name()}:${command.description()}`)}`);
  const cases = commands.map((command) => {
    const specs = optionsOf(command).map((option) => {
      const flags = flagsOf(option);
      const names =
        flags.length === 1 ? quoted(flags[0]!) : `${quoted(`(${flags.join(" ")})`)}{${flags.join(",")}}`;
      // Brackets and colons mean something in a specification.
      const what = option.description.replaceAll(/[[\]:\\]/g, (special) => `\\${special}`);
      const { argChoices: choices } = option;
      const value = choices === undefined ? ":value:_files" : `:value:(${choices.join(" ")})`;
      return `        ${names}${quoted(`[${what}]${takesValue(option) ? value : ""}`)}`;
    });
    return `    ${command.name()})
      _arguments \\
${specs.join(" \\\n")} \\
        '*:file:_files'
      ;;`;
  });
  return `#compdef spapr-iommu
# Completion of spapr-iommu for zsh: save it as _spapr-iommu in a folder of $fpath
local -a verbs
if ((CURRENT == 2)); then
  verbs=(
${verbs.join("\n")}
  )
  _describe verb verbs
else
  local verb=$words[2]
  shift words
  ((CURRENT--))
  case $verb in
${cases.join("\n")}
  esac
fi
`;
}

function fishOf(commands: readonly Command[]): string {
  const lines = commands.flatMap((command) => {
    const name = command.name();
    const verb = `complete -c spapr-iommu -n __fish_use_subcommand -f -a ${name} -d ${quoted(command.description())}`;
    const options = optionsOf(command).map((option) => {
      const flags = flagsOf(option).map((flag) =>
        flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
      );
      const { argChoices: choices } = option;
      const value = choices === undefined ? "-r" : `-x -a ${quoted(choices.join(" "))}`;
      const parts = [...flags, ...(takesValue(option) ? [value] : [])].join(" ");
      return `complete -c spapr-iommu -n ${quoted(`__fish_seen_subcommand_from ${name}`)} ${parts} -d ${quoted(option.description)}`;
    });
    return [verb, ...options];
  });
  return `# Completion of spapr-iommu for fish: save it as ~/.config/fish/completions/spapr-iommu.fish
${lines.join("\n")}
`;
}

const SCRIPTS: Readonly<Record<Shell, (commands: readonly Command[]) => string>> = {
  bash: bashOf,
  zsh: zshOf,
  fish: fishOf,
};

export const SHELLS = Object.keys(SCRIPTS) as readonly Shell[];

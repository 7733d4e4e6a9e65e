import { Command, Help, type Option } from "commander";
import { EXIT_TEXT, forgetMissing, statusOfReading } from "./exit-status.ts";
import { terminalOptions } from "./options.ts";
import { onTerminal, type TerminalOptions } from "./terminal.ts";

/**
 * A verb of the command line: how it is called, and what it does. A module of its own each, which is loaded when it is
 * called: all of them take longer than many a verb does.
 */
export interface Verb {
  readonly name: string;
  /** One sentence for the list of verbs. */
  readonly summary: string;
  /** Names as `<file>`, `[file]` or `<file...>`, with what they are. */
  readonly arguments: readonly (readonly [name: string, what: string])[];
  readonly options: readonly Option[];
  /** Whole calls, without the name of the program; all of them are tried by a test. */
  readonly examples: readonly string[];
  /** What it does with a terminal, if it does not print an answer on it: only write files, or draw over and over. */
  readonly screen?: "unused" | "drawn";
  /** Its exit statuses, if they are not those of all. */
  readonly exitText?: string;
  /**
   * Does it.
   *
   * @param parameters one for each of {@link arguments}, then an object of the options
   * @returns the exit status
   */
  run(...parameters: readonly unknown[]): Promise<number>;
}

/** What a module `verbs/VERB.ts` writes: as {@link Verb}, with the types of its arguments and options. */
export function defineVerb<Parameters extends readonly unknown[]>(
  verb: Omit<Verb, "run"> & { run(...parameters: Parameters): Promise<number> },
): Verb {
  return verb as unknown as Verb;
}

/** What an option is; that a flag is not there by itself needs no words. */
const describe = (option: Option): string =>
  option.isBoolean() ? option.description : new Help().optionDescription(option);

/** How the help of the program and of all verbs is written. */
export const HELP: Partial<Help> = { optionDescription: describe };

/** The verb as a command of the program. */
export function commandOf(verb: Verb, finish: (status: number) => void): Command {
  const command = new Command(verb.name).description(verb.summary).configureHelp(HELP);
  for (const [name, what] of verb.arguments) command.argument(name, what);
  const isOwn = ({ long }: Option): boolean => verb.options.some((own) => own.long === long);
  const common = terminalOptions(verb.screen ?? "printed");
  const options = [...verb.options, ...common.filter((option) => !isOwn(option))];
  for (const option of options) command.addOption(option);
  const examples = verb.examples.map((example) => `  spapr-iommu ${example}`);
  const schema = options.some(({ long }) => long === "--output")
    ? `JSON Schema of --output json; of a row of jsonl its $defs/row: schema/${verb.name}.schema.json of the package.\n\n`
    : "";
  command.addHelpText(
    "after",
    `\nExamples:\n${examples.join("\n")}\n\n${schema}${verb.exitText ?? EXIT_TEXT}`,
  );
  return command.action(async (...all) => {
    // Commander passes the options and itself last.
    const parameters = all.slice(0, -1);
    forgetEmpty(command.options, parameters.at(-1) as Record<string, unknown>);
    const run = async (): Promise<number> => {
      forgetMissing();
      return statusOfReading(await verb.run(...parameters));
    };
    finish(await onTerminal(parameters.at(-1) as TerminalOptions, run));
  });
}

/** What a parser reads as undefined is as good as not given (`--at end`); Commander makes an empty text of it. */
function forgetEmpty(options: readonly Option[], values: Record<string, unknown>): void {
  for (const option of options) {
    const name = option.attributeName();
    if (option.parseArg !== undefined && values[name] === "") values[name] = undefined;
  }
}

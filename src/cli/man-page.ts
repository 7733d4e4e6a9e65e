import type { Command } from "commander";
import type { Verb } from "./verb.ts";

/** What the page is made of. */
export interface ManPage {
  readonly summary: string;
  readonly verbs: readonly { readonly verb: Verb; readonly command: Command }[];
  readonly exitText: string;
}

/** The manual page of the program, for section 1, in the macros of man(7). */
export function manPage({ summary, verbs, exitText }: ManPage): string {
  const sections = verbs.flatMap(({ verb, command }) => {
    const help = command.createHelp();
    return [
      `.SS ${roff(`spapr-iommu ${command.name()} ${command.usage()}`)}`,
      roff(sentence(command.description())),
      ...help.visibleArguments(command).flatMap((argument) => item(argument.name(), argument.description)),
      ...help
        .visibleOptions(command)
        .flatMap((option) => item(help.optionTerm(option), help.optionDescription(option))),
      ".PP",
      "Examples:",
      ".PP",
      ".nf",
      ...verb.examples.map((example) => roff(`    spapr-iommu ${example}`)),
      ".fi",
      ...(verb.exitText === undefined ? [] : [".PP", roff(verb.exitText)]),
    ];
  });
  return `${[
    ".TH SPAPR-IOMMU 1",
    ".SH NAME",
    roff(`spapr-iommu - ${summary}`),
    ".SH SYNOPSIS",
    roff("spapr-iommu VERB [options] [files]"),
    ".SH VERBS",
    ...sections,
    ".SH EXIT STATUS",
    roff(exitText.replace(/^Exit status: /, "")),
  ].join("\n")}\n`;
}

const item = (term: string, what: string): string[] => [".TP", `.B ${roff(term)}`, roff(sentence(what))];

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** A line of text that no macro reads as a command. */
const roff = (text: string): string =>
  text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^[.']/, "\\&$&");

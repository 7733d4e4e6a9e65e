/** What docs/findings.md says: what each kind of finding means, an example with what `check` says about it, and the rest. */
import { checkTrace, DEFAULT_CHECK_OPTIONS, FINDING_KINDS, formatFinding } from "../dist/check/index.js";
import { thresholdOptions } from "../dist/cli/options.js";
import { EXAMPLES } from "./finding-examples.mjs";

const FILE = "trace.log";

/** Options of the command line by the thresholds that they set. */
const OPTIONS = new Map(thresholdOptions().map((option) => [option.attributeName(), option]));

/** A paragraph in lines of at most 120 characters. */
const wrapped = (text) => text.replace(/(?=\S.{119})(.{1,119}\S)(?: +)/g, "$1\n");

/** A default as the command line has it. */
const defaultOf = (name) => {
  if (name === "ram") return "not known";
  const isPart = name === "fullAt" || name === "goneAt";
  return String(DEFAULT_CHECK_OPTIONS[name] * (isPart ? 100 : 1));
};

function thresholdsOf({ thresholds, limits }) {
  const rows = thresholds.map(
    (name) =>
      `| \`${OPTIONS.get(name).flags}\` | \`${name}\` | ${defaultOf(name)} | ${OPTIONS.get(name).description} |`,
  );
  const table =
    rows.length === 0
      ? []
      : ["| option | of `checkTrace` | default | what it says |", "| --- | --- | --- | --- |", ...rows, ""];
  return [...table, ...(limits === undefined ? [] : [wrapped(limits), ""])];
}

const optionOf = (flag) => [...OPTIONS.values()].find(({ long }) => long === flag);

async function exampleOf(kind) {
  const { lines, options = [], isCut = false } = EXAMPLES[kind];
  const [name, value] = options;
  const thresholds =
    name === undefined ? {} : { [optionOf(name).attributeName()]: optionOf(name).parseArg(value) };
  const { findings } = await checkTrace(`${lines.join("\n")}${isCut ? "" : "\n"}`, {
    name: FILE,
    ...thresholds,
  });
  const found = findings.map((finding) => formatFinding(FILE, finding));
  if (findings.length !== 1 || findings[0].kind !== kind)
    throw new Error(`the example of ${kind} shows ${found.join("; ") || "nothing"}`);
  const command = ["spapr-iommu check", ...options, FILE].join(" ");
  return ["```text", ...lines, "```", "", `\`${command}\` says:`, "", "```text", ...found, "```", ""];
}

async function sectionOf([kind, info]) {
  const severity = info.otherwise === undefined ? info.severity : `${info.severity}; ${info.otherwise}`;
  return [
    `## ${kind}`,
    "",
    wrapped(`Severity: ${severity}.`),
    "",
    wrapped(info.meaning),
    "",
    ...thresholdsOf(info),
    ...(await exampleOf(kind)),
    wrapped(`What to do: ${info.advice}`),
    "",
  ];
}

const head = [
  "# Findings",
  "",
  "What `spapr-iommu check` and `checkTrace` report, kind by kind. Written by `npm run findings` from",
  "`src/check/findings/kinds.ts`; the examples are run.",
  "",
  "A finding names its place (file and line, or offset), its kind, the window or the device, the bus address, and the",
  "events that prove it (`--output json`). An error makes the exit status 2; warnings alone make it 3. Where a recording of",
  "Linux has call stacks, who called map and unmap stands in lines below (`stack` in JSON).",
  "",
];
/** The document; its examples are run for it. */
export async function findingsDocument() {
  const sections = [];
  for (const entry of Object.entries(FINDING_KINDS)) sections.push(...(await sectionOf(entry)));
  return `${[...head, ...sections].join("\n").trimEnd()}\n`;
}

/**
 * `npm run bench -- [--json] [--only GROUP,...] [--rows NAME,...]`: measures what the README promises.
 *
 * A group is a file in groups/ that exports `benchmarks`, and `isolated` where each is to have a process of its own: then
 * no row depends on what V8 learned from the rows before. Others share what they make, such as files.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { tableText } from "../dist/cli/table.js";
import { Baseline, measure } from "./harness.mjs";
import { buildReference, REFERENCE } from "./reference-build.mjs";
import { Rounds } from "./rounds.mjs";

const GROUPS = readdirSync(new URL("groups/", import.meta.url))
  .filter((file) => file.endsWith(".mjs"))
  .map((file) => file.slice(0, -".mjs".length))
  .sort();

const USAGE = `usage: npm run bench -- [--json] [--only GROUP,...] [--rows NAME,...]\ngroups: ${GROUPS.join(", ")}`;

/** @throws Error if the arguments are wrong */
function parse(args) {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: "boolean", default: false },
      only: { type: "string" },
      rows: { type: "string" },
    },
  });
  const groups = values.only?.split(",") ?? GROUPS;
  const unknown = groups.find((group) => !GROUPS.includes(group));
  if (unknown !== undefined) throw new Error(`unknown group "${unknown}"`);
  return { json: values.json, groups, names: values.rows?.split(",") };
}

/** The folder of the reference build, or undefined where it cannot be made. */
function referenceFolder() {
  try {
    return buildReference();
  } catch (error) {
    console.error(`without rows over ${REFERENCE}: ${error.message}`);
    return undefined;
  }
}

/**
 * The benchmarks of some groups, all or those of some names.
 *
 * @throws Error if there is none of a name
 */
async function rowsOf(groups, names) {
  const all = [];
  for (const group of groups) {
    const { benchmarks, isolated = false } = await import(new URL(`groups/${group}.mjs`, import.meta.url));
    all.push({ group, benchmarks, isolated });
  }
  const isThere = (name) => all.some(({ benchmarks }) => benchmarks.some((one) => one.name === name));
  const unknown = names?.find((name) => !isThere(name));
  if (unknown !== undefined) throw new Error(`no row "${unknown}" in ${groups.join(", ")}`);
  const isAsked = ({ name }) => names?.includes(name) ?? true;
  return all.map((one) => ({ ...one, benchmarks: one.benchmarks.filter(isAsked) }));
}

/** Measures them; progress and failures go to stderr. */
async function runGroups(chosen) {
  const baseline = new Baseline();
  try {
    if (baseline.missing !== undefined) console.error(`without ratios to C: ${baseline.missing}`);
    const here = fileURLToPath(new URL(".", import.meta.url));
    const there = referenceFolder();
    const rows = [];
    for (const { group, benchmarks, isolated } of chosen) {
      const shares = isolated ? benchmarks.map((benchmark) => [benchmark]) : [benchmarks];
      for (const share of shares) {
        const compared = share.some(({ over }) => over !== undefined);
        const today = new Rounds(here);
        const reference = there !== undefined && compared ? new Rounds(there) : undefined;
        for (const benchmark of share) {
          if (process.stderr.isTTY) console.error(`${group}: ${benchmark.name}`);
          rows.push(...(await measure(group, benchmark, { today, reference, baseline })));
        }
        today.end();
        reference?.end();
      }
    }
    return rows;
  } finally {
    baseline.remove();
  }
}

const COLUMNS = [
  { head: "benchmark" },
  { head: "value", align: "right" },
  { head: "unit" },
  { head: "spread", align: "right" },
  { head: "time / C", align: "right" },
  { head: "target" },
];

function printTable(rows) {
  const cells = rows.map(({ name, value, unit, better, spread, ratio, target }) => [
    name,
    formatValue(value),
    `${unit} ${better === "higher" ? "(more is better)" : ""}`.trim(),
    `${(spread * 100).toFixed(0)} %`,
    ratio === null ? "-" : Number(ratio.toPrecision(3)).toString(),
    target,
  ]);
  console.log(`Node ${process.version}, ${cpus()[0]?.model.trim() ?? "unknown CPU"} x ${cpus().length}`);
  console.log(tableText(COLUMNS, cells));
}

/** Three digits, thousands separated. */
const formatValue = (value) =>
  value >= 1000 ? Math.round(value).toLocaleString("en-US") : Number(value.toPrecision(3)).toString();

let options;
let chosen;
try {
  options = parse(process.argv.slice(2));
  chosen = await rowsOf(options.groups, options.names);
} catch (error) {
  console.error(`bench: ${error.message}\n${USAGE}`);
  process.exit(1);
}
const rows = await runGroups(chosen);
if (options.json) console.log(JSON.stringify(rows));
else printTable(rows);

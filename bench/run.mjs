/**
 * `npm run bench -- [--json] [--only GROUP]`: measures what the README promises.
 *
 * A group is a file in groups/ that exports `benchmarks`.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { Baseline, measure } from "./harness.mjs";

const GROUPS = readdirSync(new URL("groups/", import.meta.url))
  .filter((file) => file.endsWith(".mjs"))
  .map((file) => file.slice(0, -".mjs".length))
  .sort();

const USAGE = `usage: npm run bench -- [--json] [--only GROUP]\ngroups: ${GROUPS.join(", ")}`;

/** @throws Error if the arguments are wrong */
function parse(args) {
  const { values } = parseArgs({
    args,
    options: { json: { type: "boolean", default: false }, only: { type: "string" } },
  });
  if (values.only !== undefined && !GROUPS.includes(values.only)) {
    throw new Error(`unknown group "${values.only}"`);
  }
  return { json: values.json, groups: values.only === undefined ? GROUPS : [values.only] };
}

/** Measures the benchmarks of some groups; progress and failures go to stderr. */
async function runGroups(groups) {
  const baseline = new Baseline();
  try {
    if (baseline.missing !== undefined) console.error(`without ratios to C: ${baseline.missing}`);
    const rows = [];
    for (const group of groups) {
      const { benchmarks } = await import(new URL(`groups/${group}.mjs`, import.meta.url));
      for (const benchmark of benchmarks) {
        if (process.stderr.isTTY) console.error(`${group}: ${benchmark.name}`);
        rows.push({ benchmark, result: measure(benchmark, baseline) });
      }
    }
    return rows;
  } finally {
    baseline.remove();
  }
}

function printTable(rows) {
  const table = new Table({
    head: ["benchmark", "value", "unit", "spread", "time / C", "target"],
    colAligns: ["left", "right", "left", "right", "right", "left"],
    style: { head: [], border: [], compact: true },
  });
  for (const { benchmark, result } of rows) {
    table.push([
      result.name,
      formatValue(result.value),
      `${result.unit} ${benchmark.better === "higher" ? "(more is better)" : ""}`.trim(),
      `${(result.spread * 100).toFixed(0)} %`,
      result.ratio === null ? "-" : Number(result.ratio.toPrecision(3)).toString(),
      benchmark.target,
    ]);
  }
  console.log(`Node ${process.version}, ${cpus()[0]?.model.trim() ?? "unknown CPU"} x ${cpus().length}`);
  console.log(table.toString());
}

/** Three digits, thousands separated. */
const formatValue = (value) =>
  value >= 1000 ? Math.round(value).toLocaleString("en-US") : Number(value.toPrecision(3)).toString();

let options;
try {
  options = parse(process.argv.slice(2));
} catch (error) {
  console.error(`bench: ${error.message}\n${USAGE}`);
  process.exit(1);
}
const rows = await runGroups(options.groups);
if (options.json) console.log(JSON.stringify(rows.map(({ result }) => result)));
else printTable(rows);

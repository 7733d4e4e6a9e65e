// The report of the public API: docs/api-report, a file for each entry point, with every exported name and its
// signature, from the compiled declarations. `--check` compares instead of writing.
//
//     npm run api-report
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { publicApi } from "./declarations.mjs";

const FOLDER = path.resolve(import.meta.dirname, "../../docs/api-report");

const isCheck = process.argv.includes("--check");
const { modules, forgotten } = publicApi();

const problems = forgotten.map((name) => `${name}: signatures name this type, and no entry point exports it`);
for (const { name, items } of modules) {
  for (const { name: item, comment } of items) {
    const where = `${name}: ${item}`;
    if (comment.text === "") problems.push(`${where} has no doc comment`);
    if (!comment.tags.includes("public")) problems.push(`${where} is not marked @public`);
  }
}

const fileOf = (name) => `${name.split("/")[1] ?? "index"}.md`;
const reports = new Map(modules.map((module) => [fileOf(module.name), reportOf(module)]));

if (isCheck) {
  const there = readdirSync(FOLDER);
  for (const file of there) if (!reports.has(file)) problems.push(`${file} is of no entry point`);
  for (const [file, text] of reports) {
    const old = there.includes(file) ? readFileSync(path.join(FOLDER, file), "utf8") : "";
    problems.push(...differences(file, old, text));
  }
} else {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  for (const [file, text] of reports) writeFileSync(path.join(FOLDER, file), text);
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) {
  if (isCheck)
    console.error("If the change is wanted: npm run build && npm run api-report, and a line in CHANGELOG.md");
  process.exitCode = 1;
}

function reportOf({ name, items }) {
  const blocks = items.map(
    ({ name: item, typeOnly, text }) =>
      `### ${item}${typeOnly && /^(?:abstract )?class/.test(text) ? " (type only)" : ""}\n\n\`\`\`ts\n${text}\n\`\`\`\n`,
  );
  const head = `# \`${name}\`\n\nEvery exported name and its signature; \`npm run api-report\` writes this, and \`npm run packagecheck\` fails when it changes unplanned.\n`;
  return [head, ...blocks].join("\n");
}

/** Names whose signatures are not as reported. */
function differences(file, old, text) {
  const before = sections(old);
  const after = sections(text);
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => {
      const what = before.has(name) ? (after.has(name) ? "has changed" : "is gone") : "is new";
      return `docs/api-report/${file}: ${name} ${what}`;
    });
}

/** The sections of a report by their titles. */
function sections(text) {
  return new Map(text.split(/^### /m).map((section) => [section.slice(0, section.indexOf("\n")), section]));
}

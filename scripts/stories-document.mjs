/**
 * What docs/stories.md says, from the stories and the shapes that read them.
 *
 * @module
 */

import { stripVTControlCharacters } from "node:util";
import { formatReport } from "../dist/cli/scenario-text.js";
import { METRICS } from "../dist/lab/story/story.js";
import { STORY_SCHEMA } from "../dist/lab/story/story-shape.js";

/** A paragraph in lines of at most 120 characters. */
const wrapped = (text) => text.replace(/(?=\S.{119})(.{1,119}\S)(?: +)/g, "$1\n");

const membersText = (schema) => {
  const { properties = {}, required = [] } = schema.anyOf?.[0] ?? schema;
  return Object.entries(properties)
    .map(([name, { description }]) => `\`${name}\`${required.includes(name) ? "" : "?"}: ${description}`)
    .join("; ");
};

/** Steps in the order of the schema; `expect` has a table of its own. */
function stepRows() {
  const kinds = STORY_SCHEMA.properties.steps.items.oneOf.slice(1);
  return kinds
    .map(({ properties }) => Object.entries(properties)[0])
    .filter(([kind]) => kind !== "expect")
    .map(([kind, schema]) => `- \`${kind}\`: ${membersText(schema) || "nothing else"}`)
    .map((line) => wrapped(line).replaceAll("\n", "\n  "));
}

/** The part of docs/stories.md that comes before the stories. */
export const headOfDocument = () =>
  `# Stories

<!-- Made by npm run stories; a test holds it equal. -->

${wrapped(
  "Troubles that people meet, as machines that have them: each story is a file in [stories/](../stories), runs in seconds, says what must come out, and fails (exit status 2) when something else does. `spapr-iommu run NAME` runs one, `run --list` lists them, `run FILE.yaml` runs one of yours, and `--save-trace FILE` writes what QEMU would have traced, for `check` and its kin.",
)}

\`\`\`yaml
title: A driver maps, the device writes
summary: The least that a story can be.
about: One paragraph or more.
machine:
  ram: 1G
  kernel: "6.12"
  devices:
    - { model: e1000, id: nic, slot: 1 }
steps:
  - boot
  - map: { device: nic, as: ring, buffers: 16, size: 4K }
  - use: { buffers: ring }
  - expect: { right: 16, refused: 0, findings: [] }
\`\`\`

${wrapped(
  "A machine is described as `--machine` takes it ([schema](../schema/machine.schema.json)); the whole file has a [schema](../schema/story.schema.json), too, and a mistake in it is told with file, line and column. With the library a story is an object of the type `Story`, and `runStory` of `spapr-iommu/lab` runs it: files are read into the same type. A `mutation` is a change with which the story must fail; a test makes it.",
)}

## Steps

${stepRows().join("\n")}
- \`expect\`: numbers, each a number or a comparison such as \`"> 0"\`; \`log\` and \`noLog\`: texts of the guest's kernel log;
  \`findings\`: the kinds of what \`check\` finds in the trace so far, no more and no fewer

${Object.entries(METRICS)
  .map(([name, about]) => `- \`${name}\`: ${about}`)
  .join("\n")}
`;

/** The section of a story, with its report. */
export const sectionOf = (story, report) =>
  `## ${story.title}

\`spapr-iommu run ${story.name}\` ([${story.name}.yaml](../stories/${story.name}.yaml)). ${story.mutation === undefined ? "" : `It fails if ${story.mutation.about}.`}

\`\`\`text
${stripVTControlCharacters(formatReport(report))
  .split("\n")
  .map((line) => line.trimEnd())
  .join("\n")}
\`\`\`
`;

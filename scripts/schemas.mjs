/**
 * `npm run schemas`: writes the schemas of the files that people write, schema/machine.schema.json and
 * schema/story.schema.json, from the shapes that read them. `--check` only says whether they are as they should be.
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import { MACHINE_SHAPE } from "../dist/formats/machine/machine-shape.js";
import { STORY_SCHEMA } from "../dist/lab/story/story-shape.js";

const SCHEMAS = {
  story: { title: "A story, as run takes it: YAML or JSON", shape: { schema: STORY_SCHEMA } },
  machine: { title: "A machine, as --machine takes it: YAML or JSON", shape: MACHINE_SHAPE },
};

for (const [name, { title, shape }] of Object.entries(SCHEMAS)) {
  const file = new URL(`../schema/${name}.schema.json`, import.meta.url);
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `spapr-iommu:/schema/1/${name}.schema.json`,
    title,
    ...shape.schema,
  };
  const text = `${JSON.stringify(schema, null, 2)}\n`;
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (JSON.stringify(JSON.parse(readFileSync(file, "utf8"))) !== JSON.stringify(schema)) {
    console.error(`schema/${name}.schema.json is not what the code says: npm run schemas`);
    process.exitCode = 1;
  }
}

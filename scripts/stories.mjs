/**
 * `npm run stories`: writes docs/stories.md: what a story may say, and each story of the package with its report.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { readStory, storyNames } from "../dist/cli/story-files.js";
import { runStory } from "../dist/lab/story/run-story.js";
import { headOfDocument, sectionOf } from "./stories-document.mjs";

const sections = [];
for (const name of storyNames()) {
  const story = await readStory(name);
  sections.push(sectionOf(story, runStory(story).report));
}
writeFileSync(new URL("../docs/stories.md", import.meta.url), [headOfDocument(), ...sections].join("\n"));

import { expect, it } from "vitest";
import { sectionOf } from "../../scripts/stories-document.mjs";
import { readStory } from "../../src/cli/story-files.ts";
import { runStory } from "../../src/lab/story/run-story.ts";
import { mutated } from "../../src/lab/story/story.ts";
import { readDocument } from "../helpers/markdown.ts";

const DOCUMENT = readDocument("stories.md");

export function comeOutAsTheySay(names: readonly string[]): void {
  it.each(names)(
    "the story %s comes out as it says, with the report that stands in docs/stories.md (npm run stories)",
    async (name) => {
      const story = await readStory(name);
      const { report } = runStory(story);
      expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(report.checks.length).toBeGreaterThan(2);
      expect(DOCUMENT).toContain(sectionOf(story, report));
    },
  );
}

/** Tests that what stories expect can fail: each does with its mutation. */
export function failWithTheirMutation(names: readonly string[]): void {
  it.each(names)("the story %s fails with its mutation", async (name) => {
    const story = await readStory(name);
    expect(story.mutation).toBeDefined();
    const { checks } = runStory(mutated(story)).report;
    expect(checks.some(({ ok }) => !ok)).toBe(true);
  });
}

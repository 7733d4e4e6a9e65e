import { expect, it } from "vitest";
import { readStory } from "../../src/cli/story-files.ts";
import { runStory } from "../../src/lab/story/run-story.ts";
import { mutated } from "../../src/lab/story/story.ts";

/** Tests that what stories expect can fail: each does with its mutation. */
export function failWithTheirMutation(names: readonly string[]): void {
  it.each(names)("the story %s fails with its mutation", async (name) => {
    const story = await readStory(name);
    expect(story.mutation).toBeDefined();
    const { checks } = runStory(mutated(story)).report;
    expect(checks.some(({ ok }) => !ok)).toBe(true);
  });
}

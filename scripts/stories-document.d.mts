import type { ScenarioReport } from "../src/lab/scenario.ts";
import type { Story } from "../src/lab/story/story.ts";

/** The part of docs/stories.md that comes before the stories. */
export function headOfDocument(): string;
/** The section of a story, with its report. */
export function sectionOf(story: Story, report: ScenarioReport): string;

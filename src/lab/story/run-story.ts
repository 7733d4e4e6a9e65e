import { IommuError } from "../../base/errors.ts";
import { formatCount, formatSize, formatTime } from "../../base/units.ts";
import { costNotes, stallText } from "../cost-model.ts";
import type { ScenarioReport } from "../scenario.ts";
import type { Story, StoryStep } from "./story.ts";
import { StoryRunner } from "./story-runner.ts";

/** Lines of a kernel's log that a report shows. */
const MAX_LOG = 12;

/**
 * How a story went.
 *
 * @public
 */
export interface StoryRun {
  readonly report: ScenarioReport;
  /** The trace of the first machine, as QEMU writes it: lines of `spapr_iommu_*` events. */
  readonly trace: readonly string[];
}

/**
 * Runs a story: does its steps on machines of our own, and compares what is expected with what is found.
 *
 * @throws IommuError BAD_ARGUMENT for a step that speaks of what is not there, with its number
 * @public
 */
export function runStory(story: Story): StoryRun {
  const runner = new StoryRunner(story);
  const rows = story.steps.map((step, i) => {
    try {
      return [String(i + 1), stepText(step), runner.step(step, i + 1)];
    } catch (cause) {
      if (!(cause instanceof IommuError)) throw cause;
      throw new IommuError(
        cause.code,
        `${story.name}, step ${i + 1} (${step.kind}): ${cause.message}`,
        cause.details,
      );
    }
  });
  const { checks, first, clock, numbers } = runner;
  return {
    trace: first.trace,
    report: {
      scenario: story.name,
      title: story.title,
      story: story.about,
      tables: [
        { title: "What happens", columns: ["step", "what", "what came of it"], rows },
        ...(first.log.length === 0
          ? []
          : [{ title: "What the guest's kernel says", columns: ["line"], rows: logRows(first.log) }]),
      ],
      notes: [
        ...(numbers.blockedSeconds < 0.001
          ? []
          : [
              `Modelled, not measured: the guest stands still for ${formatTime(numbers.blockedSeconds)} at the longest: ${stallText(numbers.blockedSeconds)}.`,
              ...costNotes([clock]),
            ]),
      ],
      checks,
      data: {
        seed: story.seed,
        steps: rows.map(([number, what, outcome]) => ({ number: Number(number), what, outcome })),
        log: first.log,
        events: first.trace.length,
        modelled: { blockedSeconds: numbers.blockedSeconds, spent: clock.spent },
      },
    },
  };
}

/** A line for each that is not the same as the one before. */
function logRows(log: readonly string[]): string[][] {
  const lines: { readonly text: string; count: number }[] = [];
  for (const text of log) {
    const last = lines.at(-1);
    if (last?.text === text) last.count++;
    else lines.push({ text, count: 1 });
  }
  const rows = lines.map(({ text, count }) => [count === 1 ? text : `${text} (${formatCount(count)} times)`]);
  if (rows.length <= MAX_LOG) return rows;
  return [[`... ${formatCount(rows.length - MAX_LOG)} before`], ...rows.slice(-MAX_LOG)];
}

/** A step as its file has it, in a line. */
export function stepText(step: StoryStep): string {
  const { kind, ...rest } = step;
  const words = (value: unknown): string => {
    if (Array.isArray(value)) return value.map(words).join(", ");
    if (typeof value === "number" && value >= 4096 && value % 1024 === 0) return formatSize(value);
    if (typeof value !== "object" || value === null) return String(value);
    return Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .map(([name, one]) => `${name} ${words(one)}`)
      .join(", ");
  };
  if (step.kind === "expect") return "expect";
  const text = words(rest);
  return text === "" ? kind : `${kind}: ${text}`;
}

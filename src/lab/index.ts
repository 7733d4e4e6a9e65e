/**
 * The tool on models: scenarios with reports, machines with Linux as their guest, plans.
 *
 * @module
 */

export {
  COSTS,
  type Cost,
  type CostName,
  type Spent,
  type StallVerdict,
  stallVerdict,
  VirtualClock,
} from "./cost-model.ts";
export { type DdwLog, explainDdwLog } from "./ddw-log.ts";
export { LinuxMachine, type LinuxMachineObserver, type LinuxMachineOptions } from "./linux-machine.ts";
export { type Plan, type PlanOptions, planMachine, planToJson } from "./plan.ts";
export type { PlanNote } from "./plan-note.ts";
export type { PlannedTable, PlannedWindow } from "./planned-windows.ts";
export type {
  ReportCheck,
  ReportTable,
  Scenario,
  ScenarioContext,
  ScenarioInput,
  ScenarioReport,
} from "./scenario.ts";
export { findScenario, SCENARIOS } from "./scenarios.ts";
export { SetUpComparison, type SetUpDifference } from "./set-up-comparison.ts";
export { runStory, type StoryRun } from "./story/run-story.ts";
export {
  type Bound,
  type DeviceName,
  type DriveStep,
  type ExpectStep,
  type MapStep,
  METRICS,
  type Metric,
  type Mutation,
  mutated,
  type Story,
  type StoryHost,
  type StoryStep,
  type TrafficStep,
  type UnmapStep,
  type UseStep,
} from "./story/story.ts";
export { STORY_SCHEMA, storyOfDocument } from "./story/story-shape.ts";

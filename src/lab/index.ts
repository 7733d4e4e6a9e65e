/**
 * The tool on models: scenarios with reports.
 *
 * @module
 */

export type { ReportCheck, ReportTable, Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";
export { findScenario, SCENARIOS } from "./scenarios.ts";

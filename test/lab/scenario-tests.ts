import { expect, it } from "vitest";
import type { ScenarioContext, ScenarioReport } from "../../src/lab/scenario.ts";
import { findScenario } from "../../src/lab/scenarios.ts";
import type { FaultHook } from "../../src/vfio/host/faults.ts";

let ticks = 0;
export const context = (options: Partial<ScenarioContext> = {}): ScenarioContext => ({
  // A clock of its own: what is measured does not matter here.
  now: () => ++ticks * 1e-3,
  profile: undefined,
  coherence: false,
  trace: {
    name: "none",
    open: () => {
      throw new Error("this scenario reads no trace");
    },
  },
  ...options,
});

export const run = (name: string, options?: Partial<ScenarioContext>): Promise<ScenarioReport> =>
  findScenario(name).run(context(options));

/** The report of an undisturbed run, which several tests look at. */
const reports = new Map<string, Promise<ScenarioReport>>();
export function reportOf(name: string): Promise<ScenarioReport> {
  const known = reports.get(name) ?? Promise.resolve(run(name));
  reports.set(name, known);
  return known;
}

export const failed = (report: ScenarioReport): string[] =>
  report.checks.filter(({ ok }) => !ok).map(({ name }) => name);

/** Lets every operation of a kind fail. */
export const failing =
  (point: string, from = 0): FaultHook =>
  (at, count) =>
    at === point && count >= from ? "EPERM" : undefined;

/** What every scenario that has a host must show; linux-boot is tested through the command line. */
export function scenarioTests(name: string): void {
  it("passes its checks", async () => {
    const report = await reportOf(name);
    expect(failed(report)).toEqual([]);
    expect(report.checks.length).toBeGreaterThan(4);
    expect(report.scenario).toBe(name);
  });

  it("has tables whose rows are as long as their heads", async () => {
    const { tables, story } = await reportOf(name);
    expect(tables.length).toBeGreaterThan(0);
    expect(story.length).toBeGreaterThan(1);
    for (const { columns, rows } of tables) {
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) expect(row).toHaveLength(columns.length);
    }
  });

  it("finds all views in agreement, or what is wrong on purpose", async () => {
    const without = await reportOf(name);
    const report = await run(name, { coherence: true });
    expect(failed(report)).toEqual([]);
    expect(report.checks.length).toBeGreaterThan(without.checks.length);
    expect(report.checks.filter(({ name: check }) => /agree|coherence/.test(check)).length).toBeGreaterThan(
      1,
    );
    expect(without.checks.filter(({ name: check }) => /agree|coherence/.test(check))).toEqual([]);
  });
}

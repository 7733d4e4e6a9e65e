import { describe, expect, it } from "vitest";
import { failed, failing, reportOf, run, scenarioTests } from "./scenario-tests.ts";

describe("huge-window", () => {
  scenarioTests("huge-window");

  it("fails its checks in a broken setup", async () => {
    // Under KVM the kernel's handlers map by themselves, so only TCG notices.
    const names = failed(await run("huge-window", { faults: failing("map") }));
    expect(names.join("\n")).toContain("TCG: the host's device gets at memory");
  });

  it("makes one map call a list under TCG, none under KVM", async () => {
    const report = await reportOf("huge-window");
    expect(failed(report)).toEqual([]);
    expect(report.data.runs).toMatchObject([
      { mapCalls: 1152, mapCallsAtCreate: 0, newReplay: "skipped" },
      { mapCalls: 0, mapCallsAtCreate: 0, newReplay: "skipped" },
    ]);
  });
});

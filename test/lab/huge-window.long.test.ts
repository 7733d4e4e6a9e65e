import { describe, expect, it } from "vitest";
import { failed, failing, run, scenarioTests } from "./scenario-tests.ts";

describe("huge-window", () => {
  scenarioTests("huge-window");

  it("fails its checks in a broken setup", async () => {
    // Under KVM the kernel's handlers map by themselves, so only TCG notices.
    const names = failed(await run("huge-window", { faults: failing("map") }));
    expect(names.join("\n")).toContain("TCG: the host's device gets at memory");
  });
});

import { describe, expect, it } from "vitest";
import type { Scenario } from "../../src/lab/scenario.ts";
import { findScenario } from "../../src/lab/scenarios.ts";
import { context, failed, failing, reportOf, run, scenarioTests } from "./scenario-tests.ts";

/** Scenarios that take no time; huge-window is run by test/structure/readme.test.ts, and in all ways in huge-window.long.test.ts. */
const QUICK = ["hotplug", "lazy-replay", "remap", "memlock", "two-groups"];

describe.each(QUICK)("%s", scenarioTests);

describe("a broken setup", () => {
  it.each([
    {
      name: "hotplug",
      faults: failing("map", 4),
      checks: ["TCG: the device reaches every live mapping", "KVM: the device reaches every live mapping"],
    },
    { name: "lazy-replay", faults: failing("map"), checks: ["TCG, at once: before that call"] },
    { name: "remap", faults: failing("map", 1), checks: ["spapr v2, TCG: the device is never"] },
    { name: "remap", faults: failing("unmap"), checks: ["spapr v1, TCG: the device is never"] },
    { name: "memlock", faults: failing("map"), checks: ["v2, TCG, 256 MiB guest, limit 264 MiB"] },
    {
      name: "two-groups",
      faults: failing("map", 8),
      checks: ["one container, Linux 6.12, TCG: the device that stays"],
    },
  ])("fails its checks: $name, $checks", async ({ name, faults, checks }) => {
    const names = failed(await run(name, { faults }));
    for (const check of checks) expect(names.join("\n")).toContain(check);
  });

  it.each(["hotplug", "two-groups"])("is found by the coherence check: %s", async (name) => {
    const report = await run(name, { coherence: true, faults: failing("map", 2) });
    const found = report.checks.find((check) => /agree/.test(check.name) && !check.ok);
    expect(found?.detail).toMatch(/^after .*missing: expected 0x[0-9a-f]{16} \+ 0x\w+ -> .*, found/);
  });

  it("is said when a device cannot be plugged at all", () => {
    for (const name of ["hotplug", "huge-window", "two-groups"]) {
      expect(() => findScenario(name).run(context({ faults: failing("register") }))).toThrow(
        /group 0 cannot be plugged: RAM memory listener initialization failed: .*EPERM/,
      );
    }
  });
});

describe("what the scenarios tell", () => {
  it("lazy-replay: only KVM with tied tables leaves the old page out", async () => {
    const { data } = await reportOf("lazy-replay");
    expect(data.runs).toMatchObject([
      { accel: "tcg", lazy: false, early: true, earlyAfterPut: true, servedBy: "qemu" },
      { accel: "tcg", lazy: true, early: false, earlyAfterPut: true, servedBy: "qemu" },
      { accel: "kvm", lazy: false, early: true, earlyAfterPut: true, servedBy: "kvm" },
      { accel: "kvm", lazy: true, early: false, earlyAfterPut: false, late: true, servedBy: "kvm" },
      { accel: "kvm", lazy: true, ties: false, early: false, earlyAfterPut: true, servedBy: "qemu" },
    ]);
  });

  it("hotplug: 16 map calls for the first device, none for the second", async () => {
    const { data } = await reportOf("hotplug");
    for (const accel of [0, 1]) {
      expect((data.runs as object[])[accel]).toMatchObject({
        mapCalls: 16,
        replaySteps: 16,
        secondMapCalls: 0,
      });
    }
  });

  it("memlock: version 1 charges the window, version 2 memory and tables", async () => {
    const { data } = await reportOf("memlock");
    expect(data.accounts).toMatchObject([
      { container: "spapr-v1", plugged: 2n ** 31n, mapped: 2n ** 31n + 2n ** 23n },
      { container: "spapr-v1", plugged: 2n ** 31n },
      { container: "spapr-v2", plugged: 2n ** 28n + 2n ** 22n, mapped: 2n ** 28n + 2n ** 22n },
      { container: "spapr-v2", plugged: 2n ** 32n + 2n ** 22n },
      { accel: "kvm" },
    ]);
  });

  it("remap: QEMU 11.1 leaves devices on the old page, and nothing else does", async () => {
    const report = await run("remap", { profile: "qemu-11.1" });
    expect(failed(report)).toContain("type1v2, TCG: the device is never on a wrong page");
    expect(failed(report)).toContain("vfio-user, strict device: the device is never on a wrong page");
  });

  it("remap: a call that the profile refuses leaves the device where it was", async () => {
    expect(failed(await run("remap", { profile: "papr" }))).toEqual([]);
  });
});

it("findScenario names those that there are", () => {
  expect(() => findScenario("none")).toThrow(/no scenario "none": there are huge-window, hotplug/);
  const names: readonly Scenario["name"][] = ["huge-window", ...QUICK].map((name) => findScenario(name).name);
  expect(names).toEqual(["huge-window", ...QUICK]);
});

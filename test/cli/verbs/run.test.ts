import path from "node:path";
import { describe, expect, it } from "vitest";
import { SCENARIOS } from "../../../src/lab/scenarios.ts";
import { some } from "../../helpers/some.ts";
import { cli } from "../cli.ts";

const TRACES = path.resolve(import.meta.dirname, "../../corpus/traces");

describe("run", () => {
  it("lists the scenarios", async () => {
    const { status, stdout } = await cli(["run", "--list"]);
    expect(status).toBe(0);
    for (const { name, summary } of SCENARIOS)
      expect(stdout).toContain(`${name.padEnd(12)} ${summary}`.slice(0, 60).trim().slice(0, name.length));
  });

  // The README runs the other two.
  it.each(["lazy-replay", "remap", "memlock", "two-groups"])("runs %s", async (name) => {
    const { status, stdout } = await cli(["run", name]);
    expect(status).toBe(0);
    expect(stdout).toContain("ok     ");
    expect(stdout).not.toContain("all views agree");
    expect(stdout).not.toContain("FAILED");
  });

  it("compares all views after each operation, if asked to", async () => {
    const { status, stdout } = await cli(["run", "two-groups", "--coherence"]);
    expect(status).toBe(0);
    expect(stdout).toContain("all views agree after each operation: two containers, Linux 6.12, KVM");
  });

  it("exits 2 and names the first difference between the views", async () => {
    const { status, stdout } = await cli(["run", "remap", "--coherence", "--profile", "qemu-11.1"]);
    expect(status).toBe(2);
    expect(stdout).toContain(
      "FAILED all views agree after each operation: spapr v2, TCG (after H_PUT_TCE: outside of memory: device 0: stale: expected nothing, found 0x0000000000010000 + 0x1000 -> 0x0000000000200000 rw)",
    );
  });

  it("runs a recorded boot and reports the four classes of entries", async () => {
    const { status, stdout } = await cli(["run", "linux-boot"]);
    expect(status).toBe(0);
    for (const word of ["known", "inferred", "unknown", "empty", "20,394 answers"])
      expect(stdout).toContain(word);
  });

  it("takes another trace, also from standard input", async () => {
    const trace = path.join(TRACES, "two-phbs-virtio-e1000-linux61.log.gz");
    const { status, stdout } = await cli(["run", "linux-boot", "--output", "json", "--trace", trace]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ data: { counts: { mismatches: 0 } } });
    const line = "spapr_iommu_pci_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=0\n";
    expect((await cli(["run", "linux-boot", "--trace", "-"], line)).status).toBe(0);
  });

  it.each(
    some(["simple-nvme-e1000-1g-linux61.simple.gz", "simple-dropped-slow-reader-e1000-linux61.simple.gz"], 2),
  )("takes QEMU's binary traces, also where events were lost: %s", async (name) => {
    const { status, stdout } = await cli(["run", "linux-boot", "--trace", path.join(TRACES, name)]);
    expect(status).toBe(0);
    expect(stdout).toContain("qemu-simple");
  });

  it("exits 2 when an answer differs from the recorded one", async () => {
    const lines = [
      "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1",
      "spapr_iommu_pci_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=0",
      "spapr_iommu_xlate liobn=0x80000000 0x1000 -> 0x5000 perm=3 mask=0xfff",
      "",
    ];
    const { status, stdout } = await cli(["run", "linux-boot", "--trace", "-"], lines.join("\n"));
    expect(status).toBe(2);
    expect(stdout).toContain("line 3: spapr_iommu_xlate");
    expect(stdout).toContain("ours: -> 0x2000 perm=3 mask=0xfff");
  });

  it.each([
    { name: "no scenario", args: ["run"], status: 1, message: "name a scenario" },
    { name: "unknown scenario", args: ["run", "hugewindow"], status: 1, message: "there are huge-window" },
    {
      name: "not a trace of QEMU",
      args: ["run", "linux-boot", "--trace", "package.json"],
      status: 63,
      message: "no event that is known here",
    },
  ])("says what is wrong: $name", async ({ args, status, message }) => {
    const result = await cli(args);
    expect(result.status).toBe(status);
    expect(result.stderr).toContain(message);
  });
});

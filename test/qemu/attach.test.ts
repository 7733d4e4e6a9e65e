import { describe, expect, it } from "vitest";
import { parseOpScript } from "../../src/formats/op-script/script.ts";
import { CliProcess } from "./cli-process.ts";
import { RunningQemu } from "./running-qemu.ts";
import { expectedWindows, statusOf, traceableScript } from "./traceable-script.ts";
import { until } from "./until.ts";

const ALL = ["--output", "jsonl", "--large-windows", "--mappings"];
const TIMES = ["-msg", "timestamp=on"];

const attach = (qemu: RunningQemu, ...more: string[]): CliProcess =>
  new CliProcess(["attach", "--qmp", qemu.qmp, ...more]);

describe("attach to a real QEMU", () => {
  it.each([1, 2, 3, 4, 5, 6])("has at the end the state that the engine has: seed %i", async (seed) => {
    const script = traceableScript(seed, 600);
    const gate = script.lines.length >> 1;
    const qemu = await RunningQemu.start(script, { gates: [gate], more: seed % 2 === 0 ? TIMES : [] });
    try {
      await qemu.atGate();
      const tool = attach(qemu, ...ALL);
      const attached = await tool.line("attached");
      expect(attached).toMatchObject({ log: qemu.log, base: { kind: "save" } });
      qemu.openGate();
      await qemu.atGate();
      tool.child.kill("SIGINT");
      const exit = await tool.exit;
      const end = await tool.line("end");
      expect(end.mismatches, tool.stderr).toEqual([]);
      expect(exit, tool.stderr).toEqual({ status: statusOf(end), signal: null });
      expect(end.windows).toEqual(expectedWindows(script));
      expect(end.counts).toMatchObject({ mismatches: 0, undetermined: 0 });
      expect(await qemu.settings()).toEqual({ enabled: [], status: "running" });
    } finally {
      await qemu.stop();
    }
  });

  it.each([11, 12])("has it by a log that has been on from the start: seed %i", async (seed) => {
    const script = traceableScript(seed, 600);
    const more = ["-trace", "spapr_iommu_*", ...(seed % 2 === 0 ? TIMES : [])];
    const qemu = await RunningQemu.start(script, { gates: [script.lines.length >> 1], more });
    try {
      await qemu.atGate();
      const tool = attach(qemu, ...ALL);
      expect(await tool.line("attached")).toMatchObject({ base: { kind: "log", pausedSeconds: 0 } });
      qemu.openGate();
      await qemu.atGate();
      tool.child.kill("SIGINT");
      const exit = await tool.exit;
      const end = await tool.line("end");
      expect(exit, tool.stderr).toEqual({ status: statusOf(end), signal: null });
      expect(end.windows).toEqual(expectedWindows(script));
    } finally {
      await qemu.stop();
    }
  });

  it("shows the state in between, and how long the guest stood still", async () => {
    const script = traceableScript(7, 300);
    const qemu = await RunningQemu.start(script, { gates: [100, 200] });
    try {
      await qemu.atGate();
      const tool = attach(qemu, ...ALL, "--refresh", "20");
      const attached = (await tool.line("attached")) as { base?: { pausedSeconds: number } };
      expect(attached.base?.pausedSeconds).toBeGreaterThan(0);
      expect(attached.base?.pausedSeconds).toBeLessThan(10);
      qemu.openGate();
      await qemu.atGate();
      const half = expectedWindows({ ...script, lines: script.lines.slice(0, 200) });
      await until(
        () => JSON.stringify(tool.lines.at(-1).windows) === JSON.stringify(half),
        "the state at the gate",
      );
      tool.child.kill("SIGTERM");
      const { status } = await tool.exit;
      expect(status).toBe(statusOf(await tool.line("end")));
    } finally {
      await qemu.stop();
    }
  });

  it("knows nothing without a base state, and learns from the trace", async () => {
    const script = traceableScript(8, 400);
    const qemu = await RunningQemu.start(script, { gates: [200] });
    try {
      await qemu.atGate();
      const tool = attach(qemu, "--base", "none", "--output", "jsonl");
      expect(await tool.line("attached")).toMatchObject({ base: { kind: "none" } });
      qemu.openGate();
      await qemu.atGate();
      tool.child.kill("SIGTERM");
      await tool.exit;
      const end = (await tool.line("end")) as unknown as { events: number; mismatches: unknown[] };
      expect(end.mismatches).toEqual([]);
      expect(end.events).toBeGreaterThan(100);
      expect(await qemu.settings()).toEqual({ enabled: [], status: "running" });
    } finally {
      await qemu.stop();
    }
  });

  it("leaves a QEMU alive whose windows it could not save", async () => {
    const create =
      '{"op":"rtas","name":"ibm,create-pe-dma-window","args":[0,134217728,536870912,16,45],"nret":4}';
    const qemu = await RunningQemu.start(parseOpScript(`{"header":1}\n${create}`, "script"));
    try {
      await qemu.atGate();
      const tool = attach(qemu, "--base", "save");
      expect((await tool.exit).status).toBe(63);
      expect(tool.stderr).toMatch(/window 0x80000001 of 32 TiB may have more than 2\^28 entries/);
      expect(await qemu.settings()).toEqual({ enabled: [], status: "running" });
    } finally {
      await qemu.stop();
    }
  });

  it("leaves events on that were on before", async () => {
    const qemu = await RunningQemu.start(traceableScript(9, 100), {
      more: ["-trace", "spapr_iommu_pci_put"],
    });
    try {
      await qemu.atGate();
      const tool = attach(qemu, "--output", "jsonl");
      await tool.line("attached");
      tool.child.kill("SIGINT");
      expect(await tool.exit, tool.stderr).toEqual({ status: 0, signal: null });
      expect((await qemu.settings()).enabled).toEqual(["spapr_iommu_pci_put"]);
    } finally {
      await qemu.stop();
    }
  });
});

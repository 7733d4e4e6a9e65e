import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type OpScript, parseOpScript } from "../../src/formats/op-script/script.ts";
import { CliProcess } from "./cli-process.ts";
import { LibvirtDomain } from "./libvirt-domain.ts";
import { expectedWindows, pagesOf, statusOf, traceableScript } from "./traceable-script.ts";
import { until } from "./until.ts";

const TRACE = ["-trace", "spapr_iommu_*"];

const attachTo = ({ name, uri, env }: LibvirtDomain, ...more: string[]): CliProcess =>
  new CliProcess(["attach", "--domain", name, "--connect", uri, ...more], env);

/** Attaches to a domain that waits at the gate in the middle of its script. */
async function withDomain(
  script: OpScript,
  more: readonly string[],
  run: (domain: LibvirtDomain, tool: CliProcess) => Promise<void>,
): Promise<void> {
  const domain = await LibvirtDomain.start(script, [script.lines.length >> 1], more);
  try {
    await domain.guest.atGate();
    await run(domain, attachTo(domain, "--output", "jsonl", "--mappings"));
  } finally {
    await domain.stop();
  }
}

/** Lets the guest do the rest, and ends the tool when that has read it. */
async function finish(domain: LibvirtDomain, tool: CliProcess): Promise<void> {
  domain.guest.openGate();
  await domain.guest.atGate();
  // What QEMU has written goes through libvirt before it is in the log.
  const events = (): number => tool.lines.at(-1).events ?? 0;
  for (let before = -1; before !== events(); ) {
    before = events();
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }
  tool.child.kill("SIGINT");
}

const libvirt = execFileSync("libvirtd", ["--version"], { encoding: "utf8" }).trim().split(" ").at(-1);

describe(`attach to a domain of libvirt ${libvirt}`, () => {
  it("has the state that the engine has, by the domain's log", async () => {
    const script = traceableScript(2, 300);
    await withDomain(script, TRACE, async (domain, tool) => {
      const attached = await tool.line("attached");
      expect(attached).toMatchObject({ base: { kind: "log", refused: [] } });
      expect(attached.log).toBe(`${domain.guest.folder}/cache/libvirt/qemu/log/${domain.name}.log`);
      await finish(domain, tool);
      const exit = await tool.exit;
      const end = await tool.line("end");
      expect(exit, tool.stderr).toEqual({ status: statusOf(end), signal: null });
      expect(end).toMatchObject({ reason: "asked", mismatches: [] });
      expect(end.windows).toEqual(expectedWindows(script));
    });
  });

  it("says that the domain is tainted, as libvirt notes", async () => {
    await withDomain(traceableScript(5, 100), TRACE, async (domain, tool) => {
      const { taint, log } = (await tool.line("attached")) as unknown as { taint: string; log: string };
      expect(taint).toBe("custom-monitor");
      expect(readFileSync(log, "utf8")).toMatch(/ is tainted: custom-monitor/);
      expect(await domain.virsh("dominfo", domain.name)).toMatch(/tainted: custom monitor/);
      const forPeople = attachTo(domain);
      const said = /^libvirt notes in its log that the domain is tainted: custom-monitor$/m;
      await until(
        () => said.test(forPeople.stderr),
        () => `the taint to be told (${forPeople.stderr})`,
      );
      for (const { child, exit } of [tool, forPeople]) {
        child.kill("SIGINT");
        await exit;
      }
    });
  });

  it("begins with the memory tree, and puts the trace back", async () => {
    const script = traceableScript(1, 300);
    await withDomain(script, [], async (domain, tool) => {
      const { base } = (await tool.line("attached")) as unknown as {
        base: { kind: string; refused: string[] };
      };
      expect(base.kind).toBe("mtree");
      expect(base.refused[1]).toMatch(/^save: libvirt does not let others save its domains/);
      await finish(domain, tool);
      const { status } = await tool.exit;
      expect([0, 2, 3], tool.stderr).toContain(status);
      const end = (await tool.line("end")) as unknown as { windows: ReturnType<typeof expectedWindows> };
      expect(end).toMatchObject({ reason: "asked", mismatches: [] });
      const expected = expectedWindows(script);
      expect(end.windows.length).toBeGreaterThan(0);
      for (const window of end.windows) {
        const real = expected.find(({ liobn }) => liobn === window.liobn)!;
        const { busOffset, pageShift, entries } = real;
        expect(window).toMatchObject({ busOffset, pageShift, entries });
        const pages = pagesOf(real);
        for (const [ioba, target] of pagesOf(window)) expect(pages.get(ioba)).toBe(target);
      }
      expect(await domain.settings()).toEqual({ enabled: [], status: "running" });
    });
  });

  it("follows a log that libvirt rotates", async () => {
    const liobn = "0x80000000";
    const scan = { op: "get_tce_scan", liobn, ioba: "0x0", step: "0x1000", count: 20_000 };
    const put = (page: number): object => ({
      op: "h_put_tce",
      liobn,
      ioba: `0x${page}000`,
      tce: `0x${page}0003`,
    });
    const lines = [{ header: 1 }, put(1), put(2), scan, put(3), scan, put(4)];
    const script = parseOpScript(lines.map((line) => JSON.stringify(line)).join("\n"), "script");
    await withDomain(script, TRACE, async (domain, tool) => {
      const { log } = await tool.line("attached");
      expect(existsSync(`${log}.0`)).toBe(false);
      await finish(domain, tool);
      expect(existsSync(`${log}.0`)).toBe(true);
      expect(await tool.exit, tool.stderr).toEqual({ status: 0, signal: null });
      const end = await tool.line("end");
      expect(end).toMatchObject({ doubts: [], mismatches: [] });
      // The table of the default window, four puts and the scans.
      expect(end.events).toBeGreaterThanOrEqual(40_004);
      expect(end.windows).toEqual(expectedWindows(script));
    });
  });

  it("ends with the domain", async () => {
    await withDomain(traceableScript(3, 100), [], async (domain, tool) => {
      await tool.line("attached");
      await domain.virsh("destroy", domain.name);
      const { status } = await tool.exit;
      expect([0, 2, 3], tool.stderr).toContain(status);
      expect(await tool.line("end")).toMatchObject({ reason: "qemu-ended" });
    });
  });

  it("leaves a domain as it was when it is killed", async () => {
    await withDomain(traceableScript(4, 100), [], async (domain, tool) => {
      await tool.line("attached");
      expect((await domain.settings()).enabled.length).toBeGreaterThan(10);
      tool.child.kill("SIGKILL");
      await tool.exit;
      const isAsBefore = async (): Promise<boolean> => (await domain.settings()).enabled.length === 0;
      await until(isAsBefore, "the settings to be put back", 45);
    });
  });
});

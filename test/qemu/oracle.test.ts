import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseOpScript } from "../../src/formats/op-script/script.ts";
import { findQemu } from "../../src/live/qemu-program.ts";
import { answers } from "../cli/schemas.ts";
import { corpusNames } from "../helpers/corpus.ts";
import { CliProcess } from "./cli-process.ts";
import { until } from "./until.ts";

/** Processes of which an argument has a text in it. */
const qemusWith = (text: string): string[] =>
  readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });

const CORPUS = path.resolve(import.meta.dirname, "../corpus/hcall");

describe("the oracle", () => {
  it.each(corpusNames("hcall", ".jsonl.gz"))("confirms the recording %s", async (name) => {
    const tool = new CliProcess(["oracle", path.join(CORPUS, `${name}.jsonl.gz`), "--output", "json"]);
    expect((await tool.exit).status, tool.stderr).toBe(0);
    answers("oracle", tool.stdout);
    const [report] = JSON.parse(tool.stdout).files;
    expect(report.mismatches).toEqual([]);
    expect(report.same + report.known.length).toBe(report.operations - report.notReached);
    expect(report.crash).toBeNull();
  });

  it("starts QEMU as a machine is described that the script says nothing of", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "oracle-test-"));
    try {
      const script = path.join(folder, "bare.jsonl");
      // The default window of the second bridge has 2 GiB; with 1 GiB the call would be refused.
      const put = { op: "h_put_tce", liobn: "0x80000200", ioba: "0x7ffff000", tce: "0x2003" };
      writeFileSync(script, `${JSON.stringify(put)}\n`);
      const machine = path.resolve(import.meta.dirname, "../cases/machines/two-bridges.yaml");
      const tool = new CliProcess(["oracle", "--machine", machine, script, "--output", "json"]);
      expect((await tool.exit).status, tool.stderr).toBe(0);
      expect(JSON.parse(tool.stdout).files[0]).toMatchObject({ operations: 1, same: 1, mismatches: [] });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("agrees on 20000 random operations within three minutes", async () => {
    const start = performance.now();
    const tool = new CliProcess(["oracle", "--random", "20000", "--seed", "1", "--output", "json"]);
    expect((await tool.exit).status, tool.stdout + tool.stderr).toBe(0);
    expect(JSON.parse(tool.stdout)).toMatchObject({ operations: 20_000, machines: 25, difference: null });
    expect(performance.now() - start).toBeLessThan(180_000);
  });

  it("finds what another profile does otherwise, and shrinks it to one operation", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "oracle-test-"));
    try {
      const file = path.join(folder, "smallest.jsonl");
      const args = ["--random", "5000", "--seed", "3", "--profile", "papr", "--write", file];
      const tool = new CliProcess(["oracle", ...args]);
      expect((await tool.exit).status).toBe(2);
      const smallest = parseOpScript(readFileSync(file, "utf8"), file);
      expect(smallest.lines.length).toBeLessThanOrEqual(2);
      // What was written is a recording: the profile of the real system gives its results.
      const check = new CliProcess(["exec", "--check", file]);
      expect((await check.exit).status, check.stdout).toBe(0);
      const other = new CliProcess(["exec", "--check", "--profile", "papr", file]);
      expect((await other.exit).status, other.stdout).toBe(2);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("says before it searches that what it finds cannot be written", async () => {
    const start = performance.now();
    const args = ["--random", "1000000", "--write", "/nonexistent/smallest.jsonl"];
    const tool = new CliProcess(["oracle", ...args]);
    expect((await tool.exit).status).toBe(1);
    expect(tool.stderr).toContain("/nonexistent/smallest.jsonl: there is no folder /nonexistent");
    expect(performance.now() - start).toBeLessThan(60_000);
  });

  it("says that QEMU is not installed", async () => {
    const tool = new CliProcess(["oracle", "--random", "10"], { QEMU_PPC64: "qemu-that-is-not-there" });
    expect((await tool.exit).status).toBe(63);
    expect(tool.stderr).toMatch(/QEMU is not installed: there is no "qemu-that-is-not-there"/);
  });

  it.each([
    { name: "QEMU", wrapper: undefined },
    { name: "a wrapper that becomes QEMU", wrapper: 'exec "$QEMU" "$@"' },
    { name: "a wrapper that waits for QEMU", wrapper: '"$QEMU" "$@"\nexit $?' },
  ])("ends $name and leaves no file when it is interrupted", async ({ wrapper }) => {
    const { program, firstArguments } = await findQemu();
    const folder = mkdtempSync(path.join(tmpdir(), "oracle-test-"));
    try {
      const file = path.join(folder, "wrapper");
      const qemu = [program, ...firstArguments].join(" ");
      writeFileSync(file, `#!/bin/sh\n${wrapper?.replace('"$QEMU"', qemu)}\n`, { mode: 0o755 });
      const more = wrapper === undefined ? [] : ["--qemu", file];
      const tool = new CliProcess(["oracle", "--random", "10000000", ...more]);
      const ours = `spapr-iommu-${tool.child.pid}-`;
      await until(() => qemusWith(ours).length > 0, "QEMU to start");
      tool.child.kill("SIGTERM");
      expect((await tool.exit).status).toBe(1);
      expect(tool.stderr).toMatch(/interrupted by SIGTERM/);
      expect(readdirSync("/dev/shm").filter((name) => name.startsWith(ours))).toEqual([]);
      await until(() => qemusWith(ours).length === 0, "QEMU to end", 10);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

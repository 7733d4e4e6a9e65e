import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cli } from "../cli/cli.ts";
import { create, HIGH, highPut, NEW_TABLE, put, stuff, xlate } from "../helpers/qemu-lines.ts";

const folder = mkdtempSync(path.join(tmpdir(), "shrink-"));
afterAll(() => rmSync(folder, { recursive: true }));

let full = NEW_TABLE + create(HIGH);
for (let page = 0; page < 16; page++) full += highPut(page, `0x${(0x90 - page).toString(16)}0003`);

describe("a shrunk script", () => {
  it.each([
    { kind: "window-full", trace: full },
    { kind: "window-full", trace: NEW_TABLE + stuff("0x40000000", 262_144, "0x5003") },
    { kind: "window-overlap", trace: NEW_TABLE + create("0x20000000") },
    {
      kind: "direct-map-hole",
      trace: NEW_TABLE + create(HIGH) + highPut(1, "0x10003") + put("0x1000", "0x52003"),
    },
    {
      kind: "dma-after-unmap",
      trace: NEW_TABLE + put("0x1000", "0x2003") + put("0x1000", "0x0") + xlate("0x1000", "0x0", 0),
    },
    { kind: "refused-call", trace: NEW_TABLE + put("0x40000000", "0x2003", -4) },
  ])("runs on real QEMU, with our results: $kind", async ({ kind, trace }) => {
    const log = path.join(folder, "trace.log");
    writeFileSync(log, trace);
    const { status, stdout, stderr } = await cli(["shrink", log, "--finding", "1"]);
    expect(status, stderr).toBe(0);
    expect(stderr).toContain(kind);
    const script = path.join(folder, "script.jsonl");
    writeFileSync(script, stdout);
    const oracle = await cli(["oracle", script]);
    expect(oracle.status, oracle.stderr + oracle.stdout).toBe(0);
    const checked = await cli(["check", script, "--output", "json"]);
    const kinds = JSON.parse(checked.stdout).files[0].findings.map((one: { kind: string }) => one.kind);
    expect(kinds).toContain(kind);
  });
});

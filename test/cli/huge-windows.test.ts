import { writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { CONFIGURATION, HEADER } from "../formats/migration/small-stream.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { cli } from "./cli.ts";
import { useHugeWindows } from "./huge-windows-campaign.ts";

describe("a window of 2^31 full entries", () => useHugeWindows("quick"));

const scratch = scratchFolder();

describe("entries that are written one by one", () => {
  it("are the JSON of the whole, whatever lies between them", async () => {
    const file = path.join(import.meta.dirname, "../corpus/traces/nvme-e1000-1g-linux61.log.gz");
    const { stdout } = await cli(["map", file, "--raw", "--output", "json"]);
    const windows = JSON.parse(stdout) as { tces: [number, string][] }[];
    expect(stdout).toBe(`${JSON.stringify(windows)}\n`);
    const human = await cli(["map", file, "--raw"]);
    const lines = human.stdout.split("\n").filter((line) => line.startsWith("  "));
    expect(lines).toEqual(windows.flatMap(({ tces }) => tces.map(([index, tce]) => `  ${index} ${tce}`)));
    expect(lines.length).toBeGreaterThan(100);
  });

  it("are an empty list where there is no window", async () => {
    const file = path.join(scratch, "none.mig.gz");
    writeFileSync(file, gzipSync(Uint8Array.from([...HEADER, ...CONFIGURATION, 0])));
    const { stdout, stderr } = await cli(["map", file, "--raw", "--output", "json"]);
    expect(stdout, stderr).toBe("[]\n");
  });
});

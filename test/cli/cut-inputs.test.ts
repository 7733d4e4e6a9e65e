import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { cli } from "./cli.ts";

const TRACES = path.resolve(import.meta.dirname, "../corpus/traces");
const folder = mkdtempSync(path.join(tmpdir(), "cut-inputs-"));
afterAll(() => rmSync(folder, { recursive: true }));

const LINES = gunzipSync(readFileSync(path.join(TRACES, "nvme-e1000-1g-linux61.log.gz")))
  .toString()
  .split("\n")
  .slice(0, 1000);
const TEXT = `${LINES.join("\n")}\n`;

/** Inputs of which something is missing. */
const CUT: Readonly<Record<string, () => string>> = {
  "a last line without its end": () => written("cut.log", TEXT.slice(0, -5)),
  "packed data that ends early": () => {
    const packed = gzipSync(TEXT);
    return written("cut.log.gz", packed.subarray(0, packed.length - 100));
  },
  "a trace that QEMU was killed over": () =>
    path.join(TRACES, "simple-killed-under-load-nvme-e1000-linux61.simple.gz"),
  "events that QEMU dropped": () => path.join(TRACES, "simple-dropped-slow-reader-e1000-linux61.simple.gz"),
  "events that the kernel lost": () => path.join(TRACES, "dma-x86-linux72-vtd-lost-trace-pipe.txt.gz"),
};

function written(name: string, bytes: string | Uint8Array): string {
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

describe.each(["stat", "alive"])("%s", (verb) => {
  it.each(Object.keys(CUT))("does not exit as if nothing was missing: %s", async (what) => {
    const { status, stderr, stdout } = await cli([verb, CUT[what]!()]);
    expect(status, stderr).toBe(3);
    expect(stderr + stdout).toMatch(/warning: |note: /);
  });

  it("exits with 0 of what is whole, also after one that is not", async () => {
    expect((await cli([verb, written("whole.log", TEXT)])).status).toBe(0);
  });
});

it.each(["info", "map"])("%s does neither", async (verb) => {
  for (const what of ["a last line without its end", "packed data that ends early"])
    expect((await cli([verb, CUT[what]!()])).status, what).toBe(3);
  expect((await cli([verb, written("whole.log", TEXT)])).status).toBe(0);
});

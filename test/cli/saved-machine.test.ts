import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { recordedReference, recordedStream, recordedStreams } from "../formats/migration/sources.ts";
import { cli } from "./cli.ts";

const STREAMS = path.resolve(import.meta.dirname, "../corpus/migration");
const stream = (name: string): string => path.join(STREAMS, `${name}.mig.gz`);
const IDLE = "two-phbs-virtio-e1000-linux61--two-phbs-idle";
const LOADED = "two-phbs-virtio-e1000-linux61--two-phbs-under-load";
const LINUX = recordedStreams().filter((name) => name.includes("linux"));

const folder = mkdtempSync(path.join(tmpdir(), "saved-"));
afterAll(() => rmSync(folder, { recursive: true }));
const written = (name: string, bytes: Uint8Array): string => {
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return file;
};

/** The tables of the reference in the form of `map --raw`. */
const tablesOf = (name: string) =>
  recordedReference(name)
    .spapr_iommu.map((saved) => ({
      liobn: saved.liobn,
      busOffset: saved.bus_offset,
      pageShift: saved.page_shift,
      entries: saved.mig_nb_table,
      bypass: saved.bypass,
      defWin: saved.def_win,
      tces: Object.entries(saved.table)
        .map(([index, tce]): [number, string] => [Number(index), tce])
        .sort(([a], [b]) => a - b),
    }))
    .sort((a, b) => Number(a.liobn) - Number(b.liobn));

describe("map of a saved machine", () => {
  it.each(LINUX)("gives exactly the tables of the reference: %s", async (name) => {
    const { status, stdout } = await cli(["map", stream(name), "--raw", "--output", "json"]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual(tablesOf(name));
  });

  it("reads a plain file and a pipe as it reads a packed file", async () => {
    const bytes = recordedStream(LOADED);
    const packed = await cli(["map", stream(LOADED)]);
    expect(packed.stdout).toContain("LIOBN 0x80000000 at 0x0000000000000000, 262,144 pages of 4 KiB");
    expect(await cli(["map", written("plain.mig", bytes)])).toEqual(packed);
    expect(await cli(["map", "-"], bytes)).toEqual(packed);
  });

  it.each([
    {
      what: "cut",
      bytes: recordedStream(IDLE).subarray(0, 100_000),
      reason: /byte 100000 \(0x186a0\): the stream ends within/,
    },
    {
      what: "damaged",
      bytes: recordedStream(IDLE).with(8, 0x55),
      reason: /byte 8 \(0x8\): a record of type 0x55/,
    },
  ])("names file, offset and reason if the stream is $what", async ({ what, bytes, reason }) => {
    const file = written(`${what}.mig`, bytes);
    for (const [name, result] of [
      [file, await cli(["map", file])],
      ["stdin", await cli(["map", "-"], bytes)],
    ] as const) {
      expect(result.status).toBe(1);
      expect(result.stdout).toBe("");
      expect(result.stderr).toContain(`spapr-iommu: ${name}: `);
      expect(result.stderr).toMatch(reason);
    }
  });

  it("has one moment only", async () => {
    const { status, stderr } = await cli(["map", stream(IDLE), "--at", "7"]);
    expect(status).toBe(1);
    expect(stderr).toContain("a saved machine has no other moments");
  });
});

/** Entries in which the references of two streams differ. */
function differencesOf(before: string, after: string): number {
  const later = tablesOf(after);
  return tablesOf(before).reduce((sum, { tces }, i) => {
    const [was, is] = [new Map(tces), new Map(later[i]!.tces)];
    return sum + [...new Set([...was.keys(), ...is.keys()])].filter((k) => was.get(k) !== is.get(k)).length;
  }, 0);
}

describe("diff of saved machines", () => {
  it.each([
    [IDLE, LOADED, 0],
    ["vio-vscsi-vlan-linux61--vio-after-io", "vio-vscsi-vlan-linux61--vio-under-load", 16],
    [
      "memory-hotplug-dimms-1536m-linux61--before-dimms",
      "memory-hotplug-dimms-1536m-linux61--after-two-dimms",
      80,
    ],
  ])("finds what the references differ in: %s, %s", async (before, after, entries) => {
    expect(differencesOf(before, after)).toBe(entries);
    const { status, stdout } = await cli(["diff", stream(before), stream(after), "--output", "json"]);
    expect(status).toBe(0);
    const changes: { what: string; pages: number }[] = JSON.parse(stdout);
    expect(changes.every(({ what }) => what === "entries")).toBe(true);
    expect(changes.reduce((sum, { pages }) => sum + pages, 0)).toBe(entries);
  });
});

describe("info of a saved machine", () => {
  it("shows the windows that are there", async () => {
    const { stdout } = await cli(["info", stream(LOADED)]);
    const there = tablesOf(LOADED).filter(({ entries }) => entries > 0);
    expect(stdout.match(/tce-iommu-/g)).toHaveLength(there.length);
    for (const { liobn } of there) expect(stdout).toContain(`tce-iommu-${liobn.slice(2)} `);
  });

  it("foretells what the tables cost, as the stream has them", async () => {
    const forecasts = JSON.parse(
      (await cli(["info", stream(LOADED), "--migration", "--output", "json"])).stdout,
    );
    const tables = tablesOf(LOADED);
    expect(forecasts).toHaveLength(tables.length);
    forecasts.forEach((forecast: Record<string, unknown>, i: number) => {
      const { liobn, entries } = tables[i]!;
      expect(forecast).toMatchObject({ liobn, entries, bytes: 42 + 8 * entries });
    });
    const { stdout } = await cli(["info", stream(LOADED), "--migration"]);
    expect(stdout).toMatch(/^0x80000000 at 0x0{16}, 4 KiB pages: 2 MiB, .* of standstill$/m);
    expect(stdout).toMatch(/^all tables: .* of standstill$/m);
  });

  it("foretells from a trace what a window costs, but not where it would guess", async () => {
    const created = "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1\n";
    const { stdout, stderr } = await cli(["info", "-", "--migration"], created);
    expect(stderr).toBe("");
    expect(stdout).toContain("all tables: 2 MiB");
    const used = "spapr_iommu_pci_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=0\n";
    const guessed = await cli(["info", "-", "--migration"], used);
    expect(guessed.stderr).toContain(
      "stdin: warning: left out, because no event tells its length: 0x80000000",
    );
    expect(guessed.stdout).toContain("all tables: 0 ");
  });
});

describe("convert of a saved machine", () => {
  it("writes it without its guest's memory, packed or not, and never half", async () => {
    const name = "hash-table-power8-firmware";
    const plain = path.join(folder, "blank.mig");
    const packed = path.join(folder, "blank.mig.gz");
    for (const file of [plain, packed]) {
      const { status, stderr } = await cli(["convert", stream(name), file]);
      expect(status, stderr).toBe(0);
      expect(stderr).toMatch(/blank\.mig(\.gz)?: [\d,]+ pages of guest memory made zero\n$/);
    }
    const bytes = readFileSync(plain);
    expect(bytes.length).toBe(recordedStream(name).length);
    expect(Buffer.compare(gunzipSync(readFileSync(packed)), bytes)).toBe(0);
    expect(await cli(["map", packed, "--raw"])).toEqual(await cli(["map", stream(name), "--raw"]));
    expect(bytes.includes("magic123")).toBe(false);
    expect((await cli(["convert", stream(name), plain])).stderr).toContain("exists; --force overwrites it");
    const cut = written("cut.mig", bytes.subarray(0, 200_000));
    const failed = await cli(["convert", cut, path.join(folder, "never.mig")]);
    expect(failed).toMatchObject({ status: 1, stdout: "" });
    expect(failed.stderr).toMatch(/cut\.mig: migration stream, byte 200000 .*: the stream ends within/);
    const piped = await cli(["convert", "-", path.join(folder, "never.mig")], bytes);
    expect(piped.stderr).toContain("stdin: is read twice for this");
    expect(readdirSync(folder).filter((file) => file.includes("never"))).toEqual([]);
  });
});

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { recordedFile, recordedReference, recordedStream } from "../formats/migration/sources.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { some } from "../helpers/some.ts";
import { cli } from "./cli.ts";

const STREAMS = path.resolve(import.meta.dirname, "../corpus/migration");
const packed = (name: string): string => path.join(STREAMS, `${name}.mig.gz`);
const IDLE = "two-phbs-virtio-e1000-linux61--two-phbs-idle";
const LOADED = "two-phbs-virtio-e1000-linux61--two-phbs-under-load";
/** All of them are read by test/formats/migration. */
const SOME = ["vio-vscsi-vlan-linux61--vio-under-load", "pgsz-256m-linux61--pgsz-256m"];

const folder = scratchFolder();
const stream = (name: string): string => recordedFile(folder, name);
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
  it.each(SOME)("gives exactly the tables of the reference: %s", async (name) => {
    const { status, stdout } = await cli(["map", stream(name), "--raw", "--output", "json"]);
    expect(status).toBe(0);
    // As text: many thousands of entries.
    expect(stdout === `${JSON.stringify(tablesOf(name))}\n`).toBe(true);
  });

  it("reads a plain file and a pipe as it reads a packed file", async () => {
    const bytes = recordedStream(LOADED);
    const result = await cli(["map", packed(LOADED)]);
    expect(result.stdout).toContain("LIOBN 0x80000000 at 0x0000000000000000, 262,144 pages of 4 KiB");
    expect(await cli(["map", stream(LOADED)])).toEqual(result);
    expect(await cli(["map", "-"], bytes)).toEqual(result);
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
  const PAIRS = [
    [IDLE, LOADED, 0],
    [
      "memory-hotplug-dimms-1536m-linux61--before-dimms",
      "memory-hotplug-dimms-1536m-linux61--after-two-dimms",
      80,
    ],
    ["vio-vscsi-vlan-linux61--vio-after-io", "vio-vscsi-vlan-linux61--vio-under-load", 16],
  ] as const;
  it.each(some(PAIRS, 2))("finds what the references differ in: %s, %s", async (before, after, entries) => {
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
      "stdin: warning: left out, because no event shows its length: 0x80000000",
    );
    expect(guessed.stdout).toContain("all tables: 0 ");
  });
});

describe("convert of a saved machine", () => {
  it("writes it without its guest's memory, packed or not, and never half", async () => {
    const name = "hash-table-power8-firmware";
    const plain = path.join(folder, "blank.mig");
    const zipped = path.join(folder, "blank.mig.gz");
    for (const file of [plain, zipped]) {
      const { status, stderr } = await cli(["convert", stream(name), file]);
      expect(status, stderr).toBe(0);
      expect(stderr).toMatch(/blank\.mig(\.gz)?: [\d,]+ pages of guest memory made zero\n$/);
    }
    const bytes = readFileSync(plain);
    expect(bytes.length).toBe(recordedStream(name).length);
    expect(Buffer.compare(gunzipSync(readFileSync(zipped)), bytes)).toBe(0);
    expect(await cli(["map", zipped, "--raw"])).toEqual(await cli(["map", stream(name), "--raw"]));
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

const TRACES = path.resolve(import.meta.dirname, "../corpus/traces");
const trace = (name: string): string => path.join(TRACES, `${name}.log.gz`);

describe("check of a saved machine", () => {
  it("finds nothing in a recorded one, and says up to where a damaged one could be read", async () => {
    const { status, stdout } = await cli(["check", stream(IDLE)]);
    expect([status, stdout]).toEqual([
      0,
      `${stream(IDLE)}: migration-stream, 30 sections, 28 as described, 4 windows, nothing found\n`,
    ]);
    const plain = recordedStream(IDLE);
    const cut = written("check-cut.mig", plain.subarray(0, plain.length - 30_000));
    const whole = readFileSync(packed(IDLE));
    for (const file of [cut, written("check-cut.mig.gz", whole.subarray(0, 500_000))]) {
      const result = await cli(["check", file, "--output", "json"]);
      expect(result.status).toBe(2);
      const { findings } = JSON.parse(result.stdout).files[0];
      expect(findings).toMatchObject([{ kind: "truncated", severity: "error" }]);
      if (file === cut) expect(findings[0].lines).toEqual([plain.length - 30_000]);
    }
    const piped = await cli(["check", "-", "--output", "json"], plain.subarray(0, 100_000));
    expect(JSON.parse(piped.stdout).files[0].findings[0].lines).toEqual([100_000]);
  });

  it("names what is no machine's header, with the section", async () => {
    const bytes = recordedStream(IDLE);
    const at = Buffer.from(bytes).indexOf("spapr_iommu") + "spapr_iommu".length + 8 + 8;
    const { status, stdout } = await cli(["check", written("bypass.mig", bytes.with(at, 1))]);
    expect(status).toBe(2);
    expect(stdout).toMatch(/bypass\.mig:\d+: error: mismatch: liobn 0x80000000: .*bypass is set/);
  });
});

describe("check of a trace against a saved machine", () => {
  const PAGES = "pgsz-256m-linux61";
  const SAVED = stream(`${PAGES}--pgsz-256m`);

  it("counts what agrees, and is fine if nothing differs", async () => {
    const { status, stdout } = await cli(["check", trace(PAGES), "--against", SAVED]);
    expect(status).toBe(0);
    expect(stdout).toContain(
      "before event 1278 (line 1279) against " +
        `${SAVED}: 262 entries agree, 30 inferred ones are confirmed, 0 are unknown to the trace (0 of them not zero), 0 differ\n`,
    );
    const json = JSON.parse(
      (await cli(["check", trace(PAGES), "--against", SAVED, "--output", "json"])).stdout,
    );
    expect(json.files[0]).toMatchObject({
      format: "qemu-log",
      mismatches: 0,
      findings: [],
      against: {
        file: SAVED,
        before: 1278,
        line: 1279,
        saves: 1,
        windows: [
          { liobn: "0x80000000", entries: 262_144, agreed: 260, confirmed: 28, unknown: 0, differing: 0 },
          { liobn: "0x80000001", entries: 4, agreed: 2, confirmed: 2, unknown: 0, differing: 0 },
        ],
      },
    });
  });

  it("takes either of the two from standard input", async () => {
    const bytes = recordedStream(`${PAGES}--pgsz-256m`);
    const piped = await cli(["check", trace(PAGES), "--against", "-"], bytes);
    expect(piped.status).toBe(0);
    expect(piped.stdout).toContain("against stdin: 262 entries agree");
  });

  it("is wrong with another machine, at another time, and says so", async () => {
    const later = await cli(["check", trace(PAGES), "--against", SAVED, "--at", "100"]);
    expect(later.status).toBe(2);
    expect(later.stdout).toMatch(/before event 101 \(line \d+\) against .*, \d+ differ/);
    const other = await cli(["check", trace("pgsz-4k-only-linux61"), "--against", SAVED]);
    expect(other.status).toBe(2);
    expect(other.stdout).toContain(
      "the window has 131,072 pages of 2^12 bytes at 0x800000000000000 by the trace",
    );
  });

  it.each([
    {
      args: [trace(PAGES), trace(PAGES), "--against", SAVED],
      status: 1,
      reason: /one trace is compared .* here are 2/,
    },
    {
      args: [SAVED, "--against", SAVED],
      status: 1,
      reason: /are both saved machines: diff shows/,
    },
    { args: [trace(PAGES), "--against", trace(PAGES)], status: 1, reason: /is no migration stream/ },
    { args: [trace(PAGES), "--against", "nowhere.mig"], status: 1, reason: /nowhere\.mig: no such file/ },
    { args: ["-", "--against", "-"], status: 1, reason: /not both/ },
    { args: ["script.jsonl", "--against", SAVED], status: 1, reason: /is an op script; it wants a trace/ },
    {
      args: [trace(PAGES), "--at", "7"],
      status: 1,
      reason: /--at says when the stream of --against was taken/,
    },
    {
      args: [trace(PAGES), "--against", SAVED, "-F", "pci_put"],
      status: 1,
      reason: /the windows would be wrong/,
    },
    { args: [SAVED, "-F", "pci_put"], status: 1, reason: /a saved machine has no events to filter/ },
    { args: [trace(PAGES), "--against", SAVED, "--at", "1.5"], status: 1, reason: /has no times/ },
    {
      args: [path.join(TRACES, "dma-ppc64le-linux612-planted.txt.gz"), "--against", SAVED],
      status: 63,
      reason: /dma events show mappings, not windows/,
    },
  ])("is refused: $reason", async ({ args, status, reason }) => {
    const result = await cli(["check", ...args]);
    expect(result.status).toBe(status);
    expect(result.stdout).toBe("");
    expect(result.stderr).toMatch(reason);
  });
});

it("a trace and a saved machine agree on which window is the default one", async () => {
  for (const name of ["vio-vscsi-vlan-linux61--vio-under-load", LOADED]) {
    const flags = async (file: string): Promise<[string, boolean][]> =>
      JSON.parse((await cli(["map", file, "--raw", "--output", "json"])).stdout)
        .filter(({ entries }: { entries: number }) => entries > 0)
        .map(({ liobn, defWin }: { liobn: string; defWin: boolean }) => [liobn, defWin]);
    expect(await flags(trace(name.split("--")[0]!))).toEqual(await flags(stream(name)));
  }
});

import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { aliveAt } from "../../src/check/whole/alive-at.ts";
import { checkTrace } from "../../src/check/whole/check-trace.ts";
import type { InputOptions } from "../../src/check/whole/input-options.ts";
import { measureTrace } from "../../src/check/whole/measure-trace.ts";
import { windowsAt } from "../../src/check/whole/windows-at.ts";
import type { InputData } from "../../src/formats/input/input-data.ts";
import { cli } from "../cli/cli.ts";
import { readAll } from "../formats/recording/read-all.ts";
import { corpusNames, readCorpus } from "../helpers/corpus.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { some } from "../helpers/some.ts";

const folder = scratchFolder();

/** What another program counts in a recording. */
interface Facts {
  readonly kind: string;
  readonly records?: Readonly<Record<string, number>>;
  readonly lost?: readonly {
    readonly buffer: string;
    readonly cpu: number;
    readonly events: number | null;
  }[];
  readonly events_by_device?: Readonly<Record<string, number>>;
  readonly first_time?: number | null;
  readonly last_time?: number | null;
  readonly pairing?: Readonly<Record<string, { readonly alive_at_end: number }>>;
  readonly events_of_text?: number;
  readonly devices_of_text?: Readonly<Record<string, number>>;
  readonly alive_of_text?: number;
}

const FACTS = JSON.parse(
  readFileSync(new URL("../corpus/recordings/facts.json", import.meta.url), "utf8"),
) as Readonly<Record<string, Facts>>;

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);
const MAPS = /^dma:dma_(?:map_page|map_phys|map_resource|map_sg|alloc|alloc_pages|alloc_sgt)$/;
const UNMAPS = /^dma:dma_(?:unmap_|free)/;

/** How many records of a buffer have names like these. */
const countOf = ({ records = {} }: Facts, buffer: string | undefined, names: RegExp): number =>
  sum(
    Object.entries(records).flatMap(([key, times]) => {
      const [before, name = before] = key.split("/") as [string, string?];
      return (name === before ? undefined : before) === buffer && names.test(name) ? [times] : [];
    }),
  );

const buffersOf = ({ pairing = {} }: Facts): (string | undefined)[] => {
  const names = Object.keys(pairing).map((name) => (name === "top" ? undefined : name));
  return names.length === 0 ? [undefined] : names;
};

const DAT = Object.entries(FACTS)
  .filter(([, { kind }]) => kind === "trace.dat")
  .flatMap(([name, facts]) => buffersOf(facts).map((buffer) => ({ name, facts, buffer })));

/** Recordings whose times are read: that of other dates, and some. */
const TIMED = new Set([...some(DAT, 3).map(({ name }) => name), "612-date.dat"]);

it("every recording has facts", () => {
  expect(corpusNames("recordings", ".gz").filter((name) => /\.(?:dat|data)$/.test(name))).toEqual(
    Object.keys(FACTS).sort(),
  );
});

describe.each(DAT)("$name, buffer $buffer", ({ name, facts, buffer }) => {
  it("has what another program counts in it", async () => {
    const {
      devices = [],
      lost,
      events,
      judged,
      findings,
    } = await checkTrace(readCorpus("recordings", name), {
      buffer,
    });
    expect(events).toBe(countOf(facts, buffer, /^dma:/));
    expect(sum(devices.map(({ maps }) => maps))).toBe(countOf(facts, buffer, MAPS));
    expect(sum(devices.map(({ unmaps }) => unmaps))).toBe(countOf(facts, buffer, UNMAPS));
    expect(sum(devices.map(({ alive }) => alive))).toBe(facts.pairing?.[buffer ?? "top"]?.alive_at_end ?? 0);
    expect(lost!.map(({ cpu, events: missing }) => ({ buffer: buffer ?? "", cpu, events: missing }))).toEqual(
      facts.lost!.filter((row) => row.buffer === (buffer ?? "")),
    );
    if (buffersOf(facts).length === 1)
      expect(devices.map(({ device }) => device).sort()).toEqual(Object.keys(facts.events_by_device!).sort());
    // Nothing is wrong in any of them.
    expect(findings.filter(({ kind }) => !["lost-events", "window-full"].includes(kind))).toEqual([]);
    expect(judged.ranges).toBe(countOf(facts, buffer, /^iommu:map$/));
  });

  if (buffersOf(facts).length > 1 || !TIMED.has(name)) return;

  it("has the times of its records", async () => {
    const { times } = await readAll(readCorpus("recordings", name), buffer);
    const real = times.filter((time) => time >= 0n);
    const shift = name === "612-date.dat" ? 0x66149f1021bffn * 1000n : 0n;
    const [first = null, last = null] = [real[0], real.at(-1)].map((time) =>
      time === undefined ? null : Number(time - shift),
    );
    expect({ first, last }).toEqual({ first: facts.first_time, last: facts.last_time });
    expect(real).toEqual([...real].sort((a, b) => (a < b ? -1 : 1)));
  });
});

describe.each(Object.entries(FACTS).filter(([, { events_of_text }]) => events_of_text !== undefined))(
  "%s",
  (name, facts) => {
    it("has what its text has", async () => {
      const { events, devices = [] } = await checkTrace(readCorpus("recordings", name));
      expect(events).toBe(facts.events_of_text);
      expect(devices.map(({ device }) => device).sort()).toEqual(Object.keys(facts.devices_of_text!).sort());
      expect(sum(devices.map(({ alive }) => alive))).toBe(facts.alive_of_text);
    });
  },
);

const EMPTY = "test/corpus/recordings/ppc64le-64k-72-v6-empty.dat.gz";

it.each(["stat", "alive", "map", "info"])(
  "%s of a recording into which no event came is not fine",
  async (verb) => {
    const { status, stdout, stderr } = await cli([verb, EMPTY]);
    expect(status).toBe(3);
    expect(stdout + stderr).toMatch(/none came|something is missing/);
  },
);

it("nothing is fine in a recording into which no event came", async () => {
  const { status, stdout } = await cli(["check", "--color", "never", EMPTY]);
  expect({ status, stdout }).toMatchObject({
    status: 3,
    stdout: expect.stringMatching(
      /linux-dma, 0 events .*not judged: 1 recording for which dma events were switched on, and none came\n$/s,
    ),
  });
});

describe("perf.data in other forms", () => {
  it.each(["72-perf-pipe.data", "72-perf613-z.data"])("%s is read", async (name) => {
    const { events, judged, findings } = await checkTrace(readCorpus("recordings", name));
    expect({ events, maps: judged.maps, unmaps: judged.unmaps, findings }).toEqual({
      events: 47,
      maps: 23,
      unmaps: 24,
      findings: [],
    });
  });
});

describe("what an input cannot have", () => {
  const text =
    "  a-1 [000] ..... 1.000000: dma_unmap_phys: 0000:00:01.0 dma_addr=1000 size=4096 dir=TO_DEVICE attrs=\n";
  const reads = {
    check: checkTrace,
    stat: measureTrace,
    map: (input, options) => windowsAt(input, undefined, options),
    alive: (input, options) => aliveAt(input, undefined, options),
  } satisfies Record<string, (input: InputData, options: InputOptions) => Promise<unknown>>;

  it.each(Object.entries(reads))("is refused: %s", async (_, read) => {
    await expect(read(text, { buffer: "second" })).rejects.toThrow(
      'is no trace.dat, and has no buffer "second"',
    );
    await expect(read(text, { snapshot: "old" })).rejects.toThrow(
      'is no saved machine, and has no snapshot "old"',
    );
    const perf = readCorpus("recordings", "72-perf.data");
    await expect(read(perf, { buffer: "second" })).rejects.toThrow(
      'is no trace.dat, and has no buffer "second"',
    );
  });
});

describe("a recording that was cut", () => {
  const cut = readCorpus("recordings", "72-perf-pipe.data").subarray(0, -1);

  it.each(["map", "info", "diff", "convert"])("is not passed over by %s", async (verb) => {
    const file = path.join(folder, "cut.data");
    writeFileSync(file, cut);
    const rest = { diff: [file], convert: [path.join(folder, "cut.csv")] }[verb] ?? [];
    const { stderr } = await cli([verb, file, ...rest]);
    expect(stderr).toContain("warning: perf.data, byte 89184 (0x15c60): the file ends here");
  });
});

describe("a recording with several buffers", () => {
  it("says which ones were not read", async () => {
    const { notJudged } = await checkTrace(readCorpus("recordings", "612-two-buffers.dat"));
    expect(notJudged).toEqual([{ count: 1, reason: "buffer of the recording: second" }]);
  });

  it("refuses a name that none has", async () => {
    const reading = checkTrace(readCorpus("recordings", "612-two-buffers.dat"), {
      name: "two.dat",
      buffer: "third",
    });
    await expect(reading).rejects.toMatchObject({
      code: "BAD_ARGUMENT",
      message: 'two.dat: no buffer "third": there are the top one, second',
    });
  });
});

describe("a recording of which the data of a CPU is damaged", () => {
  const bytes = readCorpus("recordings", "612-v6.dat");
  const page = bytes.length - 4096;

  it.each([
    ["the last page, of zeros", bytes.slice().fill(0, page), "a page of zeros", "CPU 0"],
    ["the first page, of zeros", bytes.slice().fill(0, page - 4096, page), "a page of zeros", "CPU 1"],
    ["the last page, cut", bytes.slice(0, -1), "1 bytes too early", "CPU 0"],
  ])("%s: it is said, and what the other one did is not judged", async (_name, damaged, what, cpu) => {
    const { findings, notJudged, events } = await checkTrace(damaged);
    expect(events).toBeGreaterThan(20);
    expect(findings.map(({ kind, message }) => [kind, message.includes(what)])).toEqual([
      ["truncated", true],
    ]);
    expect(JSON.stringify(notJudged)).toContain(`only events of ${cpu} are there`);
  });

  it("has the times of the others", async () => {
    const whole = await readAll(bytes);
    const { times } = await readAll(bytes.slice().fill(0, page - 4096, page));
    const all = new Set(whole.times);
    expect(times.filter((time) => time >= 0n && !all.has(time))).toEqual([]);
  });
});

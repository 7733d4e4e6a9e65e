import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Certainty } from "../../src/check/rebuild/rebuilt-window.ts";
import type { WindowState } from "../../src/check/state/window-state.ts";
import { rangesLine, windowLine } from "../../src/cli/occupancy-line.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import { Random } from "../helpers/random.ts";
import { cli, onTerminal } from "./cli.ts";

const MAPPED = 0x1003;
const BLOCK = /[▁▂▃▄▅▆▇█]/;
const trace = (name: string): string => path.join(import.meta.dirname, "../corpus/traces", name);
const BOOT = trace("nvme-e1000-1g-linux61.log.gz");
const SHORT = trace("pgsz-256m-linux61.log.gz");
const PLANTED = trace("dma-ppc64le-linux612-planted.txt.gz");

/** A window, of which some entries are mapped, and of some nobody knows. */
function windowOf(entries: number, fill: (table: TceTable, certainties: TceTable) => void): WindowState {
  const table = new TceTable({ length: entries, pageShift: 12 });
  const certainties = new TceTable({ length: entries, pageShift: 0 });
  fill(table, certainties);
  const facts = { liobn: 0x8000_0000, busOffset: 0n, pageShift: 12, entries, bypass: false };
  const sure = { defaultWindow: true, assumedParts: [], assumed: false, isGuess: false };
  return { ...facts, ...sure, table, certainties };
}

const cellsOf = (line: string): string => /^\[(.*)\]/.exec(line)![1]!;

let locale: string | undefined;
beforeEach(() => {
  locale = process.env.LC_ALL;
  process.env.LC_ALL = "C.UTF-8";
});
afterEach(() => {
  if (locale === undefined) delete process.env.LC_ALL;
  else process.env.LC_ALL = locale;
});

describe("the line of a window", () => {
  it("shows any single page of 128 TiB, where it is", () => {
    const entries = 2 ** 35;
    const random = new Random(15);
    for (let i = 0; i < 50; i++) {
      const index = random.below(2 ** 31) * 16 + random.below(16);
      const line = windowLine(windowOf(entries, (table) => table.put(index, 0, MAPPED)));
      const expected = Array.from({ length: 64 }, (_, cell) =>
        cell === Math.floor(index / 2 ** 29) ? "▁" : " ",
      );
      expect(line).toBe(`[${expected.join("")}] 2 TiB a cell`);
    }
  });

  it("looks full only where all pages are mapped, however many they are", () => {
    const whole = windowOf(2 ** 35, (table) => table.fill(0, 2 ** 35, 0, MAPPED));
    expect(cellsOf(windowLine(whole))).toBe("█".repeat(64));
    const holed = windowOf(640, (table) => {
      table.fill(0, 640, 0, MAPPED);
      table.put(15, 0, 0);
      table.fill(20, 5, 0, 0);
    });
    expect(cellsOf(windowLine(holed))).toBe(`█▇▄${"█".repeat(61)}`);
  });

  it("has a cell for a page where there are few, and a last one that is smaller", () => {
    expect(windowLine(windowOf(3, (table) => table.put(1, 0, MAPPED)))).toBe("[ █ ] 4 KiB a cell");
    expect(windowLine(windowOf(65, (table) => table.put(64, 0, MAPPED)))).toBe(
      `[${" ".repeat(32)}█] 8 KiB a cell`,
    );
  });

  it("says where nobody knows, unless something is mapped there", () => {
    const state = windowOf(128, (table, certainties) => {
      certainties.fill(0, 6, 0, Certainty.UNKNOWN);
      certainties.put(8, 0, Certainty.INFERRED);
      table.put(5, 0, MAPPED);
      table.put(2, 0, MAPPED);
      certainties.put(2, 0, Certainty.KNOWN);
      table.put(8, 0, MAPPED);
    });
    expect(cellsOf(windowLine(state))).toBe(`?▄? ▄${" ".repeat(59)}`);
  });

  it("is ASCII where the terminal has nothing else", () => {
    process.env.LC_ALL = "C";
    const state = windowOf(640, (table, certainties) => {
      for (let cell = 0; cell < 10; cell++) table.fill(cell * 10, cell + 1, 0, MAPPED);
      certainties.fill(630, 10, 0, Certainty.UNKNOWN);
    });
    expect(cellsOf(windowLine(state))).toBe(`.:--=++*%#${" ".repeat(53)}?`);
  });

  it("is no wider than the terminal", async () => {
    await onTerminal({ columns: 60 }, async () => {
      const { stdout } = await cli(["info", BOOT, "--no-pager"]);
      const lines = stdout.split("\n").filter((line) => /^ +\[/.test(line));
      expect(lines).toHaveLength(2);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
      expect(lines[1]).toMatch(/\[█+\]/);
    });
  });
});

describe("the line of a device", () => {
  it("goes from the lowest to the highest address, and counts a page once", () => {
    const ranges = [
      { first: 0x10_3000n, last: 0x10_37ffn },
      { first: 0x10_3800n, last: 0x10_4fffn },
      { first: 0x10_0010n, last: 0x10_001fn },
    ];
    expect(rangesLine(ranges)).toBe("[█  ██] 4 KiB a cell");
    expect(rangesLine([{ first: 0n, last: 2n ** 64n - 1n }])).toBe(`[${"█".repeat(64)}] 256 PiB a cell`);
  });
});

describe("occupancy in the terminal", () => {
  it.each(["map", "info"])("is in what %s prints for people, and in nothing else", async (verb) => {
    for (const file of [SHORT, PLANTED]) {
      expect((await cli([verb, file])).stdout).toMatch(BLOCK);
      for (const form of ["json", "jsonl", "csv"])
        expect((await cli([verb, file, "--output", form])).stdout).not.toMatch(BLOCK);
    }
  });

  it("is summed up by stat first: what its parts say", async () => {
    const { stdout } = await cli(["stat", BOOT]);
    const rows = stdout.split("\n").slice(1, 7);
    expect(rows[0]).toMatch(/^window +events +calls +pages mapped +unmapped +half end within$/);
    expect(rows[3]).toMatch(/^LIOBN 0x80000000 +18,957 +6,814 +3,310 +3,022 +2,048 events$/);
    const json = JSON.parse((await cli(["stat", BOOT, "--output", "json"])).stdout);
    const cells = json.windows[1].lifetimes;
    const below = (end: number): number => cells.slice(0, end).reduce((a: number, b: number) => a + b, 0);
    expect(below(11)).toBeGreaterThanOrEqual(below(cells.length) / 2);
    expect(below(10)).toBeLessThan(below(cells.length) / 2);
  });

  it("is summed up by device and direction, too", async () => {
    const { stdout } = await cli(["stat", PLANTED]);
    expect(stdout.split("\n").find((line) => line.startsWith("0000:00:04.0  TO_DEVICE"))).toMatch(
      /271 +269 +984\.09 MiB +984\.01 MiB +134 ms$/,
    );
  });
});

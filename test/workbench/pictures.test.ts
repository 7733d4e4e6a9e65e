import { describe, expect, it } from "vitest";
import { emptyCells } from "../../src/workbench/desk/contents.ts";
import { LifePicture } from "../../src/workbench/desk/life-picture.ts";
import { heatPicture } from "../../src/workbench/draw/heat-picture.ts";
import { LANE_HEIGHT, lanePicture } from "../../src/workbench/draw/lane-picture.ts";
import { lifePicture } from "../../src/workbench/draw/life-lines.ts";
import {
  Bars,
  INKS,
  type Ink,
  inkOf,
  type Picture,
  type Renderer,
} from "../../src/workbench/draw/renderer.ts";
import { sparkPath } from "../../src/workbench/draw/spark-line.ts";
import { SvgRenderer } from "../../src/workbench/draw/svg-renderer.ts";
import type { HeatRows } from "../../src/workbench/protocol.ts";
import { EVENT_CLASSES, type EventClass, type Lanes } from "../../src/workbench/protocol.ts";

interface Bar {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly ink: Ink;
}

/** Draws nowhere, and has what was drawn. */
class Recorder implements Renderer {
  readonly bars: Bar[] = [];
  readonly words: string[] = [];

  draw({ bars, labels }: Picture): void {
    for (let i = 0; i < bars.count; i++) {
      const [x, y, width, height] = [bars.x[i]!, bars.y[i]!, bars.width[i]!, bars.height[i]!];
      this.bars.push({ x, y, width, height, ink: INKS[bars.inks[i]!]! });
    }
    this.words.push(...labels.map(({ text }) => text));
  }

  of(ink: Ink): Bar[] {
    return this.bars.filter((bar) => bar.ink === ink);
  }
}

function drawn(picture: Picture): Recorder {
  const recorder = new Recorder();
  recorder.draw(picture);
  return recorder;
}

function lanesWith(
  counts: readonly (readonly [lane: number, kind: EventClass, column: number, n: number])[],
): Lanes {
  const columns = 4;
  const lanes: Lanes = {
    axis: "event",
    from: 0,
    to: 8,
    columns,
    events: Float64Array.of(0, 2, 4, 6, 8),
    counts: new Uint32Array(2 * EVENT_CLASSES.length * columns),
    mapped: Float64Array.of(0, 1, 4, 4, 0, 0, 0, 0),
  };
  for (const [lane, kind, column, n] of counts)
    lanes.counts[(lane * EVENT_CLASSES.length + EVENT_CLASSES.indexOf(kind)) * columns + column] = n;
  return lanes;
}

describe("lanes of time", () => {
  const all = { lanes: [0, 1], classes: new Set(EVENT_CLASSES) };

  it("have maps above the middle and unmaps below, as high as the largest lets them", () => {
    const picture = drawn(
      lanePicture(
        lanesWith([
          [0, "map", 0, 10],
          [0, "unmap", 1, 5],
          [0, "map", 2, 1],
        ]),
        ["a", "b"],
        40,
        all,
      ),
    );
    const [large, small] = picture.of("map");
    const [unmap] = picture.of("unmap");
    expect(large).toMatchObject({ x: 0, width: 10 });
    expect(large!.y + large!.height).toBe(unmap!.y);
    expect(unmap!.height).toBeCloseTo(large!.height / 2);
    expect(small!.height).toBeCloseTo(large!.height / 10);
    expect(picture.words).toEqual(["a", "b"]);
  });

  it("give what is rare a pixel", () => {
    const picture = drawn(
      lanePicture(
        lanesWith([
          [1, "map", 0, 1_000_000],
          [1, "map", 3, 1],
        ]),
        ["a", "b"],
        40,
        all,
      ),
    );
    expect(picture.of("map").map(({ height }) => height >= 1)).toEqual([true, true]);
    expect(picture.of("map")[1]!.y).toBeGreaterThan(LANE_HEIGHT);
  });

  it("show faults at the top, unless the legend takes them away", () => {
    const lanes = lanesWith([[0, "fault", 2, 1]]);
    expect(drawn(lanePicture(lanes, ["a", "b"], 40, all)).of("fault")).toMatchObject([{ x: 20, y: 1 }]);
    const without = { ...all, classes: new Set<EventClass>(["map"]) };
    expect(drawn(lanePicture(lanes, ["a", "b"], 40, without)).of("fault")).toEqual([]);
  });
});

/** Rows from page 0 on, of which none is folded. */
const rowsAt = (shift: number, count: number): HeatRows => ({
  shift,
  starts: Float64Array.from({ length: count }, (_, i) => i * 64 * 2 ** shift),
  folds: new Float64Array(count).fill(1),
});

describe("the heat map", () => {
  const size = { width: 640, cellHeight: 10 };

  it("gives a single page of a cell of a million ink", () => {
    const cells = emptyCells(0, rowsAt(20, 2), false);
    cells.mapped[70] = 1;
    cells.access[70] = 1 << 3;
    const picture = drawn(heatPicture(cells, "permission", size, 2 ** 31, 10));
    expect(picture.of("both-1")).toEqual([{ x: 60, y: 10, width: 9, height: 9, ink: "both-1" }]);
    expect(picture.of("empty")).toHaveLength(127);
  });

  it("has colours for permissions, what is not sure, and what changed", () => {
    const cells = emptyCells(0, rowsAt(0, 2), true);
    cells.mapped.set([1, 1, 1, 0, 1]);
    cells.access.set([1 << 1, 1 << 2, 1 << 3, 0, 1 << 3]);
    cells.unknown[3] = 1;
    cells.inferred[4] = 1;
    cells.came[0] = 1;
    cells.went[5] = 1;
    const inks = (colour: "permission" | "change" | "certainty"): Ink[] =>
      drawn(heatPicture(cells, colour, size, 6, 10)).bars.map(({ ink }) => ink);
    expect(inks("permission")).toEqual([
      "read-4",
      "write-4",
      "both-4",
      "unknown",
      "both-4",
      "inferred",
      "empty",
    ]);
    expect(inks("change")).toEqual(["came", "occupancy", "occupancy", "unknown", "occupancy", "went"]);
    expect(inks("certainty")).toEqual(["read-3", "read-3", "read-3", "unknown", "inferred", "empty"]);
  });

  it("has a line for a folded row, which is one cell", () => {
    const rows = { shift: 0, starts: Float64Array.of(0, 64, 6464), folds: Float64Array.of(1, 100, 1) };
    const cells = emptyCells(0, rows, false);
    cells.unknown[64] = 5;
    const picture = drawn(heatPicture(cells, "permission", size, 1e6, 10));
    expect(picture.of("unknown")).toEqual([{ x: 0, y: 13, width: 639, height: 3, ink: "unknown" }]);
    expect(picture.of("empty")).toHaveLength(128);
  });

  it("has colours for sizes and owners", () => {
    const cells = emptyCells(0, rowsAt(0, 1), false);
    cells.mapped.set([1, 1, 1, 1]);
    cells.sizes.set([1, 3, 256, 257]);
    cells.owners.set([1, 9, 255, 0]);
    const inks = (colour: "size" | "owner"): Ink[] =>
      drawn(heatPicture(cells, colour, size, 4, 10)).bars.map(({ ink }) => ink);
    expect(inks("size")).toEqual(["age-1", "age-2", "age-4", "age-5"]);
    expect(inks("owner")).toEqual(["owner-1", "owner-9", "several", "before"]);
  });

  it("draws nothing behind the end of a window", () => {
    expect(drawn(heatPicture(emptyCells(0, rowsAt(0, 2), false), "age", size, 5, 1)).bars).toHaveLength(5);
  });
});

describe("lifetimes", () => {
  // One row of 1024 pages.
  const rows = rowsAt(4, 1);
  const plan = { from: 0, to: 100, rows, columns: 100, height: 50 };

  it("reach the edge where nobody unmaps, and begin there where nobody saw the map", () => {
    const picture = new LifePicture(plan);
    picture.add(10, 20, 0, 1);
    picture.add(30, Number.POSITIVE_INFINITY, 500, 20);
    const { starts, ...lines } = picture.lines;
    const shown = drawn(
      lifePicture({ ...lines, starts }, { from: 0, to: 100 }, rows, { width: 200, height: 102.4 }),
    );
    expect(shown.of("life")).toEqual([{ x: 20, y: 0, width: 20, height: 1, ink: "life" }]);
    expect(shown.of("alive")).toEqual([{ x: 60, y: 50, width: 140, height: 2, ink: "alive" }]);
  });

  it("stand in the rows of the heat map, however many these are folded from", () => {
    const folded = { shift: 0, starts: Float64Array.of(0, 64, 6464), folds: Float64Array.of(1, 100, 1) };
    const picture = new LifePicture({ ...plan, rows: folded });
    picture.add(0, 100, 6464, 64);
    picture.add(0, 100, 64, 6400);
    picture.add(0, 100, 6528, 1);
    expect(picture.lines.all).toBe(2);
    const shown = drawn(lifePicture(picture.lines, { from: 0, to: 100 }, folded, { width: 100, height: 30 }));
    expect(shown.of("life").map(({ y, height }) => [y, height])).toEqual([
      [20, 10],
      [10, 10],
    ]);
  });

  it("are one line where they fall on one place, and none is left out", () => {
    const picture = new LifePicture(plan);
    for (let i = 0; i < 200_000; i++) picture.add(i % 100, (i % 100) + 1 + (i % 7), i % 1000, 1);
    const { count, counts, all } = picture.lines;
    expect(count).toBeLessThan(40_001);
    expect(all).toBe(200_000);
    expect(counts.subarray(0, count).reduce((a, b) => a + b, 0)).toBe(200_000);
  });

  it("are counted where columns twice as wide join none of them", () => {
    const picture = new LifePicture({ ...plan, columns: 1000, height: 2000 });
    for (let i = 0; i < 42_500; i++) {
      const start = (i % 25) * 4;
      const half = Math.floor(i / 25);
      picture.add(start, start + 1, half >> 1, 1 + (half & 1));
    }
    const { count, counts, starts, all } = picture.lines;
    expect([starts.length, counts.length]).toEqual([count, count]);
    expect(counts.reduce((a, b) => a + b, 0)).toBe(all);
  });

  it("outside of the picture are not counted", () => {
    const picture = new LifePicture({ ...plan, from: 50 });
    picture.add(0, 49, 0, 1);
    picture.add(0, 60, 1024, 1);
    picture.add(0, 60, 1023, 1);
    expect(picture.lines.all).toBe(1);
  });
});

describe("SVG", () => {
  const palette = {
    colours: INKS.map((_ink, i) => `#0000${i.toString(16).padStart(2, "0")}`),
    background: "#fff",
    text: "#000",
    family: '"A & B", monospace',
    fontSize: 11,
  };

  it("has what was drawn, in its order, and names of a file as text", () => {
    const bars = new Bars();
    for (const [x, ink] of [
      [0, "map"],
      [10, "map"],
      [20, "inferred"],
      [30, "map"],
    ] as const)
      bars.add(x, 1.005, 5, 2, inkOf(ink));
    const renderer = new SvgRenderer(palette);
    renderer.draw({
      width: 40,
      height: 10,
      bars,
      labels: [{ x: 4, y: 8, text: '<script>"&', align: "right" }],
    });
    const map = palette.colours[inkOf("map")];
    const hatch = `url(#hatch-${inkOf("inferred")})`;
    expect(
      [...renderer.text.matchAll(/<path fill="([^"]+)" d="([^"]+)"/g)].map(([, ...rest]) => rest),
    ).toEqual([
      [map, "M0 1h5v2h-5zM10 1h5v2h-5z"],
      [hatch, "M20 1h5v2h-5z"],
      [map, "M30 1h5v2h-5z"],
    ]);
    expect(renderer.text).toContain(`<pattern id="hatch-${inkOf("inferred")}"`);
    expect(renderer.text).toContain(">&lt;script&gt;&quot;&amp;</text>");
    expect(renderer.text).toContain('font-family="&quot;A &amp; B&quot;, monospace"');
    expect(renderer.text).not.toContain("<script");
  });
});

describe("a spark line", () => {
  it("shows what is mapped at all, of its own lane", () => {
    const lanes = lanesWith([]);
    lanes.mapped.set([0, 1, 0, 1000], 0);
    expect(sparkPath(lanes, 0, 10)).toBe("M0 10L0 10h1L1 9h1L2 10h1L3 0h1L4 10z");
    expect(sparkPath(lanes, 1, 10)).toBe("");
  });
});

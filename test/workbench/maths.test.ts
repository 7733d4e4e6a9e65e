import { describe, expect, it } from "vitest";
import { type Place, placeOfHash, placeToHash } from "../../src/workbench/maths/hash.ts";
import { packText, unpackText } from "../../src/workbench/maths/packed-text.ts";
import {
  inside,
  panned,
  pixelOf,
  revealing,
  stepOf,
  ticksOf,
  valueAt,
  zoomed,
} from "../../src/workbench/maths/view.ts";

const WHOLE = { from: 0, to: 1000 };

describe("a stretch of an axis", () => {
  it("has a pixel for each value, and back", () => {
    const view = { from: 100, to: 300 };
    expect(pixelOf(view, 800, 150)).toBe(200);
    expect(valueAt(view, 800, 200)).toBe(150);
  });

  it.each([
    ["in, around the middle", { from: 0, to: 1000 }, 500, 0.5, { from: 250, to: 750 }],
    ["in, around the left edge", { from: 0, to: 1000 }, 0, 0.5, { from: 0, to: 500 }],
    ["out, past an end", { from: 0, to: 200 }, 100, 2, { from: 0, to: 400 }],
    ["out, past both", { from: 200, to: 900 }, 500, 4, WHOLE],
    ["in, to the least", { from: 400, to: 410 }, 405, 0.1, { from: 401, to: 409 }],
  ])("zooms %s", (_name, view, around, factor, expected) => {
    expect(zoomed(view, WHOLE, around, factor, 8)).toEqual(expected);
  });

  it("keeps what the pointer is on at its pixel", () => {
    const view = { from: 200, to: 600 };
    const before = pixelOf(view, 640, 300);
    expect(pixelOf(zoomed(view, WHOLE, 300, 0.5, 1), 640, 300)).toBeCloseTo(before, 9);
  });

  it("moves, and stops at the ends", () => {
    expect(panned({ from: 0, to: 100 }, WHOLE, 0.25)).toEqual({ from: 25, to: 125 });
    expect(panned({ from: 0, to: 100 }, WHOLE, -0.25)).toEqual({ from: 0, to: 100 });
    expect(inside({ from: 950, to: 1050 }, WHOLE)).toEqual({ from: 900, to: 1000 });
    expect(inside({ from: -50, to: 2000 }, WHOLE)).toEqual(WHOLE);
  });

  it("moves no more than is needed to show a value", () => {
    const view = { from: 100, to: 200 };
    expect(revealing(view, WHOLE, 150)).toBe(view);
    expect(revealing(view, WHOLE, 500)).toEqual({ from: 450, to: 550 });
  });

  it("has round ticks", () => {
    expect(ticksOf({ from: 3, to: 47 }, 5)).toEqual([10, 20, 30, 40]);
    expect(ticksOf({ from: 0, to: 1 }, 5, 1)).toEqual([0, 1]);
    expect([0.3, 1, 1.1, 4, 6, 70].map(stepOf)).toEqual([0.5, 1, 2, 5, 10, 100]);
  });
});

describe("the page's address", () => {
  const full: Place = {
    example: "a b&c.log",
    at: 12,
    space: "0000:00:03.0",
    axis: "time",
    time: { from: 0.25, to: 1e-7 + 0.5 },
    heat: { first: 4096, shift: 3, row: 2 },
    selection: { from: 1, to: 2, first: 3, end: 4 },
    filter: 'dma_map_*: device == "0000:00:03.0" && size > 4096',
    finding: 3,
    mark: 5,
    colour: "age",
    sizes: { side: 320, lines: 120 },
    other: { name: "a, b.mig.gz", event: 7 },
  };

  it("has all of what is shown", () => {
    expect(placeOfHash(`#${placeToHash(full)}`)).toEqual(full);
  });

  it("says nothing of what is as it is at first", () => {
    expect(placeToHash({})).toBe("");
  });

  it("has panels as large as they can be, and no others", () => {
    expect(placeOfHash("size=side:9000,lines:1,window:5,time:x").sizes).toEqual({ side: 640, lines: 56 });
  });

  it.each(["at=x", "time=5,4", "time=1", "heat=1", "sel=1,2,3", "colour=pink", "axis=up", "with=x,y", "%"])(
    "leaves out what it cannot read: %s",
    (hash) => {
      expect(Object.values(placeOfHash(hash)).filter((value) => value !== undefined)).toEqual([]);
    },
  );
});

describe("text in an address", () => {
  it.each(["", "a", "Zürich — 128 TiB\n", '{"op":"note"}\n'.repeat(5000)])(
    "comes back as it was",
    async (text) => {
      const packed = await packText(text);
      expect(packed).toMatch(/^[\w-]*$/);
      expect(packed.length).toBeLessThan(text.length + 40);
      expect(await unpackText(packed, 2 ** 20)).toBe(text);
    },
  );

  it("is refused where it becomes too large, or is none", async () => {
    const packed = await packText("x".repeat(100_000));
    expect(packed.length).toBeLessThan(300);
    await expect(unpackText(packed, 99_999)).rejects.toThrow(/more than 99999 bytes/);
    await expect(unpackText("AAAA", 100)).rejects.toThrow();
    await expect(unpackText("ü", 100)).rejects.toThrow();
  });
});

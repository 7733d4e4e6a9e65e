import { expect, it } from "vitest";
import { Histogram } from "../../../src/check/lifetimes/histogram.ts";

it("has a value in the cell of the highest power of two that is not above it, up to 2^53", () => {
  for (let bits = 1; bits <= 53; bits++) {
    const power = 2 ** bits;
    for (const [value, cell] of [
      [power - 1, bits - 1],
      [power, bits],
      [power * 1.5, bits],
    ] as const) {
      const histogram = new Histogram();
      histogram.add(value);
      expect([value, histogram.cells.length - 1]).toEqual([value, cell]);
    }
  }
});

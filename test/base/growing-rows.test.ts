import { describe, expect, it } from "vitest";
import { GrowingRows } from "../../src/base/growing-rows.ts";
import { Random, runSeed } from "../helpers/random.ts";

describe("rows that grow", () => {
  it.each([0, 1, 256, 257, 16_384, 16_385, 20_000])(
    "are those of a list of %i rows, wherever pieces end, and are found by their first number",
    (length) => {
      const seed = runSeed();
      const random = new Random(seed + length);
      const rows = random.chance(0.5) ? GrowingRows.u32(2) : GrowingRows.f64(2);
      const list: [number, number][] = [];
      for (let row = 0, value = 0; row < length; row++, value += random.below(3)) {
        const at = rows.add();
        rows.numbers[at] = value;
        rows.numbers[at + 1] = row;
        list.push([value, row]);
      }
      expect(rows.length).toBe(length);
      const numbers: number[] = [];
      const first = random.below(length + 1);
      rows.forEachPiece(first, length, (piece, from, to) => {
        for (let at = from; at < to; at++) numbers.push(piece[at]!);
      });
      expect(numbers, `seed ${seed}`).toEqual(list.slice(first).flat());
      for (let round = 0; round < 20; round++) {
        const value = random.below(length + 2);
        const found = [rows.below(value), rows.upTo(value)];
        const expected = [list.filter(([one]) => one < value), list.filter(([one]) => one <= value)];
        expect(found, `seed ${seed}`).toEqual(expected.map((some) => some.length));
        const row = random.below(Math.max(1, length));
        if (length > 0) expect(rows.at(row, 1)).toBe(row);
      }
    },
  );
});

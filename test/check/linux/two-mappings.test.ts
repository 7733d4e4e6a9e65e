import { expect, it } from "vitest";
import { checkTrace } from "../checked.ts";

/** Physical address in the middle of much memory, and sizes of buffers. */
const MIDDLE = 0x8000_0000;
const SIZES = [1522, 4096, 0x10_0000, 0x4000_0000];

/** Where a second buffer of `size` bytes begins that is beside the one in the middle, and what the two share. */
const places = (first: number, size: number) => [
  { begins: MIDDLE, shares: true },
  { begins: MIDDLE + first - 1, shares: true },
  { begins: MIDDLE - size + 1, shares: true },
  { begins: MIDDLE + Math.floor((first - size) / 2), shares: true },
  { begins: MIDDLE + first, shares: false },
  { begins: MIDDLE - size, shares: false },
];

const map = (second: number, dma: string, size: number, physical: number): string =>
  `  nvme-8 [000] d..1. 5.00000${second}: dma_map_page: 0000:00:03.0 dir=FROM_DEVICE dma_addr=${dma} size=${size} phys_addr=${physical.toString(16)} attrs=\n`;

it.each(SIZES.flatMap((first) => SIZES.map((size) => [first, size])))(
  "two buffers that a device writes, of %d bytes and then of %d, are told to share memory if they do",
  (first, size) => {
    const wrong: string[] = [];
    for (const { begins, shares } of places(first, size)) {
      const text = map(1, "100000000", first, MIDDLE) + map(2, "200000000", size, begins);
      const found = checkTrace(text).findings.map(({ kind }) => kind);
      if (found.includes("double-map") !== shares) wrong.push(`${begins.toString(16)}: ${found.join(" ")}`);
    }
    expect(wrong).toEqual([]);
  },
);

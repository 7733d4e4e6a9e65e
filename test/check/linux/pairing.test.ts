import { describe, expect, it } from "vitest";
import { DmaLifetimeTracker } from "../../../src/check/lifetimes/linux-lifetimes.ts";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { checkTrace } from "../checked.ts";

/** Pairs of events: the map, and the unmap that ends it; null where there is none. */
function pairsOf(text: string): (number | null)[][] {
  const pairs: (number | null)[][] = [];
  const reader: DmaLogReader = new DmaLogReader((event) => tracker.handle(event));
  const sink = {
    begin: () => {},
    end: (mapping?: { event: number }, call?: { event: number }) => {
      pairs.push([mapping?.event ?? null, call?.event ?? null]);
    },
  };
  const tracker = new DmaLifetimeTracker(sink, reader);
  reader.push(new TextEncoder().encode(text));
  reader.end();
  tracker.end();
  return pairs;
}

const lines = (...events: string[]): string =>
  events
    .map((event, i) => {
      const [name, rest] = event.split(": ") as [string, string];
      return ` nvme-8 [000] d..1. 5.00000${i}: ${name}: 0000:00:03.0 dir=TO_DEVICE ${rest} attrs=\n`;
    })
    .join("");

const mapPage = (address: string, size: number): string =>
  `dma_map_page: dma_addr=${address} size=${size} phys_addr=9000`;
const unmapPage = (address: string, size: number): string =>
  `dma_unmap_page: dma_addr=${address} size=${size}`;

/** What a checker says of an unmap, and what a table of mappings pairs it with: one answer. */
describe("the check and the lifetimes pair a map with the same unmap", () => {
  it.each([
    {
      name: "the call that belongs to it",
      text: lines("dma_alloc_pages: dma_addr=1000 size=4096", "dma_free_pages: dma_addr=1000 size=4096"),
      found: [],
      pairs: [[0, 1]],
    },
    {
      name: "a free of another kind, which frees the address all the same",
      text: lines("dma_alloc_pages: dma_addr=1000 size=4096", "dma_free: dma_addr=1000 size=4096"),
      found: ["mismatch"],
      pairs: [[0, 1]],
    },
    {
      name: "an unmap of an allocation",
      text: lines("dma_alloc: dma_addr=1000 size=4096", unmapPage("1000", 4096)),
      found: ["mismatch"],
      pairs: [[0, 1]],
    },
    {
      name: "an unmap in the middle",
      text: lines(mapPage("20000", 8192), unmapPage("21000", 4096)),
      found: ["size-mismatch"],
      pairs: [[0, 1]],
    },
    {
      name: "none, for an unmap in the middle that goes the other way: its map was not seen",
      text: lines(mapPage("20000", 8192), unmapPage("21000", 4096)).replace(
        /(unmap_page: \S+ dir=)TO_DEVICE/,
        "$1FROM_DEVICE",
      ),
      found: [],
      pairs: [
        [null, 1],
        [0, null],
      ],
    },
    {
      name: "an unmap in the middle whose address was undone on its own before",
      text: lines(
        mapPage("21000", 4096),
        unmapPage("21000", 4096),
        mapPage("20000", 8192),
        unmapPage("21000", 4096),
      ),
      found: ["double-unmap"],
      pairs: [
        [0, 1],
        [null, 3],
        [2, null],
      ],
    },
    {
      name: "an unmap of what was never seen mapped",
      text: lines(unmapPage("21000", 4096)),
      found: [],
      pairs: [[null, 0]],
    },
    {
      name: "of two at one address the one of its size",
      text: lines(mapPage("20000", 4096), mapPage("20000", 8192), unmapPage("20000", 8192)),
      found: [],
      pairs: [
        [1, 2],
        [0, null],
      ],
    },
    {
      name: "of two at one address the one that the call belongs to",
      text: lines(
        "dma_alloc: dma_addr=20000 size=4096",
        "dma_alloc_pages: dma_addr=20000 size=4096",
        "dma_free_pages: dma_addr=20000 size=4096",
      ),
      found: [],
      pairs: [
        [1, 2],
        [0, null],
      ],
    },
    {
      name: "nothing, for a free of nothing",
      text: lines("dma_free: dma_addr=0 size=0"),
      found: [],
      pairs: [],
    },
  ])("$name", ({ text, found, pairs }) => {
    const kinds = checkTrace(text).findings.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind !== "leak" && kind !== "double-map")).toEqual(found);
    expect(pairsOf(text)).toEqual(pairs);
  });
});

describe("events that are missing", () => {
  const LOST = "CPU:0 [LOST 5 EVENTS]\n";

  it.each([
    { name: "its own unmap still ends a mapping", unmap: unmapPage("20000", 8192), pairs: [[0, 1]] },
    {
      name: "one in the middle does not: its own map may be among them",
      unmap: unmapPage("21000", 4096),
      pairs: [
        [null, 1],
        [0, null],
      ],
    },
    {
      name: "one of another kind does not",
      unmap: "dma_free: dma_addr=20000 size=8192",
      pairs: [
        [null, 1],
        [0, null],
      ],
    },
  ])("$name", ({ unmap, pairs }) => {
    expect(pairsOf(lines(mapPage("20000", 8192)) + LOST + lines(unmap))).toEqual(pairs);
  });
});

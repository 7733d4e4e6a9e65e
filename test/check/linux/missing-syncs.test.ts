import { describe, expect, it } from "vitest";
import { FOR_CPU, FOR_DEVICE, SyncedBytes } from "../../../src/check/linux/synced-bytes.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { some } from "../../helpers/some.ts";
import { checkTrace } from "../checked.ts";
import { leaveOutSyncs, MANNERS, recordings, takeSyncs } from "./missing-syncs-campaign.ts";

describe("a sync that is missing", () => {
  leaveOutSyncs(runSeed(), 2);

  it.each(MANNERS)("can be planted in several recordings: %s", (manner) => {
    expect(recordings.filter((one) => one.suits(manner)).length).toBeGreaterThan(4);
  });

  it.each(MANNERS)("is none where a driver syncs all that it uses: %s", (manner) => {
    for (const recording of some(recordings, 3)) {
      const { what, text } = recording.plant(manner, new Random(1), true);
      expect(checkTrace(text).findings, what).toEqual([]);
    }
  });
});

describe("a sync that a real driver made", () => {
  it("is what is told to be missing, or nothing is, whichever is taken away", () => {
    const { taken, told, wrong } = takeSyncs(800);
    expect(wrong).toEqual([]);
    expect(taken).toBe(4);
    expect(told).toBeGreaterThan(0);
  });
});

describe("for whom bytes were synced last", () => {
  it(`is known of each byte, whatever pieces were synced, SEED=${runSeed()}`, () => {
    const SIZE = 64;
    const random = new Random(runSeed());
    const wrong: string[] = [];
    for (let round = 0; round < 80; round++) {
      const bytes = new SyncedBytes();
      const model: (number | undefined)[] = new Array(SIZE).fill(undefined);
      for (let event = 0; event < 30; event++) {
        const first = random.below(SIZE);
        const end = first + random.below(SIZE - first + 1);
        const side = random.below(2) === 0 ? FOR_CPU : FOR_DEVICE;
        bytes.sync({ side, first, end, event, line: event });
        model.fill(event * 2 + side, first, end);
        const seen: (number | undefined)[] = new Array(SIZE).fill(undefined);
        for (const piece of bytes.pieces) {
          for (let at = piece.first; at < piece.end; at++) {
            if (seen[at] !== undefined) wrong.push(`round ${round} event ${event}: byte ${at} twice`);
            seen[at] = piece.event * 2 + piece.side;
          }
        }
        if (`${seen}` !== `${model}`) wrong.push(`round ${round} event ${event}: ${seen} for ${model}`);
        const from = random.below(SIZE);
        const latest = bytes.latest(from, from + 8);
        const found = latest === undefined ? -1 : latest.event * 2 + latest.side;
        const expected = Math.max(-1, ...model.slice(from, from + 8).map((one) => one ?? -1));
        if (found !== expected)
          wrong.push(`round ${round} event ${event}: ${found} from ${from} on, not ${expected}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

/** Lines of events as the kernel prints them, without their context. */
const DEVICE = "0000:00:01.0";
const map = (address: string, dir: string, attrs = ""): string =>
  `dma_map_page: ${DEVICE} dir=${dir} dma_addr=${address} size=2048 phys_addr=${address}000 attrs=${attrs}`;
const unmap = (address: string, dir: string, attrs = ""): string =>
  `dma_unmap_page: ${DEVICE} dir=${dir} dma_addr=${address} size=2048 attrs=${attrs}`;
const sync = (side: string, address: string, dir: string, size = 2048): string =>
  `dma_sync_single_for_${side}: ${DEVICE} dir=${dir} dma_addr=${address} size=${size}`;
const mapList = (attrs = ""): string =>
  `dma_map_sg: ${DEVICE} dir=BIDIRECTIONAL nents=1/1 ents=1/1 dma_addrs={0x7000} sizes={0x800} phys_addrs={0x5000} attrs=${attrs}`;
const unmapList = (attrs = ""): string =>
  `dma_unmap_sg: ${DEVICE} dir=BIDIRECTIONAL phys_addrs={0x5000} attrs=${attrs}`;
const syncList = (side: string): string =>
  `dma_sync_sg_for_${side}: ${DEVICE} dir=BIDIRECTIONAL dma_addrs={0x7000} sizes={0x800}`;
const SKIP = "SKIP_CPU_SYNC";
const FROM = "FROM_DEVICE";
const received = (address: string): string[] => [
  map(address, FROM),
  sync("cpu", address, FROM),
  unmap(address, FROM, SKIP),
];
const RING_FREE = `dma_free: ${DEVICE} dma_addr=20000 size=4096 virt_addr=0000000000000001 attrs=`;

const linesFound = (lines: readonly string[]): unknown[] =>
  checkTrace(lines.map((line, i) => ` nvme-8 [000] d..1. 5.${100000 + i}: ${line}\n`).join("")).findings.map(
    ({ kind, lines: proof }) => [kind, ...proof],
  );

describe("whether a sync is missing", () => {
  it.each([
    {
      name: "never synced for the CPU",
      lines: [...received("1000"), map("2000", FROM), unmap("2000", FROM, SKIP)],
      expected: [["missing-sync", 4, 5]],
    },
    {
      name: "synced in part is synced",
      lines: [
        ...received("1000"),
        map("2000", FROM),
        sync("cpu", "2100", FROM, 64),
        unmap("2000", FROM, SKIP),
      ],
      expected: [],
    },
    {
      name: "an unmap that does not skip it syncs",
      lines: [...received("1000"), map("2000", FROM), unmap("2000", FROM)],
      expected: [],
    },
    {
      name: "a device that has shown no sync may have left no line",
      lines: [map("2000", FROM), unmap("2000", FROM, SKIP), map("2000", FROM, SKIP), unmap("2000", FROM)],
      expected: [],
    },
    {
      name: "syncs that begin while it runs tell nothing of what was mapped before",
      lines: [
        map("1000", FROM),
        map("2000", FROM),
        unmap("1000", FROM, SKIP),
        ...received("3000"),
        unmap("2000", FROM, SKIP),
      ],
      expected: [],
    },
    {
      name: "a driver that mostly does not sync",
      lines: [
        ...received("1000"),
        ...["2000", "3000"].flatMap((address) => [map(address, FROM), unmap(address, FROM, SKIP)]),
      ],
      expected: [],
    },
    {
      name: "unused buffers of a ring that is freed",
      lines: [
        ...received("1000"),
        map("2000", FROM),
        unmap("2000", FROM, SKIP),
        RING_FREE,
        ...received("3000"),
      ],
      expected: [],
    },
    {
      name: "unused buffers behind the ring",
      lines: [
        ...received("1000"),
        map("2000", FROM),
        RING_FREE,
        unmap("2000", FROM, SKIP),
        ...received("3000"),
      ],
      expected: [],
    },
    {
      name: "mapped without a sync, and never synced for the device",
      lines: [
        map("1000", "TO_DEVICE", SKIP),
        sync("device", "1000", "TO_DEVICE"),
        unmap("1000", "TO_DEVICE"),
        map("2000", "TO_DEVICE", `${SKIP}|NO_WARN`),
        unmap("2000", "TO_DEVICE"),
      ],
      expected: [["missing-sync", 4, 5]],
    },
    {
      name: "a list in both directions",
      lines: [
        mapList(SKIP),
        syncList("device"),
        syncList("cpu"),
        unmapList(SKIP),
        mapList(SKIP),
        syncList("device"),
        unmapList(SKIP),
        mapList(SKIP),
        syncList("cpu"),
        unmapList(SKIP),
      ],
      expected: [
        ["missing-sync", 5, 7],
        ["missing-sync", 8, 10],
      ],
    },
    {
      name: "two syncs for one side are right for a driver that never gives back",
      lines: [
        map("1000", FROM),
        ...Array.from({ length: 50 }, () => sync("cpu", "1000", FROM)),
        unmap("1000", FROM),
      ],
      expected: [],
    },
    {
      name: "two syncs of different bytes follow one another rightly",
      lines: [
        map("1000", FROM),
        ...Array.from({ length: 40 }, () => [
          sync("cpu", "1000", FROM, 64),
          sync("cpu", "1040", FROM, 128),
          sync("device", "1000", FROM),
        ]).flat(),
        unmap("1000", FROM),
      ],
      expected: [],
    },
    {
      name: "a sync of no bytes is none",
      lines: [
        map("1000", FROM),
        ...Array.from({ length: 80 }, (_, i) => sync(i % 2 === 0 ? "cpu" : "device", "1000", FROM)),
        sync("cpu", "1000", FROM),
        map("2000", FROM),
        sync("cpu", "1040", FROM, 0),
        sync("device", "1000", FROM),
        unmap("1000", FROM),
        unmap("2000", FROM),
      ],
      expected: [],
    },
    {
      name: "a buffer that was not given back once",
      lines: [
        map("1000", FROM),
        ...Array.from({ length: 80 }, (_, i) => sync(i % 2 === 0 ? "cpu" : "device", "1000", FROM)).toSpliced(
          41,
          1,
        ),
        unmap("1000", FROM),
      ],
      expected: [["missing-sync", 1, 42, 43]],
    },
    {
      name: "a half that was not given back, between syncs of the other half",
      lines: [
        map("1000", FROM),
        ...Array.from({ length: 40 }, () => [
          sync("cpu", "1000", FROM, 600),
          sync("device", "1000", FROM, 1024),
          sync("cpu", "1400", FROM, 600),
          sync("device", "1400", FROM, 1024),
        ])
          .flat()
          .toSpliced(81, 1),
        unmap("1000", FROM),
      ],
      expected: [["missing-sync", 1, 82, 85]],
    },
    {
      name: "a look at the header before all of the packet",
      lines: [
        map("1000", FROM),
        ...Array.from({ length: 40 }, (_, i) => [
          ...(i === 30 ? [sync("cpu", "1000", FROM, 64)] : []),
          sync("cpu", "1000", FROM, 1500),
          sync("device", "1000", FROM),
        ]).flat(),
        unmap("1000", FROM),
      ],
      expected: [],
    },
    {
      name: "a longer packet in a buffer that was not given back, while the driver did something else between",
      lines: [
        map("1000", FROM),
        map("2000", FROM),
        ...Array.from({ length: 40 }, (_, i) => [
          sync("cpu", "1000", FROM, 64 + i),
          ...(i === 30 ? [] : [sync("device", "1000", FROM)]),
          sync("cpu", "2000", FROM, 64),
          sync("device", "2000", FROM),
        ]).flat(),
        unmap("1000", FROM),
        unmap("2000", FROM),
      ],
      expected: [["missing-sync", 1, 123, 126]],
    },
    {
      name: "the last use of a buffer, which all others of the driver end with a sync for the CPU",
      lines: [
        ...Array.from({ length: 40 }, (_, i) => [
          map("1000", FROM, SKIP),
          sync("cpu", "1000", FROM),
          sync("device", "1000", FROM),
          ...(i === 20 ? [] : [sync("cpu", "1000", FROM)]),
          unmap("1000", FROM, SKIP),
        ]).flat(),
        map("1000", FROM, SKIP),
      ],
      expected: [["missing-sync", 101, 103, 104]],
    },
    {
      name: "unused buffers that were given back to the device, and then to the page pool",
      lines: Array.from({ length: 40 }, (_, i) => [
        map("1000", FROM, SKIP),
        sync("cpu", "1000", FROM),
        ...(i % 20 === 3 ? [sync("device", "1000", FROM)] : []),
        unmap("1000", FROM, SKIP),
      ]).flat(),
      expected: [],
    },
  ])("$name", ({ lines, expected }) => {
    expect(linesFound(lines)).toEqual(expected);
  });
});

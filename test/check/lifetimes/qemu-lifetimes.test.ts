import { describe, expect, it } from "vitest";
import { toBig } from "../../../src/base/u64.ts";
import { LifetimeTracker } from "../../../src/check/lifetimes/qemu-lifetimes.ts";
import type { LifetimeSink } from "../../../src/check/lifetimes/qemu-mapping.ts";
import { Rebuild } from "../../../src/check/rebuild/rebuild.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { INDIRECT, PUT, type QemuTraceEvent, STUFF } from "../../../src/formats/trace/trace-event.ts";
import { readCorpusHead } from "../../helpers/corpus.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { times } from "../../helpers/some.ts";

/** One piece as text: `put@1 0x1000+1 -> 0x2000 unmapped@3`. */
function lifetimes(text: string | Uint8Array, rebuild?: Rebuild): string[] {
  const pieces: string[] = [];
  const sink: LifetimeSink = {
    begin: () => {},
    end: ({ window, made, tce, constant, ...mapping }, first, pages, fate, moment) => {
      const ioba = window.busOffset + (BigInt(first) << BigInt(window.pageShift));
      const ahead = constant ? 0n : BigInt(first - mapping.first) << BigInt(window.pageShift);
      const target = tce === undefined ? "?" : `0x${(tce + ahead).toString(16)}`;
      pieces.push(
        `${made.event} ${window.liobn.toString(16)} 0x${ioba.toString(16)}+${pages} -> ${target} ${fate} ${moment?.event ?? "-"}`,
      );
    },
  };
  const tracker = new LifetimeTracker(sink, rebuild);
  const reader = new QemuLogReader((event) => tracker.handle(event));
  reader.push(typeof text === "string" ? new TextEncoder().encode(text) : text);
  reader.end();
  tracker.end();
  return pieces;
}

const NEW = "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1\n";
const CREATE =
  "spapr_iommu_new_table liobn=0x80000001 table=0x1000 fd=-1\n" +
  "spapr_iommu_ddw_create buid=0x800000020000000 addr=0x0, page size=0x10000, requested=0x100000, start addr=0x800000000000000, liobn=0x80000001\n";
const put = (ioba: string, tce: string, liobn = "0x80000000"): string =>
  `spapr_iommu_pci_put liobn=${liobn} ioba=${ioba} tce=${tce} ret=0\n`;
const stuff = (after: string, tce: string, pages: number): string =>
  `spapr_iommu_pci_stuff liobn=0x80000000 ioba=${after} tcevalue=${tce} npages=${pages} ret=0\n`;
const list = (ioba: string, last: number, tce: string, ret = 0, liobn = "0x80000000"): string =>
  `spapr_iommu_pci_indirect liobn=${liobn} ioba=${ioba} tcelist=0x5000 iobaN=0x${last.toString(16)} tceN=${tce} ret=${ret}\n`;

describe("lifetimes of mappings", () => {
  it.each([
    {
      name: "a put and its unmap by a stuff",
      text: NEW + put("0x1000", "0x2003") + stuff("0x2000", "0x0", 1),
      pieces: ["1 80000000 0x1000+1 -> 0x2003 unmapped 2"],
    },
    {
      name: "a list that is unmapped in pieces, with the targets before the last concluded",
      text: NEW + list("0x1000", 3, "0x8003") + stuff("0x3000", "0x0", 1) + stuff("0x5000", "0x0", 4),
      pieces: [
        "1 80000000 0x2000+1 -> 0x6003 unmapped 2",
        "1 80000000 0x1000+1 -> 0x5003 unmapped 3",
        "1 80000000 0x3000+2 -> 0x7003 unmapped 3",
      ],
    },
    {
      name: "a list whose targets would begin below 0",
      text: NEW + list("0x1000", 3, "0x1003"),
      pieces: ["1 80000000 0x1000+4 -> ? alive -"],
    },
    {
      name: "a stuff maps every page to one target",
      text: NEW + stuff("0x3000", "0x9003", 2) + put("0x2000", "0x0"),
      pieces: ["1 80000000 0x2000+1 -> 0x9003 unmapped 2", "1 80000000 0x1000+1 -> 0x9003 alive -"],
    },
    {
      name: "a mapping over a mapping",
      text: NEW + put("0x1000", "0x2003") + put("0x1000", "0x3001"),
      pieces: ["1 80000000 0x1000+1 -> 0x2003 replaced 2", "2 80000000 0x1000+1 -> 0x3001 alive -"],
    },
    {
      name: "an entry without permission unmaps, whatever else is in it",
      text: NEW + put("0x1000", "0x2003") + put("0x1000", "0x2000"),
      pieces: ["1 80000000 0x1000+1 -> 0x2003 unmapped 2"],
    },
    {
      name: "one unmap of pages that two calls mapped",
      text: NEW + put("0x1000", "0x2003") + put("0x2000", "0x3003") + stuff("0x3000", "0x0", 2),
      pieces: ["1 80000000 0x1000+1 -> 0x2003 unmapped 3", "2 80000000 0x2000+1 -> 0x3003 unmapped 3"],
    },
    {
      name: "a refused put maps nothing",
      text: `${NEW}spapr_iommu_pci_put liobn=0x80000000 ioba=0x40000000 tce=0x2003 ret=-4\n`,
      pieces: [],
    },
    {
      name: "a refused list maps what lies before the end of the window",
      text: NEW + list("0x3fffe000", 2, "0x7003", -4),
      pieces: ["1 80000000 0x3fffe000+2 -> 0x5003 alive -"],
    },
    {
      name: "a window that is removed",
      text:
        NEW +
        CREATE +
        put("0x800000000000000", "0x10003", "0x80000001") +
        "spapr_iommu_ddw_remove liobn=0x80000001\n",
      pieces: ["3 80000001 0x800000000000000+1 -> 0x10003 window-gone 4"],
    },
    {
      name: "a machine that is reset, which only a new table tells",
      text: NEW + put("0x1000", "0x2003") + NEW + put("0x1000", "0x3003"),
      pieces: ["1 80000000 0x1000+1 -> 0x2003 window-gone 3", "3 80000000 0x1000+1 -> 0x3003 alive -"],
    },
    {
      name: "a VIO table that is found empty",
      text:
        "spapr_iommu_new_table liobn=0x71000002 table=0x1000 fd=-1\n" +
        "spapr_iommu_put liobn=0x71000002 ioba=0x1000 tce=0x2003 ret=0\n" +
        "spapr_iommu_xlate liobn=0x71000002 0x1000 -> 0x0 perm=0 mask=0xfff\n",
      pieces: ["1 71000002 0x1000+1 -> 0x2003 cleared 2"],
    },
  ])("$name", ({ text, pieces }) => {
    expect(lifetimes(text)).toEqual(pieces);
  });

  it.each(["ddw-off-nvme-e1000-linux61"])("agree page by page with a map of pages: %s", (name) => {
    // The long run reads it to its end.
    const log = readCorpusHead("traces", `${name}.log`, times(400_000, Infinity));
    const ours: string[] = [];
    for (const piece of lifetimes(log)) {
      const [made, liobn, range, , , fate, end] = piece.split(" ") as string[];
      const [ioba, pages] = range!.split("+");
      for (let i = 0; i < Number(pages); i++) {
        ours.push(`${liobn} ${(BigInt(ioba!) >> 12n) + BigInt(i)} ${made} ${fate} ${end}`);
      }
    }
    expect(ours.sort()).toEqual(pageByPage(log).sort());
    expect(ours.length).toBeGreaterThan(1000);
  });
});

describe("lifetimes in a window of which nothing told", () => {
  const XLATE = "spapr_iommu_xlate liobn=0x80000001 0x0 -> 0x100000 perm=3 mask=0xffff\n";

  it.each([runSeed(), 2])(
    "are those of a book of addresses, wherever calls show it to start, seed %i",
    (seed) => {
      const random = new Random(seed);
      for (let round = 0; round < 5; round++) {
        const lines = [XLATE];
        const book = new Map<bigint, number>();
        const ended: string[] = [];
        // From high addresses to low ones.
        let low = 4000;
        for (let event = 1; event < 60; event++) {
          if (random.chance(0.2)) low = Math.max(0, low - random.below(1000));
          const address = 0xa00_0000_0000_0000n + BigInt(low + random.below(40)) * 0x1_0000n;
          const maps = random.chance(0.6);
          lines.push(put(`0x${address.toString(16)}`, maps ? "0x100003" : "0x0", "0x80000001"));
          const was = book.get(address);
          const fate = `${maps ? "replaced" : "unmapped"} ${event}`;
          if (was !== undefined)
            ended.push(`${was} 80000001 0x${address.toString(16)}+1 -> 0x100003 ${fate}`);
          if (maps) book.set(address, event);
          else book.delete(address);
        }
        for (const [address, made] of book)
          ended.push(`${made} 80000001 0x${address.toString(16)}+1 -> 0x100003 alive -`);
        expect(lifetimes(lines.join("")).sort()).toEqual(ended.sort());
      }
    },
  );

  it("are of pages of the size that a translation shows, from there on", () => {
    const told = { liobn: 0x8000_0000, busOffset: 0n, bytes: 1n << 30n, pageShift: undefined };
    const text =
      put("0x100000", "0x100003") +
      list("0x200000", 3, "0x230003") +
      put("0x230000", "0x500003") +
      "spapr_iommu_xlate liobn=0x80000000 0x100000 -> 0x100000 perm=3 mask=0xffff\n" +
      put("0x210000", "0x0") +
      list("0x110000", 1, "0x120003") +
      stuff("0x120000", "0x0", 1);
    // In pages of 64 KiB the last entry of the first list is the one that the put replaced.
    expect(lifetimes(text, new Rebuild(undefined, null, [told]))).toEqual([
      "1 80000000 0x203000+1 -> 0x230003 replaced 4",
      "1 80000000 0x201000+1 -> 0x22e003 unmapped 4",
      "5 80000000 0x110000+1 -> 0x110003 unmapped 6",
      "0 80000000 0x100000+1 -> 0x100003 alive -",
      "5 80000000 0x120000+1 -> 0x120003 alive -",
      "1 80000000 0x200000+1 -> 0x22d003 alive -",
      "1 80000000 0x202000+1 -> 0x22f003 alive -",
      "2 80000000 0x230000+1 -> 0x500003 alive -",
    ]);
  });
});

/** The dumbest model: an entry of a map for each page of 4K; of traces that use nothing but default windows. */
function pageByPage(log: Uint8Array): string[] {
  const ended: string[] = [];
  const owners = new Map<string, number>();
  const store = (event: QemuTraceEvent, page: bigint, maps: boolean): void => {
    const key = `${event.liobn.toString(16)} ${page}`;
    const owner = owners.get(key);
    if (owner !== undefined) ended.push(`${key} ${owner} ${maps ? "replaced" : "unmapped"} ${event.number}`);
    if (maps) owners.set(key, event.number);
    else owners.delete(key);
  };
  const reader = new QemuLogReader((event) => {
    if (event.kind > STUFF || event.ret !== 0) return;
    const maps = (event.tceLo & 3) !== 0;
    const page = toBig(event.iobaHi, event.iobaLo) >> 12n;
    if (event.kind === PUT) store(event, page, maps);
    if (event.kind === STUFF) for (let i = event.pagesLo; i > 0; i--) store(event, page - BigInt(i), maps);
    if (event.kind === INDIRECT) for (let i = 0; i <= event.lastLo; i++) store(event, page + BigInt(i), maps);
  });
  reader.push(log);
  reader.end();
  for (const [key, owner] of owners) ended.push(`${key} ${owner} alive -`);
  return ended;
}

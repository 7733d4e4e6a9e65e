import { describe, expect, it } from "vitest";
import { DEFAULT_CHECK_OPTIONS } from "../../src/check/check-options.ts";
import { TraceCheck } from "../../src/check/trace-check.ts";
import { Random, runSeed } from "../helpers/random.ts";

const ENTRIES = 64;
const BUS = 0x800_0000_0000_0000n;
const HEAD = [
  "spapr_iommu_new_table liobn=0x80000001 table=0x1000 fd=-1",
  "spapr_iommu_ddw_create buid=0x800000020000000 addr=0x0, page size=0x1000, requested=0x40000, start addr=0x800000000000000, liobn=0x80000001",
];
const PUT = "spapr_iommu_pci_put";
const STUFF = "spapr_iommu_pci_stuff";

/** What is told of pages that are mapped while they are mapped. */
interface Told {
  kind: string;
  ioba: bigint | undefined;
  pages: number;
  count: number;
  lines: number[];
}

function told(lines: readonly string[]): Told[] {
  const check = new TraceCheck("log", DEFAULT_CHECK_OPTIONS);
  check.push(new TextEncoder().encode(`${[...HEAD, ...lines].join("\n")}\n`));
  return check
    .end()
    .findings.filter(({ kind }) => kind === "double-map" || kind === "replaced-live")
    .map(({ kind, ioba, pages, count, lines: at }) => ({ kind, ioba, pages, count, lines: at }));
}

/** The window page by page, in the dumbest way. */
class Model {
  readonly told: Told[] = [];
  readonly #entries = new Map<number, { value: number; line: number }>();
  #end = -1;

  store(first: number, pages: number, value: number, line: number): void {
    for (let index = first; index < first + pages; index++) {
      const before = this.#entries.get(index);
      if (before !== undefined && (value & 3) !== 0) this.#again(index, before, value, line);
      if ((value & 3) === 0) this.#entries.delete(index);
      else this.#entries.set(index, { value, line });
    }
  }

  #again(index: number, before: { value: number; line: number }, value: number, line: number): void {
    const kind = before.value === value ? "double-map" : "replaced-live";
    const last = this.told.at(-1);
    if (last?.kind === kind && this.#end === index) {
      last.pages++;
      last.count++;
      for (const at of [before.line, line]) if (!last.lines.includes(at)) last.lines.push(at);
    } else {
      const ioba = BUS + BigInt(index) * 0x1000n;
      this.told.push({ kind, ioba, pages: 1, count: 1, lines: [before.line, line] });
    }
    this.#end = index + 1;
  }
}

describe("pages that are mapped while they are mapped", () => {
  it("are told as a walk over the pages tells them", () => {
    const seed = runSeed();
    const random = new Random(seed);
    for (let round = 0; round < 15; round++) {
      const model = new Model();
      const lines: string[] = [];
      for (let step = 0; step < 100; step++) {
        const first = random.below(ENTRIES);
        const pages = random.chance(0.5) ? 1 : 1 + random.below(ENTRIES - first);
        const value = random.pick([0, 0x5003, 0x6003, 0x5001, 0x7003]);
        const address = (index: number): string => `0x${(BUS + BigInt(index) * 0x1000n).toString(16)}`;
        const what = `tcevalue=0x${value.toString(16)}`;
        lines.push(
          pages === 1
            ? `${PUT} liobn=0x80000001 ioba=${address(first)} tce=0x${value.toString(16)} ret=0`
            : `${STUFF} liobn=0x80000001 ioba=${address(first + pages)} ${what} npages=${pages} ret=0`,
        );
        model.store(first, pages, value, HEAD.length + lines.length);
        // Consecutive pages, which are stored as one run that grows.
        if (random.chance(0.1)) {
          for (let i = 0; i < 10; i++) {
            const grown = ((i + 3) << 12) | 3;
            lines.push(`${PUT} liobn=0x80000001 ioba=${address(i)} tce=0x${grown.toString(16)} ret=0`);
            model.store(i, 1, grown, HEAD.length + lines.length);
          }
        }
      }
      expect(told(lines), `SEED=${seed} round ${round}`).toEqual(model.told);
    }
  });
});

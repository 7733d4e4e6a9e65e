import { expect } from "vitest";
import type { Finding } from "../../../src/check/findings/finding.ts";
import { Random } from "../../helpers/random.ts";
import { checkTrace } from "../checked.ts";

/** I/O page sizes of dynamic windows: 4K, 64K, 2M, 16M to 256M, 16G. */
const PAGE_SHIFTS = [12, 16, 21, 24, 25, 26, 27, 28, 34];
const MOST_ENTRIES_SHIFT = 31;
const LIOBN = "0x80000001";
/** Calls between two faults, at most. */
const WORK = 40;

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** A window of any legal geometry and what a guest does with it, line by line. */
class Guest {
  readonly lines: string[] = [];
  readonly planted = new Set<string>();
  readonly #random: Random;
  readonly #pageShift: bigint;
  readonly #start: bigint;
  readonly entries: number;
  /** Mapped pages, and what they map. */
  readonly #mapped = new Map<number, bigint>();
  /** Pages that were mapped at some time: a fault there is one after an unmap. */
  readonly #used = new Set<number>();

  constructor(random: Random) {
    this.#random = random;
    this.#pageShift = BigInt(random.pick(PAGE_SHIFTS));
    const most = Math.min(MOST_ENTRIES_SHIFT, 58 - Number(this.#pageShift));
    this.entries = 2 ** (4 + random.below(most - 3));
    const bytes = BigInt(this.entries) << this.#pageShift;
    this.#start = (1n + BigInt(random.below(16))) * (bytes > 1n << 40n ? bytes : 1n << 40n);
    this.lines.push(
      "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1",
      `spapr_iommu_new_table liobn=${LIOBN} table=0x1000 fd=-1`,
      `spapr_iommu_ddw_create buid=0x800000020000000 addr=0x0, page size=${hex(1n << this.#pageShift)}, requested=${hex(bytes)}, start addr=${hex(this.#start)}, liobn=${LIOBN}`,
    );
  }

  /** A page that is mapped, or one that is not. */
  page(isMapped: boolean): number | undefined {
    if (isMapped) return this.#mapped.size === 0 ? undefined : this.#random.pick([...this.#mapped.keys()]);
    const page = this.#random.below(this.entries);
    return this.#mapped.has(page) ? undefined : page;
  }

  put(page: number, tce: bigint): void {
    this.lines.push(
      `spapr_iommu_pci_put liobn=${LIOBN} ioba=${hex(this.#start + (BigInt(page) << this.#pageShift))} tce=${hex(tce)} ret=0`,
    );
    if (tce === 0n) this.#mapped.delete(page);
    else {
      this.#mapped.set(page, tce);
      this.#used.add(page);
    }
  }

  xlate(page: number): void {
    const tce = this.#mapped.get(page) ?? 0n;
    // QEMU prints 32 bits of the mask.
    const mask = (1n << this.#pageShift) - 1n;
    const at = (BigInt(page) << this.#pageShift) + BigInt(this.#random.below(4096));
    this.lines.push(
      `spapr_iommu_xlate liobn=${LIOBN} ${hex(at)} -> ${hex(tce & ~mask)} perm=${tce & 3n} mask=${hex(BigInt.asUintN(32, mask))}`,
    );
  }

  /** Memory that no page of this window maps to its own number, so that it is no direct map. */
  target(page: number): bigint {
    return (BigInt(((page * 7) % 1000) + 3 + this.#random.below(9)) << this.#pageShift) | 3n;
  }

  map(): number | undefined {
    const page = this.page(false);
    if (page !== undefined) this.put(page, this.target(page));
    return page;
  }

  work(): void {
    for (let i = this.#random.below(WORK); i >= 0; i--) {
      const page = this.page(true);
      if (page === undefined || this.#random.below(3) === 0) this.map();
      else if (this.#random.below(2) === 0) this.xlate(page);
      else this.put(page, 0n);
    }
  }

  plant(): void {
    const kind = this.#random.pick([
      "double-map",
      "replaced-live",
      "unmap-unmapped",
      "dma-fault",
      "dma-after-unmap",
    ]);
    const wantsMapped = kind === "double-map" || kind === "replaced-live";
    let page = wantsMapped ? this.page(true) : this.page(false);
    if (kind === "unmap-unmapped" || kind === "dma-after-unmap") {
      page = this.map();
      if (page !== undefined) this.put(page, 0n);
    }
    if (page === undefined || (kind === "dma-fault" && this.#used.has(page))) return;
    this.planted.add(`${kind} ${page}`);
    const was = this.#mapped.get(page);
    if (kind === "double-map") this.put(page, was!);
    else if (kind === "replaced-live") this.put(page, was! + (1n << this.#pageShift));
    else if (kind === "unmap-unmapped") this.put(page, 0n);
    else this.xlate(page);
    // What is next is not the next page of the same mistake.
    this.map();
  }

  /** The window goes, with what is left in it. */
  remove(): void {
    for (const page of this.#mapped.keys()) this.planted.add(`leak ${page}`);
    this.lines.push(`spapr_iommu_ddw_remove liobn=${LIOBN}`);
  }

  *claimsOf({ kind, liobn, ioba, pages }: Finding): Generator<string> {
    if (liobn !== Number(LIOBN) || ioba === undefined) yield `${kind} elsewhere`;
    else {
      const first = Number((ioba - this.#start) >> this.#pageShift);
      for (let i = 0; i < pages; i++) yield `${kind} ${first + i}`;
    }
  }
}

/** Plants faults in windows of any legal geometry: each is found, and nothing else is. */
export function plantInAnyWindow(seed: number, traces: number): void {
  const random = new Random(seed);
  let all = 0;
  for (let i = 0; i < traces; i++) {
    const guest = new Guest(random);
    for (let faults = random.below(6); faults > 0; faults--) {
      guest.work();
      guest.plant();
    }
    guest.work();
    if (random.below(2) === 0) guest.remove();
    const text = `${guest.lines.join("\n")}\n`;
    const { findings } = checkTrace(text, { fullAt: 2, freePages: 0 });
    const found = new Set(findings.flatMap((finding) => [...guest.claimsOf(finding)]));
    all += guest.planted.size;
    expect([...found].sort(), `SEED=${seed}, trace ${i}\n${guest.lines.slice(0, 3).join("\n")}`).toEqual(
      [...guest.planted].sort(),
    );
  }
  console.log(
    `${all} planted faults in ${traces} windows of any geometry, SEED=${seed}: all found, and nothing else`,
  );
  expect(all).toBeGreaterThan(traces);
}

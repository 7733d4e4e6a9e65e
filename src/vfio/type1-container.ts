import type { Errno } from "../base/errno.ts";
import type { DmaContainer } from "./container.ts";
import type { DmaRun } from "./dma-run.ts";
import type { FaultInjector } from "./host/faults.ts";
import type { HostProcess } from "./host/host-process.ts";
import type { ProcessMemory } from "./process-memory.ts";

/** `dma_entry_limit` of the kernel's type1 driver (VFIO-IOVA-1). */
export const TYPE1_MAX_MAPPINGS = 65_535;

interface Type1Mapping {
  readonly iova: bigint;
  readonly size: bigint;
  readonly vaddr: bigint;
  readonly readonly: boolean;
}

/**
 * A type1v2 container as QEMU uses it, over the kernel's rules for it: VFIO-IOVA-1 for what is mapped, VFIO-IOVA-2 for
 * what is unmapped.
 */
export class Type1Container implements DmaContainer {
  readonly name: string;
  readonly hostPageSize: bigint;
  /** MAP requests, over all time. */
  mapCalls = 0;
  /** Pages that were refused, over all time. */
  refusedPages = 0;
  readonly #process: HostProcess;
  readonly #memory: ProcessMemory;
  readonly #faults: FaultInjector;
  /** Sorted by address. */
  #mappings: Type1Mapping[] = [];

  constructor(name: string, process: HostProcess, memory: ProcessMemory, faults: FaultInjector) {
    this.name = name;
    this.hostPageSize = BigInt(process.memory.pageSize);
    this.#process = process;
    this.#memory = memory;
    this.#faults = faults;
  }

  get mappings(): readonly Type1Mapping[] {
    return this.#mappings;
  }

  map(run: DmaRun): Errno | 0 {
    const { iova, bytes, pages, readonly } = run;
    const vaddr = this.#memory.vaddrOf(run.memory);
    let answer = this.#request(iova, bytes, vaddr, readonly);
    if (answer === "EEXIST") {
      // Where a live entry was replaced: the old mapping has to go first, all of it.
      const lost = this.#cut(iova, bytes);
      answer = this.#request(iova, bytes, vaddr, readonly);
      if (answer === 0) return lost;
    }
    if (answer !== 0) {
      this.refusedPages += pages;
      this.#cut(iova, bytes);
    }
    return answer;
  }

  unmap({ iova, bytes }: DmaRun): Errno | 0 {
    return this.#cut(iova, bytes);
  }

  unmapStale(run: DmaRun): Errno | 0 {
    return this.unmap(run);
  }

  /** Where a device gets at an address: the address in the process, or undefined. */
  translate(iova: bigint, write: boolean): bigint | undefined {
    const found = this.#mappings.find(
      (mapping) => mapping.iova <= iova && iova < mapping.iova + mapping.size,
    );
    return found === undefined || (write && found.readonly) ? undefined : found.vaddr + iova - found.iova;
  }

  #request(iova: bigint, size: bigint, vaddr: bigint, readonly: boolean): Errno | 0 {
    this.mapCalls++;
    const page = this.hostPageSize;
    if (iova % page !== 0n || size % page !== 0n || vaddr % page !== 0n || size === 0n) return "EINVAL";
    const at = this.#indexPast(iova);
    const overlapsBefore = at > 0 && this.#mappings[at - 1]!.iova + this.#mappings[at - 1]!.size > iova;
    const overlapsNext = at < this.#mappings.length && this.#mappings[at]!.iova < iova + size;
    if (overlapsBefore || overlapsNext) return "EEXIST";
    if (this.#mappings.length >= TYPE1_MAX_MAPPINGS) return "ENOSPC";
    const errno = this.#faults.map.pass();
    if (errno !== undefined) return errno;
    if (!this.#process.charge(Number(size / page))) return "ENOMEM";
    this.#mappings.splice(at, 0, { iova, size, vaddr, readonly });
    return 0;
  }

  /**
   * Removes a range. The kernel refuses to cut a mapping: what is left of one
   * has to be mapped again, as a request of its own.
   *
   * @returns why a rest could not be mapped again: it is lost
   */
  #cut(iova: bigint, size: bigint): Errno | 0 {
    const end = iova + size;
    let from = this.#indexPast(iova);
    if (from > 0 && this.#mappings[from - 1]!.iova + this.#mappings[from - 1]!.size > iova) from--;
    let to = from;
    const left: Type1Mapping[] = [];
    for (; to < this.#mappings.length && this.#mappings[to]!.iova < end; to++) {
      const mapping = this.#mappings[to]!;
      this.#process.uncharge(Number(mapping.size / this.hostPageSize));
      const past = mapping.iova + mapping.size;
      if (mapping.iova < iova) left.push({ ...mapping, size: iova - mapping.iova });
      if (past > end) {
        left.push({ ...mapping, iova: end, size: past - end, vaddr: mapping.vaddr + end - mapping.iova });
      }
    }
    this.#mappings.splice(from, to - from);
    let result: Errno | 0 = 0;
    for (const { iova: at, size: bytes, vaddr, readonly } of left) {
      const refused = this.#request(at, bytes, vaddr, readonly);
      if (refused !== 0) result = refused;
    }
    return result;
  }

  /** Index of the first mapping that begins past an address. */
  #indexPast(iova: bigint): number {
    let low = 0;
    let high = this.#mappings.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#mappings[middle]!.iova <= iova) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

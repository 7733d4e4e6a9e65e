import type { PageStep } from "../base/page-step.ts";
import { hiOf, loOf, toBig } from "../base/u64.ts";
import { GuestMemory } from "./guest-memory.ts";

/**
 * Pages that a container maps or unmaps: they follow each other on the bus and,
 * where they are mapped, in memory. One object is filled again and again;
 * halves are signed, as V8 keeps those as small integers.
 *
 * @public
 */
export class DmaRun {
  /** First bus address. */
  iovaHi = 0;
  iovaLo = 0;
  /** Bytes of all pages. */
  bytesHi = 0;
  bytesLo = 0;
  /** How many pages; a whole section of an address space counts as one. */
  pages = 0;
  /** MAP only: what the pages map to. */
  readonly memory: GuestMemory = new GuestMemory();
  /** MAP only: the device may not write. */
  readonly = false;
  /** MAP only: the guest does not let the device read, which no container of a kernel can say (QEMU-LISTENER-6). */
  writeonly = false;

  get iova(): bigint {
    return toBig(this.iovaHi, this.iovaLo);
  }

  /** Bytes of all pages. */
  get bytes(): bigint {
    return toBig(this.bytesHi, this.bytesLo);
  }

  /** Bytes of one page. */
  get pageSize(): bigint {
    return this.bytes / BigInt(this.pages);
  }

  /** Pages of a size, from a bus address in halves on. */
  setPages(page: PageStep, iovaHi: number, iovaLo: number, pages: number): this {
    this.iovaHi = iovaHi | 0;
    this.iovaLo = iovaLo | 0;
    this.bytesHi = page.bytesHi(pages) | 0;
    this.bytesLo = page.bytesLo(pages) | 0;
    this.pages = pages;
    return this;
  }

  /** One page of any size, such as a section. */
  setPiece(iova: bigint, bytes: bigint): this {
    this.iovaHi = hiOf(iova) | 0;
    this.iovaLo = loOf(iova) | 0;
    this.bytesHi = hiOf(bytes) | 0;
    this.bytesLo = loOf(bytes) | 0;
    this.pages = 1;
    return this;
  }
}

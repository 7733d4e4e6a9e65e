import type { KernelStatement } from "./kernel-event.ts";
import { KernelLineReader } from "./kernel-line.ts";
import { TextSearch } from "./words.ts";

const EVENT_OF_LINUX = new TextSearch(" dir=");
const NAME_OF_LINUX = new TextSearch("dma_");
const NAME_OF_QEMU = new TextSearch("spapr_iommu_");
const WINDOW_OF_QEMU = new TextSearch("liobn=");

/** What the kernel says where something is wrong. What it says of its windows stands in each log of a guest. */
const TROUBLES: readonly KernelStatement["type"][] = [
  "fault",
  "frozen",
  "bounce-full",
  "alloc-failed",
  "pending",
  "verdict",
];

/** What the lines are for which one text holds two recordings. */
const WHAT = {
  linux: "in which Linux tells of DMA",
  qemu: "of QEMU's spapr_iommu events",
} as const;

/** Lines of a text that are evidence as well as those of its own format, which are read. */
export class UnreadEvidence {
  count = 0;
  /** The first of them. */
  line = 0;
  readonly #of: keyof typeof WHAT;
  readonly #kernel = new KernelLineReader();

  /** @param of whose lines these are */
  constructor(of: keyof typeof WHAT) {
    this.#of = of;
  }

  /** Looks at a line that is none of the format. */
  look(bytes: Uint8Array, start: number, end: number, line: number): void {
    if (!(this.#of === "qemu" ? this.#isOfQemu(bytes, start, end) : this.#isOfLinux(bytes, start, end)))
      return;
    if (this.count++ === 0) this.line = line;
  }

  /** Says that they are there, and what to do. */
  get message(): string {
    return `lines ${WHAT[this.#of]}, from line ${this.line} on: of a text with both kinds one is read, so give these as a file of their own`;
  }

  #isOfQemu(bytes: Uint8Array, start: number, end: number): boolean {
    const name = NAME_OF_QEMU.find(bytes, start, end);
    return name >= 0 && WINDOW_OF_QEMU.find(bytes, name, end) >= 0;
  }

  #isOfLinux(bytes: Uint8Array, start: number, end: number): boolean {
    const name = NAME_OF_LINUX.find(bytes, start, end);
    if (name >= 0 && EVENT_OF_LINUX.find(bytes, name, end) >= 0) return true;
    if (!this.#kernel.mentions(bytes, start, end)) return false;
    const said = this.#kernel.read(bytes, start, end);
    return said === "begun" || (typeof said === "object" && TROUBLES.includes(said.what.type));
  }
}

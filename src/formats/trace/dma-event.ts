import { CallStacks } from "./call-stacks.ts";
import { ALLOCATION, DMA_LOST, DMA_MAP_PAGE, kindsWith, SINGLE } from "./dma-kinds.ts";

/** Directions, as in the kernel. */
export const BIDIRECTIONAL = 0;
export const TO_DEVICE = 1;
export const FROM_DEVICE = 2;
export const NO_DIRECTION = 3;
/**
 * Names of directions, as the kernel prints them, by their number in an event.
 *
 * @public
 */
export const DIRECTION_NAMES = ["BIDIRECTIONAL", "TO_DEVICE", "FROM_DEVICE", "NONE"] as const;

/**
 * Names of the bits of `attrs`, as in the kernel; it gets new ones.
 *
 * @public
 */
export const ATTRIBUTE_BITS: Readonly<Record<string, number>> = {
  WEAK_ORDERING: 1 << 1,
  WRITE_COMBINE: 1 << 2,
  NO_KERNEL_MAPPING: 1 << 4,
  SKIP_CPU_SYNC: 1 << 5,
  FORCE_CONTIGUOUS: 1 << 6,
  ALLOC_SINGLE_PAGES: 1 << 7,
  NO_WARN: 1 << 8,
  PRIVILEGED: 1 << 9,
  MMIO: 1 << 10,
  // Linux 7.2
  CACHELINES_OVERLAP: 1 << 11,
  REQUIRE_COHERENT: 1 << 12,
  CC_SHARED: 1 << 13,
};

const IS_ERROR = kindsWith(({ isError }) => isError);
const IS_SINGLE_MAP = kindsWith(({ role, family }) => role === "map" && family === SINGLE);
/** Kinds of allocations that print a pointer, which is NULL if they failed. */
const IS_ALLOCATION = kindsWith(
  ({ role, family, needs }) => role === "map" && family === ALLOCATION && !needs.includes("entries"),
);

/** Words that a list has room for at first: most stay empty. */
const FEWEST_WORDS = 16;

/**
 * A list of 64-bit values in halves that grows and is used again.
 *
 * @public
 */
export class HalvesList {
  /** High, then low half of each value. */
  words: Uint32Array<ArrayBuffer> = new Uint32Array(FEWEST_WORDS);
  length = 0;

  push(hi: number, lo: number): void {
    const at = this.length++ * 2;
    if (at === this.words.length) {
      const more = new Uint32Array(at * 2);
      more.set(this.words);
      this.words = more;
    }
    this.words[at] = hi;
    this.words[at + 1] = lo;
  }
}

/**
 * Names of which events have the numbers, and what was read behind events.
 *
 * @public
 */
export interface DmaNames {
  readonly devices: { readonly names: readonly string[] };
  readonly tasks: { readonly names: readonly string[] };
  /** Call stacks, by the numbers of events. */
  readonly stacks: CallStacks;
}

/** No names. */
export const NO_NAMES: DmaNames = { devices: { names: [] }, tasks: { names: [] }, stacks: new CallStacks() };

/**
 * One event of the DMA API. A reader has a single one and fills it anew for
 * each event: take what you need before you return from the callback.
 *
 * What a line does not have is 0, an empty list, or what the field says.
 *
 * @public
 */
export class LinuxDmaEvent {
  /** A number of `DMA_KINDS`, or `DMA_LOST`. */
  kind: number;
  /** Events before this one in the same text, `DMA_LOST` not counted. */
  number: number;
  /** Line, from 1. */
  line: number;
  /** Whole seconds of the time, NaN when the text has none. Which clock is the recording's affair. */
  seconds: number;
  /** Nanoseconds within the second. */
  nanoseconds: number;
  /** Value of a clock that counts something else than seconds, NaN of one that does. */
  ticks: number;
  /** CPU, -1 when the text has none. */
  cpu: number;
  /** Process (thread) that ran, -1 when the text has none. It need not be the one that wanted the DMA. */
  pid: number;
  /** Its name, a number of the reader's `tasks`; -1 when the text has none. */
  task: number;
  /** Device, a number of the reader's `devices`. Addresses belong to it. */
  device: number;
  /** A number of {@link DIRECTION_NAMES}. */
  direction: number;
  /** DMA address; all ones when mapping failed. Lists have theirs in {@link ranges}. */
  dmaHi: number;
  dmaLo: number;
  /** Physical address of what was mapped. */
  physHi: number;
  physLo: number;
  /** Bytes, exact below 2^53. `DMA_LOST`: how many events, 0 when that is not known. */
  size: number;
  /** Was the pointer of an allocation NULL? */
  nullPointer: boolean;
  /** Bits of {@link ATTRIBUTE_BITS}; a map and its unmap may differ in them. */
  attributes: number;
  /** Names of attributes that are not among these, as the kernel prints them, with `|` between; mostly empty. */
  otherAttributes: string;
  /** Negative error number of the `_err` events. */
  error: number;
  /** DMA addresses of a list: of its mapped ranges, which are mostly fewer than its entries. */
  readonly ranges: HalvesList;
  /** Sizes of {@link ranges}. */
  readonly rangeSizes: HalvesList;
  /** Physical addresses of the entries of a list. */
  readonly entries: HalvesList;
  /** How many entries and ranges the list has; the kernel writes out at most 128 of those of a map (LINUX-TRACE-1). */
  totalEntries: number;
  totalRanges: number;
  /** Did the kernel leave entries or ranges out? */
  truncated: boolean;

  constructor() {
    this.kind = DMA_MAP_PAGE;
    this.number = 0;
    this.line = 0;
    this.seconds = Number.NaN;
    this.nanoseconds = 0;
    this.ticks = Number.NaN;
    this.cpu = -1;
    this.pid = -1;
    this.task = -1;
    this.device = -1;
    this.direction = NO_DIRECTION;
    this.dmaHi = 0;
    this.dmaLo = 0;
    this.physHi = 0;
    this.physLo = 0;
    this.size = 0;
    this.nullPointer = false;
    this.attributes = 0;
    this.otherAttributes = "";
    this.error = 0;
    this.ranges = new HalvesList();
    this.rangeSizes = new HalvesList();
    this.entries = new HalvesList();
    this.totalEntries = 0;
    this.totalRanges = 0;
    this.truncated = false;
  }

  /** Did the call that this event reports fail? */
  get failed(): boolean {
    const { kind } = this;
    if (IS_SINGLE_MAP[kind]!) return this.dmaHi === 0xffff_ffff && this.dmaLo === 0xffff_ffff;
    if (IS_ALLOCATION[kind]!) return this.nullPointer && (this.dmaHi | this.dmaLo) === 0;
    return IS_ERROR[kind]!;
  }

  /**
   * Becomes the statement that events of a CPU are missing here.
   *
   * @param cpu -1 if that is not known
   * @param count 0 if it is not known
   */
  becomeLoss(cpu: number, count: number, place: { readonly number: number; readonly line: number }): void {
    this.clear();
    this.kind = DMA_LOST;
    this.number = place.number;
    this.line = place.line;
    this.seconds = Number.NaN;
    this.nanoseconds = 0;
    this.ticks = Number.NaN;
    this.cpu = cpu;
    this.pid = -1;
    this.task = -1;
    this.device = -1;
    this.size = count;
  }

  /** Forgets the arguments of the event before. */
  clear(): void {
    this.direction = NO_DIRECTION;
    this.dmaHi = 0;
    this.dmaLo = 0;
    this.physHi = 0;
    this.physLo = 0;
    this.size = 0;
    this.attributes = 0;
    this.otherAttributes = "";
    this.clearRest();
  }

  /** @internal Forgets those but direction, addresses, size and attributes. */
  clearRest(): void {
    this.nullPointer = false;
    this.error = 0;
    this.ranges.length = 0;
    this.rangeSizes.length = 0;
    this.entries.length = 0;
    this.totalEntries = 0;
    this.totalRanges = 0;
    this.truncated = false;
  }
}

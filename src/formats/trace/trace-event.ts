import { TWO32 } from "../../base/u64.ts";

/** Kinds of `spapr_iommu_*` events. `put`, `get`, `indirect` and `stuff` exist for VIO and, as `pci_`, for PHBs. */
export const PUT = 0;
export const GET = 1;
export const INDIRECT = 2;
export const STUFF = 3;
export const XLATE = 4;
export const NEW_TABLE = 5;
export const PRE_SAVE = 6;
export const POST_LOAD = 7;
export const DDW_QUERY = 8;
export const DDW_CREATE = 9;
export const DDW_REMOVE = 10;
export const DDW_RESET = 11;

/**
 * Arguments of all kinds, in the order in which {@link QemuTraceEvent} stores them.
 * An argument that several kinds share has one place.
 *
 * @public
 */
export const ARGUMENTS = [
  "liobn",
  "ioba",
  "tce",
  "ret",
  "list",
  "last",
  "pages",
  "perm",
  "mask",
  "table",
  "fd",
  "entries",
  "newEntries",
  "busOffset",
  "pageShift",
  "buid",
  "configAddress",
  "available",
  "windowSize",
  "pageSizes",
  "pageSize",
] as const;

/**
 * Name of an argument of an event.
 *
 * @public
 */
export type ArgumentName = (typeof ARGUMENTS)[number];

const LIOBN = 0;
const IOBA = 2;
const TCE = 4;
const RET = 6;
const LIST = 8;
const LAST = 10;
const PAGES = 12;
const PERM = 14;
const MASK = 16;
const TABLE = 18;
const FD = 20;
const ENTRIES = 22;
const NEW_ENTRIES = 24;
const BUS_OFFSET = 26;
const PAGE_SHIFT = 28;
const BUID = 30;
const CONFIG_ADDRESS = 32;
const AVAILABLE = 34;
const WINDOW_SIZE = 36;
const PAGE_SIZES = 38;
const PAGE_SIZE = 40;

/**
 * One event of a QEMU trace. A reader has a single one and fills it anew for
 * each event: take what you need before you return from the callback.
 *
 * Only the arguments that the event's kind has mean anything; the others keep
 * what an earlier event left. Arguments of 64 bits are read in halves.
 *
 * @public
 */
export class QemuTraceEvent {
  /** A number for what the event is; {@link traceEventName} has its name. */
  kind: number;
  /** Is this the `pci_` variant of its kind? */
  pci: boolean;
  /** Events before this one in the same trace. */
  number: number;
  /** Line in a log, from 1; byte offset of the record in a binary trace. */
  position: number;
  /** Whole seconds of the time, NaN when the trace has none. Which clock is the trace's affair. */
  seconds: number;
  /** Nanoseconds within the second. */
  nanoseconds: number;
  /** Thread that logged the event, NaN when the trace does not say. */
  thread: number;
  /** All arguments: the high, then the low half of each of {@link ARGUMENTS}. */
  readonly words: Uint32Array<ArrayBuffer>;

  constructor() {
    this.kind = PUT;
    this.pci = false;
    this.number = 0;
    this.position = 0;
    this.seconds = Number.NaN;
    this.nanoseconds = 0;
    this.thread = Number.NaN;
    this.words = new Uint32Array(ARGUMENTS.length * 2);
  }

  /** Logical bus number, as a guest passed it: 64 bits, exact below 2^53. Real ones have 32. */
  get liobn(): number {
    return this.words[LIOBN]! * TWO32 + this.words[LIOBN + 1]!;
  }

  get liobnHi(): number {
    return this.words[LIOBN]!;
  }
  get liobnLo(): number {
    return this.words[LIOBN + 1]!;
  }

  /** Bus address. `xlate`: offset in its window. `stuff` that succeeded: the address *after* the last page. */
  get iobaHi(): number {
    return this.words[IOBA]!;
  }
  get iobaLo(): number {
    return this.words[IOBA + 1]!;
  }

  /** TCE put or read. `stuff`: in all pages; `indirect`: the last one; `xlate`: the target, without low bits. */
  get tceHi(): number {
    return this.words[TCE]!;
  }
  get tceLo(): number {
    return this.words[TCE + 1]!;
  }

  /** Status of the call: 0 or a negative H_ code. */
  get ret(): number {
    return (this.words[RET]! | 0) * TWO32 + this.words[RET + 1]!;
  }

  /** Was the call refused? */
  get failed(): boolean {
    return (this.words[RET]! | this.words[RET + 1]!) !== 0;
  }

  /** `indirect`: guest address of the list of TCEs. */
  get listHi(): number {
    return this.words[LIST]!;
  }
  get listLo(): number {
    return this.words[LIST + 1]!;
  }

  /** `indirect`: index in the list of the TCE that is printed, so that one more were put. */
  get lastHi(): number {
    return this.words[LAST]!;
  }
  get lastLo(): number {
    return this.words[LAST + 1]!;
  }

  /** `stuff`: number of pages. */
  get pagesHi(): number {
    return this.words[PAGES]!;
  }
  get pagesLo(): number {
    return this.words[PAGES + 1]!;
  }

  /** `xlate`: what the TCE allows, 0 for a fault. */
  get perm(): number {
    return this.words[PERM + 1]!;
  }

  /** `xlate`: page size - 1, cut to 32 bits. */
  get mask(): number {
    return this.words[MASK + 1]!;
  }

  /** `new_table`: address of the table in QEMU, 0 when it has none. */
  get tableHi(): number {
    return this.words[TABLE]!;
  }
  get tableLo(): number {
    return this.words[TABLE + 1]!;
  }

  /** `new_table`: descriptor of the table in the host's kernel, -1 when it is in user space. */
  get fd(): number {
    return this.words[FD + 1]! | 0;
  }

  /** `pre_save`: entries of the table; `post_load`: entries before the load. */
  get entries(): number {
    return this.words[ENTRIES + 1]!;
  }

  /** `post_load`: entries after the load. */
  get newEntries(): number {
    return this.words[NEW_ENTRIES + 1]!;
  }

  /** `pre_save`, `post_load`, `ddw_create`: first bus address of the window. */
  get busOffsetHi(): number {
    return this.words[BUS_OFFSET]!;
  }
  get busOffsetLo(): number {
    return this.words[BUS_OFFSET + 1]!;
  }

  /** `pre_save`, `post_load`: log2 of the page size. */
  get pageShift(): number {
    return this.words[PAGE_SHIFT + 1]!;
  }

  /** `ddw_query`, `ddw_create`, `ddw_reset`: unit identifier of the PHB. */
  get buidHi(): number {
    return this.words[BUID]!;
  }
  get buidLo(): number {
    return this.words[BUID + 1]!;
  }

  /** `ddw_query`, `ddw_create`, `ddw_reset`: configuration address of the device. */
  get configAddress(): number {
    return this.words[CONFIG_ADDRESS + 1]!;
  }

  /** `ddw_query`: windows that can be created. */
  get available(): number {
    return this.words[AVAILABLE + 1]!;
  }

  /** Bytes of the window: `ddw_query` the largest, `ddw_create` what was asked for. */
  get windowSizeHi(): number {
    return this.words[WINDOW_SIZE]!;
  }
  get windowSizeLo(): number {
    return this.words[WINDOW_SIZE + 1]!;
  }

  /** `ddw_query`: page sizes that are supported, a bit for each. */
  get pageSizes(): number {
    return this.words[PAGE_SIZES + 1]!;
  }

  /** `ddw_create`: bytes of a page. */
  get pageSizeHi(): number {
    return this.words[PAGE_SIZE]!;
  }
  get pageSizeLo(): number {
    return this.words[PAGE_SIZE + 1]!;
  }
}

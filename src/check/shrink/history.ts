import { IommuError } from "../../base/errors.ts";
import { PageStep } from "../../base/page-step.ts";
import { hex, log2, log2Of, toBig } from "../../base/u64.ts";
import {
  DDW_CREATE,
  DDW_REMOVE,
  DDW_RESET,
  GET,
  INDIRECT,
  NEW_TABLE,
  PUT,
  type QemuTraceEvent,
  STUFF,
  XLATE,
} from "../../formats/trace/trace-event.ts";
import { isPciLiobn, MAX_LIST_ENTRIES, phbOfLiobn } from "../../spapr/papr.ts";
import { TCE_PERM_MASK } from "../../tce/tce.ts";
import { askedPages, CallRange, ListTce } from "../rebuild/call-range.ts";
import { CREATE, createCall } from "./header.ts";
import type { Operation, Target } from "./target.ts";

/** Operations of one window that are tried; a trace that needs more cannot be shrunk. */
export const MAX_OPERATIONS = 20_000;
/** Where scripts put lists. */
const LIST_ADDRESS = "0x200000";

/**
 * Collects from a trace what can have to do with a finding: calls that touch
 * its pages, translations of them, and what windows went through.
 */
export class ShrinkHistory {
  readonly #target: Target;
  readonly #operations: Operation[] = [];
  /** Pages of which the trace showed something. */
  readonly #shown = new Set<bigint>();
  /** Did the trace see the window begin? */
  #whole = false;
  readonly #page: PageStep;
  readonly #range = new CallRange();

  constructor(target: Target) {
    this.#target = target;
    this.#page = new PageStep(target.pageShift);
  }

  /**
   * Takes an event up to the last one that proves the finding; the object may be reused.
   *
   * @throws IommuError LIMIT_EXCEEDED if too many calls touch the pages
   */
  take(event: QemuTraceEvent): void {
    const operation = this.#operationOf(event);
    if (operation === undefined) return;
    if (this.#operations.length >= MAX_OPERATIONS) {
      throw new IommuError(
        "LIMIT_EXCEEDED",
        `more than ${MAX_OPERATIONS} calls touch the pages of the finding`,
      );
    }
    this.#operations.push(operation);
  }

  /** What was collected, on a machine whose windows are those of its start. */
  get operations(): readonly Operation[] {
    const { liobn, end, busOffset, pageShift } = this.#target;
    const isCreated = !isPciLiobn(liobn) || (liobn & 0xff) === 0 || this.#operations.some(isCreate);
    if (isCreated) return this.#operations;
    // The trace began when the window was there: one that reaches to the pages in question does as well.
    const windowShift = Math.max(pageShift, log2(end - busOffset - 1n) + 1);
    return [createCall(liobn, pageShift, windowShift), ...this.#operations];
  }

  #operationOf(event: QemuTraceEvent): Operation | undefined {
    const { liobn } = this.#target;
    switch (event.kind) {
      case DDW_CREATE:
        if (event.liobn === liobn) this.#whole = true;
        return createCall(
          event.liobn,
          log2Of(event.pageSizeHi, event.pageSizeLo),
          log2Of(event.windowSizeHi, event.windowSizeLo),
        );
      case DDW_RESET: {
        const args = [event.configAddress, event.buidHi, event.buidLo];
        return { op: "rtas", name: "ibm,reset-pe-dma-window", args, nret: 1 };
      }
      case DDW_REMOVE:
        return { op: "rtas", name: "ibm,remove-pe-dma-window", args: [event.liobn], nret: 1 };
      case NEW_TABLE:
        if (event.liobn === liobn) this.#whole = true;
        return undefined;
      default:
        return event.liobn === liobn ? this.#callOf(event) : undefined;
    }
  }

  #callOf(event: QemuTraceEvent): Operation | undefined {
    const liobn = hex(event.liobn);
    const ioba = toBig(event.iobaHi, event.iobaLo);
    const tce = hex(toBig(event.tceHi, event.tceLo));
    const result = { ret: event.ret };
    switch (event.kind) {
      case PUT:
        return this.#noteTouched(ioba, 1)
          ? { op: "h_put_tce", liobn, ioba: hex(ioba), tce, result }
          : undefined;
      case GET: {
        if (!this.#touches(ioba, 1)) return undefined;
        if (event.ret === 0 && this.#isNew(ioba, event.tceLo)) return this.#putBefore(ioba, tce);
        const answer = event.ret === 0 ? { ...result, tce } : result;
        return { op: "h_get_tce", liobn, ioba: hex(ioba), result: answer };
      }
      case STUFF: {
        this.#range.read(event, this.#page);
        const start = toBig(this.#range.startHi, this.#range.startLo);
        const pages = askedPages(event);
        if (!this.#noteTouched(start, pages)) return undefined;
        return { op: "h_stuff_tce", liobn, ioba: hex(start), tce, npages: hex(pages), result };
      }
      case INDIRECT:
        return this.#noteTouched(ioba, askedPages(event)) ? this.#listOf(event, ioba, result) : undefined;
      case XLATE:
        return this.#dmaOf(event, ioba);
      default:
        return undefined;
    }
  }

  #touches(ioba: bigint, pages: number): boolean {
    const { first, end, pageShift } = this.#target;
    return ioba < end && ioba + (BigInt(pages) << BigInt(pageShift)) > first;
  }

  /** Does a call touch the pages? Then the trace has shown them. */
  #noteTouched(ioba: bigint, pages: number): boolean {
    if (!this.#touches(ioba, pages)) return false;
    if (pages === 1) this.#shown.add(ioba);
    else this.#whole = true;
    return true;
  }

  /** Was a page mapped before the trace began? The guest of the script must do that. */
  #isNew(ioba: bigint, tceLo: number): boolean {
    return !this.#whole && !this.#shown.has(ioba) && (tceLo & TCE_PERM_MASK) !== 0;
  }

  #putBefore(ioba: bigint, tce: string): Operation {
    this.#shown.add(ioba);
    return { op: "h_put_tce", liobn: hex(this.#target.liobn), ioba: hex(ioba), tce, result: { ret: 0 } };
  }

  /** A list prints its last entry; the others are what they would be if it were linear. */
  #listOf(event: QemuTraceEvent, ioba: bigint, result: Operation): Operation {
    const tce = new ListTce();
    const list = Array.from({ length: Math.min(askedPages(event), MAX_LIST_ENTRIES) }, (_entry, i) => {
      tce.read(event, event.lastLo - i, this.#page);
      return hex(toBig(tce.hi, tce.lo));
    });
    const op = "h_put_tce_indirect";
    return { op, liobn: hex(event.liobn), ioba: hex(ioba), listAddr: LIST_ADDRESS, list, result };
  }

  /** A translation: what it found is read back; one that failed is a DMA that fails. */
  #dmaOf(event: QemuTraceEvent, offset: bigint): Operation | undefined {
    const { busOffset, finding, liobn, pageShift } = this.#target;
    const ioba = busOffset + offset;
    if (!this.#touches(ioba, 1)) return undefined;
    const after = finding.kind === "dma-after-unmap" || event.perm === 0;
    const tce = hex(toBig(event.tceHi, (event.tceLo | event.perm) >>> 0));
    const page = (ioba >> BigInt(pageShift)) << BigInt(pageShift);
    if (this.#isNew(page, event.perm)) return this.#putBefore(page, tce);
    if (after && isPciLiobn(liobn)) {
      return { op: "dma_read", phb: phbOfLiobn(liobn), iova: hex(ioba), len: 4 };
    }
    return { op: "h_get_tce", liobn: hex(liobn), ioba: hex(ioba), result: { ret: 0, tce } };
  }
}

const isCreate = ({ name }: Operation): boolean => name === CREATE;

import { hex, toBig } from "../../base/u64.ts";
import { INDIRECT, type QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { type Finding, pagesText } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import { placeOf } from "../findings/place.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";

/** Finds entries that map what is no memory of the guest. Calls for pages one after another are one finding. */
export class RamFindings {
  readonly #log: FindingLog;
  readonly #ram: bigint;
  #last: Finding | undefined;
  #window: RebuiltWindow | undefined;
  /** Page after the last finding. */
  #next = -1;

  /** @param ram bytes of the guest's memory, from address 0 */
  constructor(log: FindingLog, ram: bigint) {
    this.#log = log;
    this.#ram = ram;
  }

  /** To be called for a call that maps pages. */
  mapping(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    const { page } = rebuilt.window;
    const size = 1n << BigInt(page.shift);
    const last = toBig((event.tceHi & page.maskHi) >>> 0, (event.tceLo & page.maskLo) >>> 0);
    if (last + size <= this.#ram) return;
    // A list printed its last target: those before it are taken to lie before that one.
    const isList = event.kind === INDIRECT;
    const beyond = (last + size - this.#ram + size - 1n) / size;
    const pages = isList && beyond < count ? Number(beyond) : count;
    const from = first + count - pages;
    const place = placeOf(event);
    if (this.#last !== undefined && this.#window === rebuilt && this.#next === from) {
      this.#log.extend(this.#last, [place], pages);
    } else {
      const target = isList ? last - BigInt(pages - 1) * size : last;
      this.#last = this.#log.add({
        kind: "beyond-ram",
        liobn: rebuilt.window.liobn,
        ioba: rebuilt.iobaOf(from),
        pages,
        places: [place],
        message: `maps ${hex(target)} (${pagesText(pages)} in this call), but memory ends at ${hex(this.#ram)}`,
      });
    }
    this.#window = rebuilt;
    this.#next = first + count;
  }
}

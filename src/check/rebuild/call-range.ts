import type { PageStep } from "../../base/page-step.ts";
import { INDIRECT, PUT, type QemuTraceEvent, STUFF } from "../../formats/trace/trace-event.ts";
import { permOf } from "../../tce/tce.ts";

/** Does an event report a call that stores entries? */
export const isStore = ({ kind }: QemuTraceEvent): boolean =>
  kind === PUT || kind === STUFF || kind === INDIRECT;

/** Pages that a call asked for. */
export const askedPages = (event: QemuTraceEvent): number =>
  event.kind === STUFF ? event.pagesLo : event.kind === INDIRECT ? event.lastLo + 1 : 1;

/**
 * Which pages a call stores ({@link isStore}), by what a trace prints of it. One object is filled anew for each call.
 *
 * A successful stuff prints the address after its last page. A refused one prints where it stopped: nothing says
 * where it began, nor then what it stored. A list prints its last TCE; one that was refused at the end of the window
 * prints the entry that did not fit, after all those that did.
 */
export class CallRange {
  /** Bus address of the first page, relative to the window as hypercalls have it. */
  startHi = 0;
  startLo = 0;

  read(event: QemuTraceEvent, page: PageStep): void {
    this.startHi = event.iobaHi;
    this.startLo = event.iobaLo;
    if (event.kind !== STUFF || event.failed) return;
    const lo = event.iobaLo - page.bytesLo(event.pagesLo);
    this.startHi = (event.iobaHi - page.bytesHi(event.pagesLo) - (lo < 0 ? 1 : 0)) >>> 0;
    this.startLo = lo >>> 0;
  }
}

/**
 * The TCE of an entry of a list, of which a trace prints the last one: the others are inferred to map the pages before
 * it, or to be the same where it maps nothing. One object is filled anew for each entry.
 */
export class ListTce {
  hi = 0;
  lo = 0;

  /**
   * @param back how many entries before the one that is printed
   * @returns false if there is no such page, as it would begin below 0
   */
  read({ tceHi, tceLo }: QemuTraceEvent, back: number, page: PageStep): boolean {
    const pages = permOf(tceLo) === 0 ? 0 : back;
    const lo = tceLo - page.bytesLo(pages);
    const hi = tceHi - page.bytesHi(pages) - (lo < 0 ? 1 : 0);
    this.hi = hi >>> 0;
    this.lo = lo >>> 0;
    return hi >= 0;
  }
}

/**
 * Pages that a call stored, from the first one on.
 *
 * @param room entries from the first one to the end of the window
 */
export function storedPages(event: QemuTraceEvent, room: number): number {
  if (!event.failed) return askedPages(event);
  return event.kind === INDIRECT ? Math.max(0, room) : 0;
}

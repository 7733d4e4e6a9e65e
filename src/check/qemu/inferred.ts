import { hex, toBig } from "../../base/u64.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import type { Finding } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import { placeOf, placeText } from "../findings/place.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";

/** Finds entries that are not what was concluded from the last one of their list. */
export class InferredFindings {
  readonly #log: FindingLog;
  readonly #byList = new WeakMap<RebuiltWindow, Map<number, Finding>>();

  constructor(log: FindingLog) {
    this.#log = log;
  }

  /** What an event shows of an entry contradicts the conclusion. Those of one list are one finding. */
  contradicted(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number): void {
    const list = rebuilt.history.at(index);
    if (list === undefined) return;
    const byList = this.#byList.get(rebuilt) ?? new Map<number, Finding>();
    this.#byList.set(rebuilt, byList);
    const known = byList.get(list.event);
    if (known !== undefined) {
      this.#log.extend(known, [placeOf(event)], 1);
      return;
    }
    const { window } = rebuilt;
    const concluded = hex(
      window.table!.get(index) & ~(window.page.shift < 63 ? (1n << BigInt(window.pageShift)) - 1n : 0n),
    );
    const shown = hex(toBig(event.tceHi, event.tceLo));
    byList.set(
      list.event,
      this.#log.add({
        kind: "inferred-contradicted",
        liobn: window.liobn,
        ioba: rebuilt.iobaOf(index),
        pages: 1,
        places: [list, placeOf(event)],
        message: `maps ${shown}, not ${concluded} as was concluded from the last entry of the list of ${placeText(list)}, which is all that is printed of it: the list is not linear`,
      }),
    );
  }
}

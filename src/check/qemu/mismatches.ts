import { hex } from "../../base/u64.ts";
import { formatCount } from "../../base/units.ts";
import type { Finding } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import type { Mismatch } from "../rebuild/mismatch.ts";

/** Answers of one window that would be right with one other start. */
interface Hypothesis {
  readonly finding: Finding;
  readonly start: bigint;
  readonly message: string;
}

/** Tells of answers that do not fit; those that one other start of their window explains are one finding. */
export class MismatchFindings {
  readonly #log: FindingLog;
  readonly #hypotheses = new Map<string, Hypothesis>();

  constructor(log: FindingLog) {
    this.#log = log;
  }

  add({ event, line, liobn, address, text, expected, actual, start }: Mismatch): void {
    const places = [{ event, line }];
    const key = `${liobn} ${start}`;
    const known = start === undefined ? undefined : this.#hypotheses.get(key);
    if (known !== undefined) {
      this.#log.extend(known.finding, places, 1);
      return;
    }
    const message = `recorded "${text}" (${expected}), but by all that the trace told before it is ${actual}`;
    const finding = this.#log.add({ kind: "mismatch", liobn, ioba: address, pages: 1, places, message });
    if (start !== undefined) this.#hypotheses.set(key, { finding, start, message });
  }

  /** To be called after the last event: names what explains several. */
  end(): void {
    for (const { finding, start, message } of this.#hypotheses.values()) {
      const { count, liobn } = finding;
      if (count < 2) continue;
      finding.message = `${message}; all ${formatCount(count)} go away if LIOBN ${hex(liobn!)} starts at ${hex(start)}`;
    }
  }
}

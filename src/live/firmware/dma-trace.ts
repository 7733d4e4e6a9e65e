import { hex, toBig } from "../../base/u64.ts";
import { QemuLogReader } from "../../formats/trace/qemu-log.ts";
import { GET, type QemuTraceEvent, XLATE } from "../../formats/trace/trace-event.ts";
import type { OpResult } from "../../script/op/result.ts";
import { MARK_BEGIN, MARK_END } from "./layout.ts";

/** A translation that QEMU made for a DMA, one for each page that it touched. */
export interface Translation {
  readonly liobn: number;
  /** Address relative to the start of the window. */
  readonly offset: bigint;
  readonly addr: bigint;
  readonly perm: number;
  /** Page size - 1, low 32 bits. */
  readonly mask: number;
}

/**
 * Reads the translations of each DMA from QEMU's log. The firmware puts a
 * look-up of a window that no machine has before and after each, with the
 * number of the DMA as its address.
 */
export class DmaTrace extends QemuLogReader {
  readonly #byNumber: Map<number, Translation[]>;

  constructor() {
    const byNumber = new Map<number, Translation[]>();
    let current: Translation[] | undefined;
    super((event) => {
      if (event.kind === GET && event.liobn === MARK_BEGIN) {
        current = [];
        byNumber.set(event.iobaLo, current);
      } else if (event.kind === GET && event.liobn === MARK_END) {
        current = undefined;
      } else if (event.kind === XLATE && current !== undefined) {
        addTranslation(current, event);
      }
    });
    this.#byNumber = byNumber;
  }

  translations(number: number): readonly Translation[] {
    return this.#byNumber.get(number) ?? [];
  }
}

/** QEMU may translate a page several times in a row. */
function addTranslation(list: Translation[], event: QemuTraceEvent): void {
  const { liobn, mask, perm } = event;
  const translation = {
    liobn,
    offset: toBig(event.iobaHi, event.iobaLo),
    addr: toBig(event.tceHi, event.tceLo),
    perm,
    mask,
  };
  const last = list.at(-1);
  if (last === undefined || last.liobn !== liobn || pageOf(last) !== pageOf(translation))
    list.push(translation);
}

const pageOf = ({ offset, mask }: Translation): bigint => offset & ~BigInt(mask);

export const showTranslation = (translation: Translation): OpResult => ({
  liobn: hex(translation.liobn),
  offset: hex(translation.offset),
  addr: hex(translation.addr),
  perm: translation.perm,
  mask: hex(translation.mask),
});

/**
 * Was any byte of a transfer refused? A byte that no window covers leaves no
 * translation; one that a window covers was refused if its entry does not permit
 * the access.
 *
 * @param windowStarts bus addresses at which a window of the bridge may begin
 * @param need 1 to read, 2 to write
 */
export function wasRefused(
  translations: readonly Translation[],
  windowStarts: readonly bigint[],
  iova: bigint,
  length: number,
  need: number,
): boolean {
  let covered = 0n;
  for (const { offset, mask } of translations) {
    const at =
      windowStarts
        .map((start) => BigInt.asUintN(64, start + offset) - iova)
        .find((distance) => distance >= 0n && distance < BigInt(length)) ?? 0n;
    const inPage = (offset | BigInt(mask)) - offset + 1n;
    const left = BigInt(length) - at;
    covered += inPage < left ? inPage : left;
  }
  return covered < BigInt(length) || translations.some(({ perm }) => (perm & need) === 0);
}

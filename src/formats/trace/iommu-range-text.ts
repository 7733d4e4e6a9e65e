import { IommuRange } from "./kernel-event.ts";
import { NumberReader } from "./number-reader.ts";
import { encode, startsWith } from "./words.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const LETTER_I = 0x69;
const LETTER_U = 0x75;

/** perf writes the system's name before that of the event. */
const SYSTEM = encode("iommu:");
const UN = encode("un");
const NAME = encode("map:");
const IOVA = encode("IOMMU: iova=0x");
const END = encode(" - 0x");
const PHYSICAL = encode(" paddr=0x");
const SIZE = encode(" size=");
const UNMAPPED = encode(" unmapped_size=");

/**
 * Reads `iommu:map` and `iommu:unmap` as the kernel prints them, from the end of the time on. It is a short cut: what it
 * does not know is read as all other lines of the kernel are.
 *
 *     : map: IOMMU: iova=0x00000000ffffc000 - 0x00000000ffffd000 paddr=0x000000005c332000 size=4096
 *     : unmap: IOMMU: iova=0x00000000ffffc000 - 0x00000000ffffd000 size=4096 unmapped_size=4096
 */
export class IommuRangeText {
  /** The position after the line end of the line that was read last. */
  next = 0;
  /** Did perf write it? */
  isPerf = false;
  readonly #numbers = new NumberReader();

  /** @returns undefined if the text is another one */
  read(bytes: Uint8Array, time: number): IommuRange | undefined {
    if (bytes[time] !== COLON || bytes[time + 1] !== SPACE) return undefined;
    const numbers = this.#numbers;
    let at = skipBlanks(bytes, time + 1);
    this.isPerf = bytes[at] === LETTER_I && startsWith(bytes, at, SYSTEM);
    if (this.isPerf) at += SYSTEM.length;
    const isUnmap = bytes[at] === LETTER_U;
    if (isUnmap) at = after(bytes, at, UN);
    at = after(bytes, at, NAME);
    if (at < 0 || bytes[at] !== SPACE) return undefined;
    at = numbers.hex(bytes, after(bytes, skipBlanks(bytes, at), IOVA));
    if (at < 0) return undefined;
    const iovaHi = numbers.hi;
    const iovaLo = numbers.lo;
    at = numbers.hex(bytes, after(bytes, at, END));
    if (at >= 0 && !isUnmap) at = numbers.hex(bytes, after(bytes, at, PHYSICAL));
    if (at >= 0) at = numbers.decimal(bytes, after(bytes, at, SIZE));
    if (at < 0) return undefined;
    const range = new IommuRange(
      isUnmap ? "iommu-unmap" : "iommu-map",
      iovaHi,
      iovaLo,
      numbers.hi,
      numbers.lo,
    );
    if (isUnmap) at = numbers.decimal(bytes, after(bytes, at, UNMAPPED));
    if (at < 0) return undefined;
    if (bytes[at] === RETURN) at++;
    this.next = at + 1;
    return bytes[at] === NEWLINE ? range : undefined;
  }
}

function skipBlanks(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] === SPACE) at++;
  return at;
}

/** Where the text that must stand at `at` ends; -1, where no number begins, if it does not or `at` is that already. */
function after(bytes: Uint8Array, at: number, text: Uint8Array): number {
  return at >= 0 && startsWith(bytes, at, text) ? at + text.length : -1;
}
